package compiler

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// spareRunner is a runner that waits for its config, with pipes for its
// standard streams. It takes milliseconds to start.
type spareRunner struct {
	runner       *runner
	in, out, err *os.File
}

// startSpare starts one.
func startSpare(c *reaper) (*spareRunner, error) {
	var ends [6]*os.File
	closeAll := func(list []*os.File) {
		for _, f := range list {
			if f != nil {
				f.Close()
			}
		}
	}
	for i := 0; i < len(ends); i += 2 {
		var err error
		if ends[i], ends[i+1], err = os.Pipe(); err != nil {
			closeAll(ends[:])
			return nil, err
		}
	}
	theirs := []*os.File{ends[0], ends[3], ends[5]}
	defer closeAll(theirs)
	if raw, err := ends[1].SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) // best effort
		})
	}
	// Its end is not looked at before it is known.
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := tryRunner(ends[3].Fd(), ends[5].Fd(), ends[0].Fd())
	if err != nil {
		closeAll(ends[:])
		return nil, err
	}
	if c.ends == nil {
		c.ends = map[int]chan unix.WaitStatus{}
	}
	c.ends[r.pid] = make(chan unix.WaitStatus, 1)
	return &spareRunner{r, ends[1], ends[2], ends[4]}, nil
}

// spare returns a runner that waits.
func (s *stage) spare() (*spareRunner, error) {
	if len(s.spares) > 0 {
		sp := s.spares[0]
		s.spares = slices.Delete(s.spares, 0, 1)
		return sp, nil
	}
	return startSpare(&s.reaper)
}
