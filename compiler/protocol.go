package compiler

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// fwc and the first process of staging talk over a socket pair in frames: a
// length of four bytes, a type, the content. fwc sends the config, then the
// files, then an end; staging sends the record of the calls, which fwc finds
// the lines of while staging checks what they made, and one report. An end of the stream instead
// means that the other side is gone.
const (
	frameConfig = 'c' // JSON of config
	frameFiles  = 'f' // a piece of the tar stream
	frameEnd    = 'e' // end of the tar stream
	frameCopy   = 'p' // what a POSIX shell is given in place of the script
	frameLog    = 'l' // the record of the calls, ahead of the report
	frameReport = 'r' // JSON of report
)

// maxFrame bounds a frame: a report of 100,000 rules and their calls is
// around 100 MB.
const maxFrame = 1 << 30

// config is what staging needs to know.
type config struct {
	Path     string   // as the script is called
	Abs      string   // where it is
	Interp   []string // run it with these instead of its own #! line
	Args     []string
	Env      []string
	Cwd      []string // the first that exists
	Timeout  time.Duration
	Network  network
	Identity identity
	// RootFS is the directory of the system to show, "" for the root.
	RootFS string
	// HostKeys are the sysctls of the build host.
	HostKeys []hostKey
	Limits   limits
	// Record says that calls are queued: see recorder.go.
	Record bool
	// Privileged says that there is no user namespace.
	Privileged bool
	// NoOverlay is for tests: see roots.
	NoOverlay bool
}

// report is what staging found.
type report struct {
	// Err is set if staging itself failed; Refused if because the kernel
	// did not permit something.
	Err     string
	Refused bool
	// Redo says why the script must run again in exact mode, or "".
	Redo string
	// NoTool is the program whose absence is the cause, or "".
	NoTool string

	Status   int
	Signal   string
	TimedOut bool
	// MemoryOut says that the script was ended for its hunger.
	MemoryOut bool
	Elapsed   time.Duration
	// Log is the record of the firewall calls, see callLog; LogCut says that
	// it is not whole.
	Log    []byte `json:"-"`
	LogCut bool
	// Spoilt says what the script did to the record, or "".
	Spoilt string
	// Left are the names of processes that the script left behind.
	Left []string
	// Written are the sysctl keys that the script wrote, Wanted those that
	// only the first network namespace has.
	Written []string
	Wanted  []ruleset.Sysctl
	// Asked says that the script read its standard input.
	Asked bool
	Notes []string
	// Warnings are what a reviewer must see.
	Warnings []string

	Toolchain ruleset.Toolchain
	Dumps     []ruleset.Dump
	Makers    makers
	Loss      *loss

	// places tells the places of the calls in the script.
	places func() ([]placement, error)
	// gone waits until no process of staging is left.
	gone func() (*os.ProcessState, error)
}

// loss is a failed self-check.
type loss struct {
	What string
	// Call is the index of the record that made it, or -1.
	Call int
}

func writeFrame(w io.Writer, kind byte, content []byte) error {
	if len(content) > maxFrame {
		return fmt.Errorf("a message of %d bytes is too large", len(content))
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	if _, err := w.Write(append(head, kind)); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}

func writeJSON(w io.Writer, kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFrame(w, kind, b)
}

func readFrame(r io.Reader) (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a message of %d bytes is too large", n)
	}
	// Grow with what arrives, not with what is announced.
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(b) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	return head[4], b, err
}

func readJSON(r io.Reader, kind byte, v any) error {
	k, b, err := readFrame(r)
	if err != nil {
		return err
	}
	if k != kind {
		return fmt.Errorf("a message of type %q where %q was due", k, kind)
	}
	return json.Unmarshal(b, v)
}

// fileStream is a writer whose content travels as frames.
type fileStream struct{ w io.Writer }

func (s fileStream) Write(p []byte) (int, error) {
	if err := writeFrame(s.w, frameFiles, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// fileReader is the reader of a fileStream.
type fileReader struct {
	r    io.Reader
	rest []byte
	end  bool
}

func (s *fileReader) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.end {
			return 0, io.EOF
		}
		kind, b, err := readFrame(s.r)
		switch {
		case err != nil:
			return 0, err
		case kind == frameEnd:
			s.end = true
		case kind == frameFiles:
			s.rest = b
		default:
			return 0, fmt.Errorf("a message of type %q among the files", kind)
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
