package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// draft is a plan and the live state that it starts from.
type draft struct {
	plan *Plan
	live *State
	keep Keep
	base *ruleset.Snapshot // what fwc applied last, nil for nothing
	last *Generation       // of base

	storing  chan error // the generation being written, nil if it is not
	storedAs *Generation
}

// draft reads the live firewall and plans.
func (s *store) draft(ctx context.Context, c *candidate, opts Options) (*draft, error) {
	g, base, err := s.base()
	if err != nil {
		return nil, err
	}
	keep := opts.Keep
	former := map[string]string{}
	if c.back {
		keep = append(append(Keep{}, keep...), c.generation.Keep...)
		if g != nil {
			keep = append(keep, g.Keep...)
		}
		maps.Copy(former, c.former)
	}
	if g != nil {
		maps.Copy(former, g.Former)
	}
	live, err := captureWhole(ctx, []*ruleset.Snapshot{base, c.ours}, c.ours, base)
	if err != nil {
		return nil, err
	}
	if err := sysctlsExist(c.ours, live.Snapshot); err != nil {
		return nil, err
	}
	mo := MergeOptions{Keep: keep, Replace: opts.Replace, Former: former, strays: straysIn(live, c.ours)}
	var p *Plan
	mine := withLockdown(base, live.Snapshot)
	if len(c.undone) == 0 {
		p, err = Merge(mine, c.ours, live.Snapshot, mo)
	} else {
		p, err = mergeBack(mine, c.ours, live.Snapshot, mo, c.undone)
	}
	if err != nil {
		return nil, err
	}
	return &draft{plan: p, live: live, keep: keep, base: base, last: g}, nil
}

// give gives up what a rollback would bring back, if that is why the host
// cannot load the plan, and says whether to plan again without.
func (c *candidate) give(d *draft, err error) bool {
	var trial *TrialError
	if !errors.As(err, &trial) || len(d.plan.Regained) == 0 {
		return false
	}
	for _, f := range d.plan.Regained {
		c.notes = append(c.notes, fmt.Sprintf("%s is not brought back: %v", f, trial.Err))
	}
	c.undone = nil
	return true
}

func (d *draft) result(s *store, c candidate, word string) *Result {
	r := &Result{Digest: c.generation.Digest, Generation: s.Current, Result: word, Changes: d.plan.Changes,
		ForeignKept: d.plan.Foreign, ForeignLost: d.plan.Lost, ForeignRegained: d.plan.Regained, Plan: d.plan}
	r.Notes = slices.Concat(c.notes, d.plan.Notes)
	for _, f := range d.plan.NotRegained {
		r.Notes = append(r.Notes, f.String()+"; it is not brought back")
	}
	return r
}

func (d *draft) formerOf() map[string]string {
	if d.last == nil {
		return nil
	}
	return d.last.Former
}

// since returns the generation that brought about the firewall which the
// candidate is too, 0 if it is another one: then it is a step of its own. So is
// what removes content of others, which going back brings back.
func (d *draft) since(c candidate) int {
	switch {
	case d.last == nil || len(d.plan.Lost) > 0 || !same(d.base, c.ours):
		return 0
	case d.last.Since != 0:
		return d.last.Since
	}
	return d.last.Number
}

// state is what the candidate wants, with its counters. Of a rollback rules go
// on counting that are there now, and others from where they stood.
func (c *candidate) state(d *draft) *State {
	st := &State{Snapshot: d.plan.Wanted, Raw: c.raw}
	if c.back {
		st.Counters = slices.Clone(d.live.Raw)
		for _, u := range c.undone {
			st.Counters = append(st.Counters, u.before.Raw...)
		}
	}
	return st
}
