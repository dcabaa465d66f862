package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// stageTest is the process in which a spec's network is.
const stageTest = "lab-network"

func init() { netns.Register(stageTest, runStage) }

// task is what the stage is given, and message what it says: each Result, and
// at last one with Err or, if all went well, with neither.
type (
	task struct {
		Spec      *Spec
		Snapshot  *ruleset.Snapshot
		Processor int
		Keep      bool
		Coverage  bool
	}
	message struct {
		Result *Result
		Setup  time.Duration
		// Coverage comes with the last message.
		Coverage *Coverage
		Err      string
		Refused  bool
		Errno    unix.Errno
	}
)

// keepWord tells the stage to live on without fwc.
const keepWord = "k"

// runStage is the whole life of a spec's network.
func runStage() int {
	runtime.LockOSThread() // the network is made and used by this one thread
	// A pid 1 gets only the signals that it handles, and SIGTERM is how a kept
	// network is removed.
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		<-end
		os.Exit(0)
	}()
	for _, fd := range []int{3, 4} {
		unix.CloseOnExec(fd)
	}
	in, out := os.NewFile(3, "in"), os.NewFile(4, "out")
	enc := json.NewEncoder(out)
	var t task
	if err := json.NewDecoder(in).Decode(&t); err != nil {
		return 1 // fwc is gone
	}
	kept := make(chan struct{})
	go func() {
		// From here on the end of the stream means that fwc is gone.
		b := make([]byte, 1)
		if n, _ := io.ReadFull(in, b); n == 1 && string(b) == keepWord {
			close(kept)
			return
		}
		os.Exit(1)
	}()
	b, setup, err := t.run(func(r Result) { _ = enc.Encode(message{Result: &r}) })
	if err != nil {
		m := message{Err: err.Error(), Refused: errors.Is(err, netns.ErrNotPermitted) || errors.Is(err, unix.EPERM)}
		_ = errors.As(err, &m.Errno)
		_ = enc.Encode(m)
		return 1
	}
	cov, err := b.unobserve(context.Background())
	if err != nil {
		_ = enc.Encode(message{Err: err.Error()})
		return 1
	}
	if !t.Keep {
		b.close()
	}
	if err := enc.Encode(message{Setup: setup, Coverage: cov}); err != nil || !t.Keep {
		return 0
	}
	<-kept
	// Nothing of fwc's stays open, or its caller would wait for the end of it.
	signal.Ignore(syscall.SIGHUP)
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		_ = unix.Dup2(int(null.Fd()), 2)
	}
	if err := enc.Encode(message{}); err != nil {
		return 1
	}
	in.Close()
	out.Close()
	for {
		if _, err := b.loop.turn(-1); err != nil {
			return 1
		}
		// The clients are now somebody else's.
		b.sights, b.open = b.sights[:0], b.open[:0]
		clear(b.frags)
	}
}

// run makes the network and runs the tests.
func (t *task) run(say func(Result)) (*rig, time.Duration, error) {
	ctx := context.Background()
	start := time.Now()
	if err := wholeCPU(t.Processor); err != nil {
		return nil, 0, err
	}
	// On one processor the collector is in the way of the packets.
	debug.SetGCPercent(400)
	if err := ownProc(); err != nil {
		return nil, 0, err
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return nil, 0, fmt.Errorf("mount private /run: %w", err)
	}
	// The legacy ebtables has its lock there. Few systems have the directory.
	_ = unix.Mount("tmpfs", "/var/lib/ebtables", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755")
	if err := netns.LoopbackUp(); err != nil {
		return nil, 0, err
	}
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		files.Cur = files.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &files)
	}
	b, err := newRig(ctx, t.Spec, t.Snapshot)
	if err != nil {
		return nil, 0, err
	}
	if err := b.observe(ctx, t.Coverage); err != nil {
		return nil, 0, err
	}
	setup := time.Since(start)
	for i := range t.Spec.Tests {
		if err := b.forget(); err != nil {
			return nil, 0, fmt.Errorf("forget connections: %w", err)
		}
		r, err := b.test(ctx, &t.Spec.Tests[i])
		if err != nil {
			return nil, 0, fmt.Errorf("%s:%d: %s: %w", t.Spec.File, t.Spec.Tests[i].Line, t.Spec.Tests[i].Name, err)
		}
		say(r)
	}
	return b, setup, nil
}

// test runs one test.
func (b *rig) test(_ context.Context, t *Test) (Result, error) {
	start := time.Now()
	r := Result{Line: t.Line, Name: t.Name, Expected: t.Expected()}
	for range t.Times {
		f, err := b.flow(t.Probe)
		if err != nil {
			return r, err
		}
		r.Flows = append(r.Flows, f)
	}
	r.OK, r.Got = t.judge(r.Flows)
	if r.OK {
		b.witness.told = nil
	} else {
		r.Trace = b.witness.tell()
	}
	if t.Times > 1 && r.OK {
		r.Flows = nil
	}
	r.Millis = float64(time.Since(start).Microseconds()) / 1000
	return r, nil
}

// flow sends one probe and says what became of it.
func (b *rig) flow(p Probe) (Finding, error) {
	if err := b.witness.forget(); err != nil {
		return Finding{}, err
	}
	f, err := b.begin(p)
	if err != nil {
		return Finding{}, err
	}
	if err := b.loop.settle(); err != nil {
		return Finding{}, err
	}
	out := b.finding(f)
	if err := b.witness.listen(); err != nil {
		return Finding{}, err
	}
	b.end(f)
	return out, b.clean()
}
