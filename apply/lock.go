package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/verify"
)

// lockPoll is how often a held lock is asked for again: flock(2) has no
// time-out, and a blocked call cannot be cancelled.
const lockPoll = 50 * time.Millisecond

// store is a locked state directory.
type store struct {
	dir  string
	lock *os.File
	*journal

	dog   *watchdog // of the change under way, nil for none
	fault fault
}

// open locks the state directory, which it makes if need be, and reads its
// journal. It waits up to wait for the lock and then returns an error that
// wraps ErrBusy. The lock ends with close or with the process.
func open(ctx context.Context, dir string, wait time.Duration) (*store, error) {
	return Options{State: dir, LockWait: wait}.open(ctx)
}

// open is open that tells of a long wait.
func (o Options) open(ctx context.Context) (*store, error) {
	dir := o.State
	// A rollback loads what is stored there.
	if err := verify.CheckState(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if err := flock(ctx, f, o.LockWait, o.Waiting); err != nil {
		f.Close()
		return nil, err
	}
	j, err := readJournal(dir)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &store{dir: dir, lock: f, journal: j}, nil
}

// close gives the lock back.
func (s *store) close() { s.lock.Close() }

// tellAfter is how long a wait for the lock may be before it is told.
const tellAfter = time.Second

// flock takes the lock of a file. It calls told, unless that is nil, once with who
// holds the lock if the wait becomes long.
func flock(ctx context.Context, f *os.File, wait time.Duration, told func(holder string)) error {
	began := time.Now()
	deadline := began.Add(wait)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		case time.Now().After(deadline):
			by := ""
			if who := holder(f); who != "" {
				by = " by " + who
			}
			return fmt.Errorf("%w: %s has been locked for %v%s", ErrBusy, f.Name(), wait, by)
		case told != nil && time.Since(began) >= tellAfter:
			told(holder(f))
			told = nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lockPoll):
		}
	}
}

// update changes the journal on the disk and then in memory.
func (s *store) update(change func(*journal)) error {
	j := *s.journal
	if j.Pending != nil {
		p := *j.Pending
		j.Pending = &p
	}
	change(&j)
	if s.Pending != nil { // else nothing is changed yet, and the room is for later
		s.unreserve()
	}
	if err := s.fault.at("write journal"); err != nil {
		return err
	}
	if err := j.write(s.dir); err != nil {
		return err
	}
	s.journal = &j
	return s.fault.at("journal written")
}

// whole returns a context for what changes the kernel, so that the lock outlives
// this process until the programs that do so have ended: killed here, another
// fwc must not read a firewall that an orphan still writes to.
func (s *store) whole(ctx context.Context) context.Context { return netfilter.Lend(ctx, s.lock) }
