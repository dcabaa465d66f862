package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// watchPoll is how often a watchdog looks whether the change was confirmed, and
// so how long it may stay when it was.
const watchPoll = 200 * time.Millisecond

// watchTries and watchPause bound how a watchdog tries again to undo a change:
// with pauses that double up to a minute, for about half an hour.
const (
	watchTries = 40
	watchPause = time.Second
)

// Watch is the watchdog's whole life: it waits for the end of the apply that
// started it under a name, and undoes its change if that was cut short or, when
// the time is up, was not confirmed. It returns nil when there is nothing left to
// watch over. The name may be "" for the change that is pending.
//
// It ignores the signals that a closed terminal, a shutdown and kill(1) send, in
// the whole process: nothing but SIGKILL keeps it from its duty.
func Watch(ctx context.Context, name string, opts Options) error {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGPIPE)
	ctx = context.WithoutCancel(ctx)
	opts = opts.withDefaults()
	sparedByOOM()
	if name == "" {
		j, err := readJournal(opts.State)
		if err != nil || j.Pending == nil || j.Pending.Watchdog == "" {
			return err
		}
		name = j.Pending.Watchdog
	}
	file := watchdogFile(opts.State, name)
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := flock(ctx, f, watchdogReady, nil); err != nil {
		return err // another goes by that name
	}
	defer os.Remove(file)
	fmt.Fprintln(f, os.Getpid()) // for people
	return watch(ctx, name, opts)
}

// watch waits and undoes.
func watch(ctx context.Context, name string, opts Options) error {
	pause := watchPause
	var last error
	for range watchTries {
		done, err := attempt(ctx, name, opts)
		if done {
			return err
		}
		last = err
		time.Sleep(pause)
		pause = min(2*pause, time.Minute)
	}
	return fmt.Errorf("gave up after %d tries: %w", watchTries, last)
}

// attempt waits for the lock, and while the change waits for its confirmation; then
// it undoes it. It says whether that was all.
func attempt(ctx context.Context, name string, opts Options) (done bool, err error) {
	for {
		left, err := round(ctx, name, opts)
		if err != nil || left == 0 {
			return err == nil, err
		}
		// The journal is replaced whole, so that it can be read without its lock.
		for end := boottime() + left; boottime() < end; time.Sleep(min(watchPoll, max(end-boottime(), 0))) {
			j, err := readJournal(opts.State)
			if err == nil && !mine(j.Pending, name) {
				return true, nil
			}
			if err == nil && !j.Pending.waits() {
				break // somebody goes back, or began to and died
			}
		}
	}
}

func mine(p *pending, name string) bool { return p != nil && p.Watchdog == name }

// round undoes the change if it is time to, and returns how long it is until
// then, 0 when there is nothing more to do.
func round(ctx context.Context, name string, opts Options) (time.Duration, error) {
	s, err := open(ctx, opts.State, time.Hour)
	if errors.Is(err, ErrBusy) {
		return watchPoll, nil
	}
	if err != nil {
		return 0, err
	}
	defer s.close()
	if !mine(s.Pending, name) {
		return 0, nil
	}
	if s.Pending.waits() {
		return max(s.Pending.left(), time.Millisecond), nil
	}
	_, err = s.recover(ctx, opts.Committer)
	return 0, err
}

// sparedByOOM asks the kernel to kill other processes first; only root may. See
// proc(5), oom_score_adj.
func sparedByOOM() { _ = os.WriteFile("/proc/self/oom_score_adj", []byte("-900"), 0) }
