package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// undo puts the state of before the pending change back after cause, and
// returns the *FailedError that says how it ended. What cannot be put back
// stays pending, to be tried again at the next start.
func (s *store) undo(ctx context.Context, committer Committer, before *State, cause error) error {
	p := s.Pending
	if p == nil { // settled, and the journal could not be trusted to say so
		return &FailedError{Cause: cause, Undo: errors.New("the journal has no pending change")}
	}
	_ = s.update(func(j *journal) { j.Pending.Step = stepUndo }) // a full disk must not stop it
	lost, err := s.putBack(ctx, committer, before)
	if err == nil {
		// What the kernel has counts. The next start finds the change pending, and
		// nothing left of it.
		if werr := s.forget(nil); werr != nil {
			cause = fmt.Errorf("%w; the journal does not say so: %w", cause, werr)
		}
	}
	return &FailedError{Cause: cause, Undo: err, Lost: lost}
}

// putBack restores what the pending change touched and checks that it is as it
// was. What others have put there meanwhile stays, or is returned where it
// cannot. It begins again where they come between.
func (s *store) putBack(ctx context.Context, committer Committer, before *State) (lost []Foreign, err error) {
	began := time.Now()
	for n := 0; ; n++ {
		lost, err = s.tryBack(ctx, committer, before, n > 0)
		between := errors.Is(err, netfilter.ErrGeneration) || errors.Is(err, netfilter.ErrChanging) || errors.Is(err, errMoved)
		if !between || n >= replans && time.Since(began) > DefaultLockWait {
			return lost, err
		}
	}
}

// errMoved says that what was put back is not what was wanted: others may have
// changed their part of it since.
var errMoved = errors.New("it was put back and is another")

// tryBack is one attempt of putBack; again says that it is not the first, and
// that there may be nothing left to do.
func (s *store) tryBack(ctx context.Context, committer Committer, before *State, again bool) ([]Foreign, error) {
	now, err := captureWhole(ctx, []*ruleset.Snapshot{before.Snapshot}, before.Snapshot)
	if err != nil {
		return nil, err
	}
	s.Pending.Touched.standIns(now.Snapshot, before.Snapshot)
	target, err := overlay(now.Snapshot, before.Snapshot, &s.Pending.Touched)
	if err != nil {
		return nil, err
	}
	with, kept, lost := s.theirs(now.Snapshot, before.Snapshot, target)
	if again && equal("", with, onlySysctls(now.Snapshot, with.Sysctls), s.Pending.Touched.table) == nil {
		return lost, nil
	}
	if len(kept) > 0 {
		err = s.bring(ctx, committer, now, before, with)
		if err == nil || errors.Is(err, netfilter.ErrGeneration) || errors.Is(err, netfilter.ErrChanging) || errors.Is(err, errMoved) && !again {
			return lost, err
		}
		// Better the former firewall without it than something between.
		lost = append(lost, kept...)
		if now, err = captureWhole(ctx, []*ruleset.Snapshot{before.Snapshot}, before.Snapshot); err != nil {
			return lost, err
		}
	}
	return lost, s.bring(ctx, committer, now, before, target)
}

// bring commits the way back and checks it.
func (s *store) bring(ctx context.Context, committer Committer, now, before *State, target *ruleset.Snapshot) error {
	anew, err := together(now.Snapshot, target, s.Pending.Touched.table)
	if err != nil {
		return err
	}
	to := &State{Snapshot: target, Raw: before.Raw, Counters: slices.Concat(before.Raw, now.Raw)}
	if same(target, before.Snapshot) {
		to.Objects = before.Objects
	}
	if _, err = committer.Commit(s.whole(ctx), &State{Snapshot: without(now.Snapshot, anew), Raw: now.Raw, Objects: now.Objects}, to); err != nil {
		return err
	}
	after, err := capture(ctx, []*ruleset.Snapshot{target, now.Snapshot}, before.Snapshot)
	if err != nil {
		return err
	}
	if err := equal("what was put back", target, onlySysctls(after.Snapshot, target.Sysctls), s.Pending.Touched.table); err != nil {
		return fmt.Errorf("%w: %w", errMoved, err)
	}
	return nil
}

// forget drops the pending change from the journal and what was stored for it.
// The note is for who asks later, nil where the user is told now. The number of a
// generation that was begun is not given again: logs and people have it.
func (s *store) forget(note *Undone) error {
	p := s.Pending
	if p == nil || p.Generation <= s.Last {
		return s.update(func(j *journal) { j.Pending, j.Undone = nil, note })
	}
	err := s.update(func(j *journal) {
		j.Pending, j.Undone, j.Void = nil, note, p.Generation
		if p.To == p.Generation { // else it is a rollback's, and nobody has seen it
			j.Last = p.Generation
		}
	})
	if err == nil {
		_ = s.drop(p.Generation)
	}
	return err
}

// discard removes what is stored of a generation that did not come to be.
func (s *store) discard(n int) error {
	if n <= s.Last {
		return nil
	}
	return s.drop(n)
}

func (s *store) drop(n int) error { return os.RemoveAll(s.path(n)) }

// Recovery says what became of a change that was cut short, by a crash or a
// power cut, or not confirmed in time.
type Recovery struct {
	// Generation is the one that was being applied.
	Generation int       `json:"generation"`
	Began      time.Time `json:"began"`
	// Rebooted says that the kernel has started since, so that there was
	// nothing left to undo.
	Rebooted bool `json:"rebooted"`
	// Unconfirmed says that it was whole and not confirmed in time.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
	// Lost is what others had put into the firewall since and what could not
	// stay.
	Lost []Foreign `json:"lost,omitempty"`
}

// Recover undoes a change that was cut short or not confirmed in time, if there
// is one, and returns nil if not. Every apply, rollback and confirm does so
// first.
func Recover(ctx context.Context, opts Options) (*Recovery, error) {
	opts = opts.withDefaults()
	if used, err := inUse(opts.State); err != nil || !used {
		return nil, err
	}
	s, err := opts.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.recover(ctx, opts.Committer)
}

func (s *store) recover(ctx context.Context, committer Committer) (*Recovery, error) {
	if p := s.Pending; p == nil || p.waits() {
		return nil, nil
	}
	return s.unwind(ctx, committer, s.Pending.why())
}

// unwind undoes the pending change, whatever its step.
func (s *store) unwind(ctx context.Context, committer Committer, why string) (*Recovery, error) {
	p := s.Pending
	r := p.recovery()
	if !r.Rebooted {
		// From here on it is no whole firewall that one could still confirm.
		_ = s.update(func(j *journal) { j.Pending.Step = stepUndo }) // a full disk must not stop it
		before, err := s.previous(p.Generation)
		if err == nil {
			r.Lost, err = s.putBack(context.WithoutCancel(ctx), committer, before)
		}
		if err != nil {
			cut := fmt.Errorf("the change to generation %d that began at %s is to be undone (%s)", p.To, p.Began.Format(time.RFC3339), why)
			return nil, &FailedError{Cause: cut, Undo: err, Lost: r.Lost}
		}
	}
	return r, s.forget(&Undone{p.To, time.Now().UTC().Truncate(time.Second), why})
}

func (p *pending) recovery() *Recovery {
	return &Recovery{Generation: p.To, Began: p.Began, Rebooted: p.Boot != bootID(), Unconfirmed: p.Step == stepConfirm}
}

// inUse says whether a state directory has a journal.
func inUse(dir string) (bool, error) {
	_, err := os.Stat(journalPath(dir))
	if errors.Is(err, os.ErrNotExist) {
		return false, lostJournal(dir)
	}
	return err == nil, err
}
