package compiler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
)

// captureTime is what a build may take beyond the script's own time limit, to
// make staging, capture and check. 100,000 rules take some seconds.
const captureTime = 5 * time.Minute

// Build runs the script in staging and returns what it made.
//
// It returns a *SourceError for a script that cannot be run, a
// *NotPermittedError where the host refuses namespaces, a *netfilter.NoToolError
// where iptables is missing, a *ScriptError, *TimeoutError or *CallError for
// what goes wrong in the script, a *LossError for a ruleset that the tools do
// not save as it is, and the context's error if it is cancelled. With the
// script's own three errors, and with no other, it returns a Result all the
// same, for its lists of calls, notes and warnings, which often have the cause;
// its Snapshot is nil.
//
// The program's main must call netns.Main first.
func Build(ctx context.Context, opt Options) (*Result, error) {
	if opt.Timeout <= 0 {
		opt.Timeout = DefaultTimeout
	}
	if opt.MaxOutput <= 1 {
		opt.MaxOutput = DefaultMaxOutput
	}
	if opt.limits == (limits{}) {
		opt.limits = defaultLimits
	}
	if opt.Dir == "" {
		var err error
		if opt.Dir, err = os.Getwd(); err != nil {
			return nil, fmt.Errorf("working directory: %w", err)
		}
	}
	if opt.RootFS != "" {
		root, err := openRootFS(opt.RootFS, opt.Dir)
		if err != nil {
			return nil, err
		}
		opt.RootFS = root
	}
	opt.hostKeys = sync.OnceValue(hostKeys)
	go opt.hostKeys()
	id, err := identityOf(opt)
	if err != nil {
		return nil, err
	}
	src, err := openSource(opt.Script, opt.Dir, opt.RootFS)
	if err != nil {
		return nil, err
	}
	return buildFast(ctx, src, opt, func(opt Options, stdout, stderr io.Writer) (*report, leftOut, error) {
		return converse(ctx, src, opt, id, stdout, stderr)
	})
}

// environment is the whole environment of the script.
func environment(extra []string) []string {
	env := []string{"PATH=" + strings.Join(programDirs, ":"), "HOME=/root", "USER=root", "LOGNAME=root",
		"SHELL=/bin/sh", "LANG=C", "LC_ALL=C", "TZ=UTC", "TERM=dumb", "BASH_ENV=" + lineFile}
	for _, kv := range extra {
		name, _, _ := strings.Cut(kv, "=")
		env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		env = append(env, kv)
	}
	return env
}

// converse starts staging, gives it what it needs, and waits for its report.
func converse(ctx context.Context, src *source, opt Options, id identity, stdout, stderr io.Writer) (*report, leftOut, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, leftOut{}, fmt.Errorf("socket pair: %w", err)
	}
	control, theirs := os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control")
	defer control.Close()
	var pipes sync.WaitGroup
	files := []*os.File{theirs}
	closeFiles := func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, w := range []io.Writer{stdout, stderr} {
		r, pw, err := os.Pipe()
		if err != nil {
			closeFiles()
			return nil, leftOut{}, err
		}
		files = append(files, pw)
		_, _ = unix.FcntlInt(pw.Fd(), unix.F_SETPIPE_SZ, 1<<20) // best effort
		pipes.Go(func() {
			_, _ = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 256<<10))
			r.Close()
		})
	}
	p, err := netns.Start(stageInit, netns.StartOptions{Privileged: opt.Privileged, Files: files})
	closeFiles()
	if err != nil {
		pipes.Wait()
		return nil, leftOut{}, refused(err)
	}
	whole := ctx // the places of the calls may be found later
	ctx, cancel := context.WithTimeoutCause(ctx, opt.Timeout+captureTime, &TimeoutError{Path: src.path, Limit: opt.Timeout + captureTime})
	defer cancel()
	// Killing the first process ends every other, and with them the streams
	// that the rest of this function reads.
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()

	dirs := src.projectDirs(opt.Dir)
	c := config{
		Path: src.path, Abs: src.abs, Interp: src.interp, Args: opt.Args, Env: environment(opt.Env),
		Cwd: []string{opt.Dir, filepath.Dir(src.abs)}, Timeout: opt.Timeout, Limits: opt.limits, Record: opt.record, NoOverlay: opt.noOverlay, Privileged: opt.Privileged,
		Network: network{opt.Ifaces, opt.Routes, nameservers(id.Resolv)}, Identity: id, RootFS: opt.RootFS, HostKeys: opt.hostKeys(),
	}
	if c.Interp == nil {
		c.Interp = []string{"/bin/sh"}
	}
	left, sendErr := send(control, c, src, dirs, opt.copy)
	var rep report
	readErr := readReport(control, &rep, func(log []byte) func() ([]placement, error) {
		places := sync.OnceValues(func() ([]placement, error) { return findPlaces(whole, src, opt.Dir, log, nil) })
		go func() { _, _ = places() }()
		return places
	})
	p.Kill()
	pipes.Wait()
	if readErr == nil {
		// Its end takes the kernel a while, in which there is other work.
		rep.gone = p.Wait
		return &rep, left, rep.failure()
	}
	ps, _ := p.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, leftOut{}, context.Cause(ctx)
	case sendErr != nil:
		readErr = sendErr
	}
	return nil, leftOut{}, fmt.Errorf("staging ended without a report (%v): %w", ps, readErr)
}

// readReport reads what staging says, and begins to find the places of the
// calls as soon as these are known.
func readReport(r io.Reader, rep *report, find func(log []byte) func() ([]placement, error)) error {
	kind, text, err := readFrame(r)
	if err == nil && kind == frameLog {
		rep.Log, rep.places = text, find(text)
		kind, text, err = readFrame(r)
	}
	if err != nil {
		return err
	}
	if kind != frameReport {
		return fmt.Errorf("a message of type %q where the report was due", kind)
	}
	return json.Unmarshal(text, rep)
}

func send(w io.Writer, c config, src *source, dirs []string, copies <-chan []byte) (left leftOut, err error) {
	if err := writeJSON(w, frameConfig, c); err != nil {
		return left, err
	}
	if left, err = src.pack(fileStream{w}, dirs); err != nil {
		return left, err
	}
	if err := writeFrame(w, frameEnd, nil); err != nil {
		return left, err
	}
	var copy []byte
	if copies != nil {
		copy = <-copies
	}
	return left, writeFrame(w, frameCopy, copy)
}

// failure is the error of staging itself.
func (r *report) failure() error {
	switch {
	case r.Err == "":
		return nil
	case r.NoTool != "":
		return &netfilter.NoToolError{Tool: r.NoTool}
	case r.Refused:
		return refused(fmt.Errorf("%w: %s", netns.ErrNotPermitted, r.Err))
	}
	return errors.New("staging: " + r.Err)
}

// refused gives a refusal its advice.
func refused(err error) error {
	if errors.Is(err, netns.ErrNotPermitted) {
		return &NotPermittedError{Advice: netns.Advice(), Err: err}
	}
	return err
}
