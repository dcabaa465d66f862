package compiler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// stageInit is the first process of staging, pid 1 of its pid namespace.
const stageInit = "init"

func init() { netns.Register(stageInit, runInit) }

// The descriptors that Build gives to the first process.
const (
	fdControl = 3
	fdStdout  = 4
	fdStderr  = 5
)

// programDirs is the PATH of the script.
var programDirs = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// runInit is the whole life of staging: build the roots, run the script, end
// what is left of it, capture, check, report.
func runInit() int {
	// And whatever fwc was itself given open by its caller.
	closeOnExec(fdControl)
	// A pid 1 gets only the signals that it handles; the Go runtime handles
	// all, and the script could end it.
	signal.Notify(make(chan os.Signal, 1))
	control := os.NewFile(fdControl, "control")
	var c config
	if err := readJSON(control, frameConfig, &c); err != nil {
		return 1 // fwc is gone
	}
	s := &stage{config: c}
	rep, err := s.run(context.Background(), control)
	if err != nil {
		rep.Err = err.Error()
		var nt *netfilter.NoToolError
		if errors.As(err, &nt) {
			rep.NoTool = nt.Tool
		}
	}
	if err := writeJSON(control, frameReport, rep); err != nil {
		return 1
	}
	return 0
}

// stage is staging in the making.
type stage struct {
	config
	roots  roots
	shims  shims
	watch  *sysctlWatch
	wanted standIns
	rec    recorder
	copy   []byte // what a POSIX shell is given in place of the script
	log    *logKeeper
	probed func() (ruleset.Toolchain, error)

	reaper reaper
	spares []*spareRunner
}

// run returns a report in any case.
func (s *stage) run(ctx context.Context, control io.ReadWriter) (*report, error) {
	rep := &report{}
	if err := s.prepare(ctx, control); err != nil {
		rep.Refused = errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
		return rep, err
	}
	// From here on fwc has nothing more to say: the end of the stream means
	// that it is gone, and all of staging with it.
	go func() {
		_, _ = control.Read(make([]byte, 1))
		os.Exit(1)
	}()
	var err error
	if rep.Toolchain, err = s.probed(); err != nil {
		return rep, err
	}
	if err := s.script(rep); err != nil {
		return rep, err
	}
	rep.Notes = append(rep.Notes, s.shims.notes...)
	if s.Record {
		if rep.Redo = s.rec.finish(s); rep.Redo != "" {
			return rep, nil
		}
	}
	rep.Spoilt = s.log.close()
	if rep.Log, rep.LogCut, err = readUpTo(filepath.Join(stagingRoot, shimLog), s.Limits.CallLog); err != nil {
		rep.LogCut = true
	}
	if s.Record {
		if rep.Log, rep.Redo = s.rec.expand(rep.Log, s.Limits.CallLog); rep.Redo != "" {
			return rep, nil
		}
	}
	if err := writeFrame(control, frameLog, rep.Log); err != nil {
		return rep, err
	}
	if rep.Written, err = s.watch.close(); err != nil {
		return rep, err
	}
	if rep.Wanted, err = s.wanted.written(); err != nil {
		return rep, err
	}
	if rep.TimedOut || rep.MemoryOut || (rep.Status != 0 || rep.Signal != "") {
		return rep, nil
	}
	return rep, s.capture(ctx, rep)
}

// prepare makes the namespaces into staging.
func (s *stage) prepare(ctx context.Context, control io.Reader) error {
	// The script is root here too. It must not look into this process, which
	// holds the way out.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(s.Identity.Hostname)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := netns.LoopbackUp(); err != nil {
		return err
	}
	// The stand-ins are made with the build host's own tools.
	os.Clearenv()
	os.Setenv("PATH", strings.Join(programDirs, ":"))
	if err := s.Network.make(ctx); err != nil {
		return err
	}
	unix.Umask(0)
	s.roots.host, s.roots.identity = s.RootFS, s.Identity
	s.roots.limit, s.roots.noOverlay, s.roots.privileged = s.Limits, s.NoOverlay, s.Privileged
	if err := s.roots.prepare(); err != nil {
		return err
	}
	if err := s.roots.staging(); err != nil {
		return err
	}
	if err := s.roots.enter(); err != nil {
		return err
	}
	// It takes as long as the rest. Once the script runs, staging waits for any
	// process that ends, and these would not be told.
	s.probed = sync.OnceValues(func() (ruleset.Toolchain, error) { return netfilter.Probe(ctx) })
	go func() { _, _ = s.probed() }()
	s.shims.root, s.shims.record = stagingRoot, s.Record
	if err := s.shims.install(); err != nil {
		return err
	}
	if err := s.shims.stubs(); err != nil {
		return err
	}
	files := &fileReader{r: control}
	if err := unpack(files, stagingRoot); err != nil {
		return fmt.Errorf("take over the script's files: %w", err)
	}
	// The end of the archive is not yet the end of the stream.
	if _, err := io.Copy(io.Discard, files); err != nil {
		return err
	}
	kind, text, err := readFrame(control)
	if err != nil || kind != frameCopy {
		return fmt.Errorf("the script's copy: %v", err)
	}
	s.copy = text
	if s.Record {
		if err := s.rec.install(&s.shims, s.copy); err != nil {
			return err
		}
	} else if err := s.linePreludes(); err != nil {
		return err
	}
	unix.Umask(0o022)
	if s.log, err = keepLog(filepath.Join(stagingRoot, shimLog)); err != nil {
		return err
	}
	if s.watch, err = watchSysctls(filepath.Join(stagingRoot, "proc/sys")); err != nil {
		return err
	}
	return s.wanted.plant(stagingRoot, s.HostKeys)
}

// readUpTo reads a file, cut at a limit.
func readUpTo(path string, limit uint64) (text []byte, cut bool, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	text, err = io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if uint64(len(text)) > limit {
		return text[:limit], true, err
	}
	return text, false, err
}
