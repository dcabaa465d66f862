package lab

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
	"golang.org/x/sys/unix"
)

// reply is what a stage hands back.
type reply struct {
	Value  []byte
	Err    string
	Refuse bool // Err wraps netns.ErrNotPermitted
}

// Register gives a function a name under which Call runs it in a stage. Call it
// from init or a package variable.
func Register[I, O any](name string, f func(context.Context, I) (O, error)) {
	netns.Register(name, func() int {
		in, out := os.NewFile(3, "in"), os.NewFile(4, "out")
		if err := gob.NewEncoder(out).Encode(run(in, f)); err != nil {
			return 1
		}
		return 0
	})
}

func run[I, O any](in io.Reader, f func(context.Context, I) (O, error)) reply {
	failed := func(err error) reply {
		return reply{Err: err.Error(), Refuse: errors.Is(err, netns.ErrNotPermitted)}
	}
	if err := ownProc(); err != nil {
		return failed(err)
	}
	var v I
	if err := gob.NewDecoder(in).Decode(&v); err != nil {
		return failed(err)
	}
	o, err := f(context.Background(), v)
	if err != nil {
		return failed(err)
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(o); err != nil {
		return failed(err)
	}
	return reply{Value: b.Bytes()}
}

// ownProc shows the stage's own processes in /proc, as its programs expect. In
// a container that hides parts of /proc the kernel refuses, and the host's
// serves as well.
func ownProc() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	_ = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	return nil
}

// StageError is an error of a function that Call ran in a stage.
type StageError struct {
	Msg     string
	refused bool
	errno   unix.Errno
}

func (e *StageError) Error() string { return e.Msg }

// Unwrap returns netns.ErrNotPermitted where that is what it was, and of a spec's
// network the kernel's error, if there is one.
func (e *StageError) Unwrap() error {
	switch {
	case e.refused:
		return netns.ErrNotPermitted
	case e.errno != 0:
		return e.errno
	}
	return nil
}

// Call runs a registered function in a stage: root of namespaces of its own,
// for ordinary users too. All that the function makes is gone when Call
// returns, or when this process ends, whatever happens. In and out travel as
// encoding/gob has them. An error of the function is a *StageError.
func Call[I, O any](ctx context.Context, name string, in I) (O, error) {
	var none, out O
	var sent bytes.Buffer
	if err := gob.NewEncoder(&sent).Encode(in); err != nil {
		return none, err
	}
	inR, inW, err := os.Pipe()
	if err != nil {
		return none, err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return none, errors.Join(err, inR.Close(), inW.Close())
	}
	p, err := netns.Start(name, netns.StartOptions{Files: []*os.File{inR, outW}, Env: os.Environ()})
	inR.Close()
	outW.Close()
	if err != nil {
		return none, errors.Join(err, inW.Close(), outR.Close())
	}
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()
	go func() {
		_, _ = inW.Write(sent.Bytes())
		inW.Close()
	}()
	text, err := io.ReadAll(outR)
	outR.Close()
	ps, werr := p.Wait()
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	if err := errors.Join(err, werr); err != nil {
		return none, err
	}
	var r reply
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&r); err != nil {
		return none, fmt.Errorf("the stage ended with %s", ps)
	}
	if r.Err != "" {
		return none, &StageError{Msg: r.Err, refused: r.Refuse}
	}
	return out, gob.NewDecoder(bytes.NewReader(r.Value)).Decode(&out)
}

// Firewall is a snapshot on its way into a stage.
type Firewall struct{ Dumps []ruleset.Dump }

// FirewallOf packs a snapshot.
func FirewallOf(s *ruleset.Snapshot) Firewall {
	if s == nil {
		return Firewall{}
	}
	return Firewall{Dumps: s.Dumps}
}

// Snapshot unpacks it.
func (f Firewall) Snapshot() (*ruleset.Snapshot, error) { return dump.Snapshot(f.Dumps) }
