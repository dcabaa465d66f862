package compiler

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockTime is how long the lock of a flush may be away while nothing is asked
// of the recorder. A shim has it for some microseconds on either side of its
// flush; one that is killed then takes it along, and the next would wait for
// ever.
const lockTime = 2 * time.Second

// guardLock ends the script when the lock of the flush is lost. Exact mode has
// none.
func (r *recorder) guardLock() {
	const looks = 8
	tick := time.NewTicker(lockTime / looks)
	defer tick.Stop()
	for idle, turn := 0, r.turns.Load(); idle < looks; {
		select {
		case <-r.served:
			return
		case <-tick.C:
		}
		if now := r.turns.Load(); now != turn || r.busy.Load() || waiting(r.token) != 0 || waiting(r.calls) != 0 {
			idle, turn = 0, now
			continue
		}
		idle++
	}
	r.fail("the lock of the queue is lost")
	_ = unix.Kill(-1, unix.SIGKILL)
}

// waiting returns how much can be read from a pipe, -1 if that is not known.
func waiting(pipe *os.File) int {
	n := -1
	if raw, err := pipe.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if got, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ); err == nil {
				n = got
			}
		})
	}
	return n
}
