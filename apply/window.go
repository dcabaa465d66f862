package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/verify"
)

// ErrNothingWaits says that there is nothing to confirm.
var ErrNothingWaits = errors.New("nothing waits for confirmation")

// ErrTooLate says that a confirmation came after its time: the former firewall
// is back.
var ErrTooLate = errors.New("too late to confirm")

// WaitingError says that a generation waits for its confirmation, so that
// nothing else can be applied. It is an ErrBusy.
type WaitingError struct {
	Generation int
	Left       time.Duration
}

// Error says how long it may last.
func (e *WaitingError) Error() string {
	return fmt.Sprintf("generation %d waits for its confirmation, for %v more", e.Generation, e.Left)
}

// Unwrap returns ErrBusy.
func (e *WaitingError) Unwrap() error { return ErrBusy }

// boottime is the time since the kernel started, suspended or not: nobody sets
// it, as they do the wall clock. See clock_gettime(2), CLOCK_BOOTTIME.
func boottime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// waits says whether the change is whole and may still be confirmed.
func (p *pending) waits() bool {
	return p != nil && p.Step == stepConfirm && p.Boot == bootID() && p.left() > 0
}

// left is the rest of the time for a confirmation.
func (p *pending) left() time.Duration { return p.ConfirmBoot - boottime() }

// waiting returns a *WaitingError while a generation waits for its confirmation.
func (s *store) waiting() error {
	if !s.Pending.waits() {
		return nil
	}
	return &WaitingError{s.Pending.To, s.Pending.left().Round(time.Second)}
}

// wait makes the pending change wait for its confirmation. Whoever takes the
// lock after that time undoes it.
func (s *store) wait(d time.Duration, receipt *verify.Receipt) error {
	err := s.update(func(j *journal) {
		by := time.Now().Add(d).UTC().Truncate(time.Second)
		j.Pending.Step, j.Pending.ConfirmBy, j.Pending.ConfirmBoot = stepConfirm, &by, boottime()+d
		j.Pending.Receipt = receipt
	})
	if err == nil {
		_ = s.reserve() // for the end of the wait
	}
	if err == nil && !s.dog.alive() {
		err = errNoWatchdog
	}
	return err
}

// Confirm keeps the generation that waits for it and returns it.
//
// Errors: ErrNothingWaits; ErrTooLate if its time was over, in which case what
// the watchdog should have undone is undone now; those of Recover.
func Confirm(ctx context.Context, opts Options) (*Generation, error) {
	opts = opts.withDefaults()
	used, err := inUse(opts.State)
	if err != nil {
		return nil, err
	}
	if !used {
		return nil, ErrNothingWaits
	}
	s, err := opts.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if !s.Pending.waits() {
		late := s.Pending != nil
		if _, err := s.recover(ctx, opts.Committer); err != nil {
			return nil, err
		}
		switch n := s.Undone; {
		case n == nil:
			return nil, ErrNothingWaits
		case late:
			return nil, fmt.Errorf("%w: %v", ErrTooLate, n)
		default:
			return nil, fmt.Errorf("%w: %v", ErrNothingWaits, n)
		}
	}
	g, err := s.generation(s.Pending.To)
	if err != nil {
		return nil, err
	}
	// Taken first: the generation that boot brings back must be one.
	if r := s.Pending.Receipt; r != nil {
		s.unreserve()
		if err := verify.OpenState(s.dir).Record(*r); err != nil {
			return nil, err
		}
	}
	if err := s.settle(s.Pending.To); err != nil {
		return nil, err
	}
	_ = s.prune() // a history too long harms nobody
	dropBootNote(s.dir)
	return g, nil
}

// giveUp ends the wait for a confirmation at once by going back.
func (s *store) giveUp(ctx context.Context, opts Options) (*Result, error) {
	before, err := s.previous(s.Pending.Generation)
	if err != nil {
		return nil, err
	}
	now, err := capture(ctx, []*ruleset.Snapshot{before.Snapshot}, before.Snapshot)
	if err != nil {
		return nil, err
	}
	m := &metered{Committer: opts.Committer}
	gone, err := s.unwind(ctx, m, "rolled back before it was confirmed")
	if err != nil {
		return nil, err
	}
	after, err := capture(ctx, []*ruleset.Snapshot{before.Snapshot, now.Snapshot}, before.Snapshot)
	if err != nil {
		return nil, err
	}
	r := &Result{Generation: s.Current, Result: RolledBack, ForeignLost: gone.Lost}
	r.Transactions, r.Fallback, r.CommitMillis = m.out.Transactions, m.out.Fallback, m.took.Milliseconds()
	if r.Changes, err = changes(now.Snapshot, after.Snapshot, all); err != nil {
		return nil, err
	}
	if s.Current != 0 {
		if g, err := s.generation(s.Current); err == nil {
			r.Digest = g.Digest
		}
	}
	return r, nil
}

// metered is a Committer that knows how its last commit went.
type metered struct {
	Committer
	out  Outcome
	took time.Duration
}

// Commit implements Committer.
func (m *metered) Commit(ctx context.Context, from, to *State) (Outcome, error) {
	began := time.Now()
	out, err := m.Committer.Commit(ctx, from, to)
	m.out, m.took = out, time.Since(began)
	return out, err
}

// taken is what verify will write down when the candidate is confirmed.
func (c *candidate) taken() *verify.Receipt {
	if c.receipt == nil {
		return nil
	}
	r := c.receipt()
	return &r
}
