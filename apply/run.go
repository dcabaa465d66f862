package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// replans bounds how often a plan is made again because others changed the
// firewall meanwhile: at least so often, and for as long as a lock is waited for.
const replans = 5

// run applies a candidate under the lock.
func (s *store) run(ctx context.Context, c candidate, opts Options) (*Result, error) {
	if err := s.waiting(); err != nil {
		return nil, err
	}
	if !c.back {
		c.ahead(ctx)
		defer c.abandon()
	}
	d, err := s.draft(ctx, &c, opts)
	if err != nil {
		return nil, err
	}
	defer func() { s.unstore(d) }()
	calm := &calm{wait: opts.LockWait}
	defer calm.end()
	n := 0
	for began := time.Now(); n < replans || time.Since(began) < opts.LockWait; n++ {
		s.storeAhead(&c, d)
		objects, from, err := d.try(ctx, &c, opts)
		if err != nil && (c.give(d, err) || calm.helps(d, err)) {
			if ctx, err = calm.begin(ctx, d); err != nil {
				return nil, err
			}
			s.unstore(d)
			if d, err = s.draft(ctx, &c, opts); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		if len(d.plan.Changes) == 0 && len(from.Tables) == len(d.live.Tables) {
			return s.unchanged(c, opts, d)
		}
		still, err := calm.settled(ctx, d)
		if err != nil {
			return nil, err
		}
		if still {
			r, err := s.commit(ctx, c, opts, d, from, objects)
			if !errors.Is(err, netfilter.ErrGeneration) || errors.Is(err, ErrNotRestored) {
				return r, err
			}
		}
		if ctx, err = calm.begin(ctx, d); err != nil {
			return nil, err
		}
		s.unstore(d)
		if d, err = s.draft(ctx, &c, opts); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: it changed %d times while the apply was planned", ErrBusy, n)
}

// holds says whether the live firewall is still what the plan starts from. What
// nf_tables has the commit itself holds to.
func (d *draft) holds(ctx context.Context) (bool, error) {
	if hasLegacy(d.live.Snapshot) {
		again, err := capture(ctx, []*ruleset.Snapshot{d.live.Snapshot}, d.live.Snapshot)
		return err == nil && same(again.Snapshot, d.live.Snapshot), err
	}
	if len(d.live.Sets)+len(d.plan.Wanted.Sets) == 0 {
		return true, nil
	}
	again, err := netfilter.CaptureSets(ctx, nil)
	if err != nil {
		return false, err
	}
	return same(again, &ruleset.Snapshot{Sets: d.live.Sets}), nil
}

func hasLegacy(s *ruleset.Snapshot) bool {
	return slices.ContainsFunc(s.Tables, func(t ruleset.Table) bool { return t.Backend == ruleset.Legacy })
}

// commit writes the intent down, changes the kernel, reads back, checks, and
// keeps the change or undoes it.
func (s *store) commit(ctx context.Context, c candidate, opts Options, d *draft, from *ruleset.Snapshot, objects *netfilter.State) (*Result, error) {
	waits := opts.Confirm > 0 && !c.back
	if err := s.watched(ctx, opts, waits); err != nil {
		return nil, err
	}
	g, to, err := s.begin(c, opts, d, from, s.dog)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	var out Outcome
	if err = opts.fault.at("journal"); err == nil {
		to := c.state(d)
		to.Objects = objects
		out, err = opts.Committer.Commit(s.whole(ctx), &State{Snapshot: from, Raw: d.live.Raw, Objects: d.live.Objects}, to)
	}
	took := time.Since(began)
	if out.Took > 0 {
		took = out.Took
	}
	if err == nil {
		err = s.prove(ctx, c, opts, d, objects, out.Exact)
	}
	if err == nil {
		err = opts.fault.at("settle")
	}
	switch {
	case err != nil:
	case waits:
		err = s.wait(opts.Confirm, c.taken())
	default:
		err = s.settle(to)
	}
	if errors.Is(err, netfilter.ErrGeneration) { // nothing is changed: plan again
		return nil, errors.Join(err, s.withdraw(g.Number))
	}
	if err != nil {
		err = s.undo(context.WithoutCancel(ctx), opts.Committer, d.live, err)
		if errors.Is(err, netfilter.ErrLocked) && errors.Is(err, ErrUndone) {
			return nil, fmt.Errorf("%w: %v", ErrBusy, err)
		}
		return nil, err
	}
	_ = s.prune() // a history too long harms nobody
	dropBootNote(s.dir)
	r := d.result(s, c, Applied)
	if c.back {
		r.Result = RolledBack
		_ = s.discard(g.Number)
	}
	r.Notes = append(r.Notes, out.Notes...)
	r.Transactions, r.Fallback, r.CommitMillis = out.Transactions, out.Fallback, took.Milliseconds()
	if waits {
		r.Generation, r.ConfirmBy = to, s.Pending.ConfirmBy
	}
	return r, nil
}

// withdraw takes back what begin did, where nothing was changed and nobody has
// seen the number.
func (s *store) withdraw(n int) error {
	return errors.Join(s.update(func(j *journal) { j.Pending = nil }), s.discard(n))
}

// begin stores the generation and the journal's intent. dog is the watchdog
// that undoes the change, nil for none.
func (s *store) begin(c candidate, opts Options, d *draft, from *ruleset.Snapshot, dog *watchdog) (*Generation, int, error) {
	// Ahead of the first generation, so that a journal that was lost shows.
	if used, err := inUse(s.dir); err != nil {
		return nil, 0, err
	} else if !used {
		if err := s.update(func(*journal) {}); err != nil {
			return nil, 0, err
		}
	}
	if d.storing == nil {
		s.store(&c, d)
	}
	g, err := d.stored()
	if err != nil {
		return nil, 0, errors.Join(err, s.discard(g.Number))
	}
	if err := opts.fault.at("generation"); err != nil {
		return nil, 0, err
	}
	to := g.Number
	if c.back {
		to = c.to
	}
	if err := s.reserve(); err != nil {
		return nil, 0, errors.Join(err, s.discard(g.Number))
	}
	err = s.update(func(j *journal) {
		j.Pending = &pending{Generation: g.Number, To: to, Step: stepCommit, Began: g.At, Boot: bootID(),
			Touched: touched(from, d.plan.Wanted), Watchdog: dog.name()}
	})
	if err != nil {
		s.unreserve()
		return nil, 0, errors.Join(err, s.discard(g.Number))
	}
	return g, to, nil
}

// settle makes the pending change the current generation.
func (s *store) settle(to int) error {
	err := s.update(func(j *journal) {
		if to != j.Confirmed { // a boot brings no news
			j.Undone = nil
		}
		j.Current, j.Confirmed, j.Last, j.Pending = to, to, max(j.Last, to), nil
	})
	if err == nil {
		leaveTrace(s.dir, to)
	}
	return err
}

// unchanged records a candidate that the live firewall already is.
func (s *store) unchanged(c candidate, opts Options, d *draft) (*Result, error) {
	if s.Current > 0 && !c.back {
		if g, err := s.generation(s.Current); err == nil && g.Digest == c.generation.Digest && g.Applied == digest(c.ours.Dumps) && slices.Equal(g.Keep, d.keep) {
			return d.result(s, c, Unchanged), nil
		}
	}
	g, to, err := s.begin(c, opts, d, d.live.Snapshot, nil)
	if err != nil {
		return nil, err
	}
	if c.record != nil {
		err = c.record()
	}
	if err == nil {
		err = s.settle(to)
	}
	if err != nil {
		return nil, errors.Join(err, s.withdraw(g.Number))
	}
	if c.back {
		_ = s.discard(g.Number)
	}
	_ = s.prune()
	return d.result(s, c, Unchanged), nil
}
