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
	back := new(wayBack)
	if !opts.Replace {
		var err error
		if back, err = d.wayBack(); err != nil {
			return nil, nil, err
		}
	}
	back.start(ctx)
	wanted, err := c.trial(ctx, d)
	if err != nil {
		<-back.objects
		return nil, nil, err
	}
	unlike := differ(wanted, d.live.Objects, func(k tableKey) bool {
		f, t := tableOf(d.live.Snapshot, k), tableOf(d.plan.Wanted, k)
		return f != nil && t != nil && !d.plan.carried[k] && sameTable(f, t)
	})
	if !opts.Replace {
		err := back.lossy(d, wanted)
		if err == nil && len(unlike) > 0 {
			err = errors.New(unlike[0].String())
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrNoWayBack, err)
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

// differ returns where the kernel's own objects of two states are not the same,
// in the tables that judge names: a save can lose a match, so that tables alike
// as text may not be alike. Ipsets do not count: their text is whole.
func differ(want, got *netfilter.State, judge func(k tableKey) bool) []netfilter.Mismatch {
	return slices.DeleteFunc(want.Diff(got), func(m netfilter.Mismatch) bool {
		k, n := keysOf(m)
		return m.Table == "" || m.Passing || !judge(k) && !judge(n)
	})
}

// differBut is differ in all tables but those.
func differBut(want, got *netfilter.State, but map[tableKey]bool) []netfilter.Mismatch {
	return slices.DeleteFunc(want.Diff(got), func(m netfilter.Mismatch) bool {
		k, n := keysOf(m)
		return m.Table == "" || m.Passing || but[k] || but[n]
	})
}

// keysOf returns the two keys that a mismatch may be about: an iptables
// program's table and a native one.
func keysOf(m netfilter.Mismatch) (k, native tableKey) {
	k = tableKey{m.Backend, m.Family, m.Table, false}
	native = k
	native.Native = true
	return k, native
}
