package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// try proves the plan in throwaway namespaces, both ways at once: that this
// host loads what is wanted, and that what the change touches can be put back.
// It returns the kernel's own objects of what is wanted, and the live state as
// the committer is to see it: without the tables that are as wanted in text
// but not in those objects, which so are loaded anew.
func (d *draft) try(ctx context.Context, c *candidate, opts Options) (*netfilter.State, *ruleset.Snapshot, error) {
	back, err := d.touchedNow()
	if err != nil {
		return nil, nil, err
	}
	type proof struct {
		objects *netfilter.State
		err     error
	}
	proven := make(chan proof, 1)
	if back == nil || opts.Replace {
		back = nil
		proven <- proof{}
	} else {
		go func() {
			o, err := trial(ctx, back, nil)
			proven <- proof{o, err}
		}()
	}
	var counters *State
	if c.back {
		counters = c.state(d)
	}
	wanted, err := d.plan.trial(ctx, counters)
	former := <-proven
	if err != nil {
		return nil, nil, err
	}
	live, err := netfilter.Objects(ctx)
	if err != nil {
		return nil, nil, err
	}
	if live.Generation() != d.live.generation {
		return nil, nil, errOvertaken
	}
	d.live.Objects = live
	unlike := differ(wanted, live, func(k tableKey) bool {
		f, t := tableOf(d.live.Snapshot, k), tableOf(d.plan.Wanted, k)
		return f != nil && t != nil && !d.plan.carried[k] && sameTable(f, t)
	})
	if !opts.Replace {
		lossy := unlike
		if back != nil && former.err == nil {
			lossy = append(lossy, differ(former.objects, live, func(k tableKey) bool { return tableOf(back, k) != nil })...)
		}
		if former.err == nil && len(lossy) > 0 {
			former.err = errors.New(lossy[0].String())
		}
		if former.err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrNoWayBack, former.err)
		}
	}
	anew := maps.Clone(d.plan.anew)
	if anew == nil {
		anew = map[tableKey]bool{}
	}
	for _, m := range unlike {
		anew[tableKey{m.Backend, m.Family, m.Table, false}] = true
		anew[tableKey{m.Backend, m.Family, m.Table, true}] = true
	}
	return wanted, without(d.live.Snapshot, anew), nil
}

// without returns s without those tables.
func without(s *ruleset.Snapshot, tables map[tableKey]bool) *ruleset.Snapshot {
	out := *s
	out.Tables = slices.DeleteFunc(slices.Clone(s.Tables), func(t ruleset.Table) bool { return tables[keyOf(&t)] })
	return &out
}

// touchedNow returns the live tables that the plan touches, with the sets; nil
// if it touches none.
func (d *draft) touchedNow() (*ruleset.Snapshot, error) {
	t := touched(without(d.live.Snapshot, d.plan.anew), d.plan.Wanted)
	p := newParts()
	for i := range d.live.Tables {
		if table := &d.live.Tables[i]; t.table(keyOf(table)) {
			p.add(table, d.live.Snapshot)
		}
	}
	if len(p.tables) == 0 {
		return nil, nil
	}
	p.sets = d.live.Sets
	return p.snapshot()
}

// differ returns where the kernel's own objects of two states are not the same,
// in the tables that judge names: a save can lose a match, so that tables alike
// as text may not be alike. Ipsets do not count: their text is whole.
func differ(want, got *netfilter.State, judge func(k tableKey) bool) []netfilter.Mismatch {
	return slices.DeleteFunc(want.Diff(got), func(m netfilter.Mismatch) bool {
		k := tableKey{m.Backend, m.Family, m.Table, false}
		n := k
		n.Native = true
		return m.Table == "" || !judge(k) && !judge(n)
	})
}
