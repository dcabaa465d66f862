package compiler

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// recorder is staging's side of the recorder. The pipes are the script's to
// spoil: then a load fails, and exact mode follows.
type recorder struct {
	stage                      *stage
	root                       string
	calls, token, answer, redo *os.File
	log                        *os.File
	looked                     lookedAt
	tools                      []recordable

	last      string // the field that ends it all
	sync      string // the field that asks for a flush
	synced    chan struct{}
	served    chan struct{}
	busy      atomic.Bool  // with what it read
	turns     atomic.Int64 // how often it read
	restorers []*restorer
	named     bool            // a rule that names a set is not loaded for sure
	batches   []*bytes.Buffer // the records of the calls, those of each flush

	mu     sync.Mutex
	reason string // why exact mode is needed
}

// install puts into place what the preludes, the shims and the flush use. The
// shims are installed.
func (r *recorder) install(s *shims, copy []byte) error {
	r.root, r.tools = s.root, s.recordables()
	for name, text := range map[string]string{
		recShell: shellPrelude(r.tools), lineFile: bashPrelude(r.tools, s.tools, true), recCopy: string(copy),
		recPlain: bashPrelude(r.tools, s.tools, false),
	} {
		if err := os.WriteFile(filepath.Join(r.root, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for name, file := range map[string]**os.File{recCalls: &r.calls, recToken: &r.token, recAnswer: &r.answer, recRedo: &r.redo} {
		var err error
		if *file, err = r.pipe(name); err != nil {
			return err
		}
	}
	if raw, err := r.calls.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) // best effort
		})
	}
	if _, err := r.token.WriteString("\n"); err != nil {
		return err
	}
	go r.watch()
	return nil
}

// pipe makes a named pipe that stays open.
func (r *recorder) pipe(name string) (*os.File, error) {
	path := filepath.Join(r.root, name)
	// Another user's calls do not queue: they must fail as they would.
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	return os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
}

// begin makes ready for the script's calls.
func (r *recorder) begin(s *stage) error {
	r.stage, r.looked = s, lookAt(r.root, s.shims.tools)
	var err error
	if r.log, err = os.OpenFile(filepath.Join(r.root, shimLog), os.O_WRONLY|os.O_APPEND, 0); err != nil {
		return err
	}
	text, _, _ := readUpTo(filepath.Join(r.root, s.Abs), 1<<20) // a guess is enough
	for _, tool := range []string{"tables", "ip6tables", "ipset"} {
		if bytes.Contains(text, []byte(tool)) || tool == "tables" {
			sp, err := startSpare(&s.reaper)
			if err != nil {
				return err
			}
			s.spares = append(s.spares, sp)
		}
	}
	r.sync, r.synced = rand.Text(), make(chan struct{}, 1)
	r.last, r.served, r.batches = rand.Text(), make(chan struct{}), []*bytes.Buffer{{}}
	go r.guardLock()
	go func() {
		defer close(r.served)
		if err := r.serve(); err != nil {
			r.fail("the queued calls do not load as one: " + lineOfQueue.ReplaceAllString(err.Error(), ""))
			_ = unix.Kill(-1, unix.SIGKILL)
		}
	}()
	return nil
}

// lineOfQueue is what a restore says ahead of a message.
var lineOfQueue = regexp.MustCompile(`^(?:[a-z0-9-]+(?: v[0-9.]+)?(?: \([a-z_]+\))?: )?(?:line [0-9]+ failed: )?`)

// watch ends the script when its calls need exact mode.
func (r *recorder) watch() {
	buf := make([]byte, 1000)
	n, err := r.redo.Read(buf)
	if err != nil {
		return
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	r.fail("the queued calls do not load as one: " + line)
	_ = unix.Kill(-1, unix.SIGKILL)
}

func (r *recorder) fail(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason == "" {
		r.reason = strings.ToValidUTF8(reason, "")
	}
}

func (r *recorder) failed() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reason
}

// finish returns why exact mode is needed, or "". The script's processes have
// ended.
func (r *recorder) finish(s *stage) string {
	for _, f := range []*os.File{r.redo, r.token, r.answer, r.log} {
		defer f.Close()
	}
	select {
	case <-r.served:
	default:
		r.fail("the queue was not loaded")
	}
	_ = r.calls.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, _ := r.calls.Read(make([]byte, 1)); n > 0 {
		r.fail("calls after the script's end")
	}
	_ = r.calls.Close()
	if path := r.looked.difference(r.root, lookAt(r.root, s.shims.tools)); path != "" {
		r.fail("the script changes " + path)
	}
	return r.failed()
}

// expand returns the record of calls with those that were queued in the place
// of their flush, and why exact mode is needed, or "".
func (r *recorder) expand(log []byte, limit uint64) ([]byte, string) {
	var out bytes.Buffer
	next := 0
	for rest := log; len(rest) > 0; {
		field, after, _ := bytes.Cut(rest, []byte{0})
		switch string(field) {
		case "flush":
			number, further, _ := bytes.Cut(after, []byte{0})
			if string(number) != strconv.Itoa(next) || next >= len(r.batches) {
				return log, "the record of the calls is spoilt"
			}
			out.Write(r.batches[next].Bytes())
			next, rest = next+1, further
		case "call":
			n := recordLen(rest)
			if n == 0 {
				out.Write(rest)
				return out.Bytes(), "" // is cut, as parseLog will say
			}
			out.Write(rest[:n])
			rest = rest[n:]
		default:
			return log, "the record of the calls is spoilt"
		}
		if uint64(out.Len()) > limit {
			return log, "the record of the calls is too long"
		}
	}
	if next != len(r.batches)-1 {
		return log, "the record of the calls is not whole"
	}
	return out.Bytes(), ""
}

// recordLen is the length of the first record of a call, 0 if it is not whole.
func recordLen(log []byte) int {
	at, fields := 0, 9
	for i := 0; i < fields; i++ {
		n := bytes.IndexByte(log[at:], 0)
		if n < 0 {
			return 0
		}
		if i == 7 {
			args, err := strconv.Atoi(string(log[at : at+n]))
			if err != nil || args < 0 || args > len(log) {
				return 0
			}
			fields += args
		}
		at += n + 1
	}
	return at
}
