package apply

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watchdogReady is how long a watchdog may take to be ready; systemd takes its
// time on a busy host.
const watchdogReady = 15 * time.Second

// errNoWatchdog says that the watchdog is not there: nothing may wait for a
// confirmation without one.
var errNoWatchdog = errors.New("the watchdog ended before its time")

// watchdog is a process, started by this one and outliving it, that undoes a
// change which is not confirmed. It holds a lock on a file of its own for as
// long as it lives.
type watchdog struct{ file string }

// watchdogFile is that of the watchdog of a name. verify does not count files
// with that ending.
func watchdogFile(dir, name string) string { return filepath.Join(dir, "watchdog-"+name+".lock") }

// name is the name that the journal knows it by, "" for none.
func (w *watchdog) name() string {
	if w == nil {
		return ""
	}
	name := filepath.Base(w.file)
	return name[len("watchdog-") : len(name)-len(".lock")]
}

// alive says whether it runs.
func (w *watchdog) alive() bool {
	f, err := os.OpenFile(w.file, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	// Shared: several may ask at once, and none gets in its way for long.
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// watched starts a watchdog for the change that is about to begin, if it must or
// should have one. A change that waits for its confirmation must; any other is
// undone by the next start if it is cut short, and better at once.
func (s *store) watched(ctx context.Context, opts Options, waits bool) error {
	if s.dog != nil || !waits && !opts.Guard {
		return nil
	}
	dog, err := startWatchdog(ctx, s.dir, waits)
	if err != nil && waits {
		return fmt.Errorf("start the watchdog: %w", err)
	}
	s.dog = dog
	return nil
}

// startWatchdog starts one for a state directory, which the caller has locked,
// and returns when it is ready. It does nothing until the lock is given back or
// its holder has died, and ends then unless a change with its name is pending.
// One that is to last is a service where systemd is.
func startWatchdog(ctx context.Context, dir string, lasts bool) (*watchdog, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	dropDeadWatchdogs(dir)
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	name := hex.EncodeToString(id[:])
	w := &watchdog{watchdogFile(dir, name)}
	args := []string{"watchdog", "--state", dir, "--name", name}
	if lasts && underSystemd() && runBySystemd(ctx, name, args) == nil && w.ready(ctx, nil) == nil {
		return w, nil
	}
	ended, err := runDetached(dir, args)
	if err == nil {
		err = w.ready(ctx, ended)
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// ready waits until it is, or until ended.
func (w *watchdog) ready(ctx context.Context, ended <-chan error) error {
	timeout := time.After(watchdogReady)
	for !w.alive() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-ended:
			return fmt.Errorf("%w: %w", errNoWatchdog, err)
		case <-timeout:
			return fmt.Errorf("%w: it is not ready after %v", ErrBusy, watchdogReady)
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// runDetached starts this program in a session of its own, so that neither a
// closed terminal nor a signal to this process's group reaches it. It stays in
// the calling thread's network namespace.
func runDetached(dir string, args []string) (<-chan error, error) {
	log, err := os.OpenFile(filepath.Join(dir, "watchdog.log"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err == nil {
			err = errors.New("exit status 0")
		}
		ended <- err
	}()
	return ended, nil
}

// dropDeadWatchdogs removes the files of watchdogs that were killed.
func dropDeadWatchdogs(dir string) {
	files, _ := filepath.Glob(watchdogFile(dir, "*"))
	for _, f := range files {
		if w := (watchdog{f}); !w.alive() {
			_ = os.Remove(f)
		}
	}
}
