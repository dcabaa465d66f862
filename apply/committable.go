package apply

import (
	"errors"
	"slices"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// tablePlan is which tables change.
type tablePlan struct {
	load []ruleset.Table // xtables tables of to that from has not or has otherwise
	drop []ruleset.Table // xtables tables that to has not
	// native and dropNative are the same of nft's own tables.
	native, dropNative []ruleset.Table
}

// changedTables compares the tables of two states. A table that uses a set
// which must be replaced under it counts as changed.
func changedTables(from, to *ruleset.Snapshot, clash []ruleset.Set) *tablePlan {
	p := new(tablePlan)
	for _, k := range tableKeys(to, from) {
		f, t := tableOf(from, k), tableOf(to, k)
		switch {
		case k.Native && t == nil:
			p.dropNative = append(p.dropNative, *f)
		case k.Native:
			if f == nil || !sameTable(f, t) {
				p.native = append(p.native, *t)
			}
		case t == nil:
			// A legacy table cannot go: empty is as good as gone.
			if !nothing(f) || f.Backend == ruleset.NFT {
				p.drop = append(p.drop, *f)
			}
		case f == nil || !sameTable(f, t) || uses(t, clash):
			p.load = append(p.load, *t)
		}
	}
	return p
}

func uses(t *ruleset.Table, sets []ruleset.Set) bool {
	if len(sets) == 0 {
		return false
	}
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			if slices.ContainsFunc(setsOf(r.Text), func(n string) bool {
				return slices.ContainsFunc(sets, func(s ruleset.Set) bool { return s.Name == n })
			}) {
				return true
			}
		}
	}
	return false
}

// emptied returns a table with its hooks only, open.
func emptied(t ruleset.Table) ruleset.Table {
	var chains []ruleset.Chain
	for _, c := range t.Chains {
		if builtin(&c) {
			chains = append(chains, ruleset.Chain{Name: c.Name, Policy: "ACCEPT"})
		}
	}
	t.Chains = chains
	return t
}

// replaced are the changed xtables tables as they are to be, those that go
// empty.
func (p *tablePlan) replaced() []ruleset.Table {
	var gone []ruleset.Table
	for _, t := range p.drop {
		gone = append(gone, emptied(t))
	}
	return slices.Concat(p.load, gone)
}

// loadTables replaces the changed xtables tables, each by a restore of its own,
// and empties those that go. Sets in stand go by their stand-in. The legacy
// tables of ip and ip6 switch together, as far as they can.
//
// What the kernel refuses it may take when another table has gone ahead, or gone
// back: so much of it is tried again as long as there is progress.
func (c *change) loadTables(p *tablePlan, stand map[string]string) error {
	all := p.replaced()
	legacy, err := c.openLegacy(all, stand)
	if err != nil {
		return err
	}
	defer legacy.close()
	var refused []func() error
	var last error
	try := func(load func() error) error {
		err := load()
		var le *netfilter.LoadError
		if errors.As(err, &le) && c.ctx.Err() == nil && !errors.Is(err, netfilter.ErrLocked) {
			refused, last, err = append(refused, load), err, nil
		}
		return err
	}
	for _, kind := range ruleset.Kinds {
		for _, backend := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
			tables := ofKind(all, kind, backend)
			if len(tables) == 0 {
				continue
			}
			if err := c.fault.at("tables " + string(kind)); err != nil {
				return err
			}
			if legacy.takes(kind, backend) {
				continue
			}
			for i := range tables {
				if err := try(func() error { return c.restore(kind, backend, tables[i:i+1], stand) }); err != nil {
					return err
				}
			}
		}
	}
	for left := len(refused) + 1; len(refused) > 0; {
		if len(refused) == left {
			return last
		}
		again := refused
		left, refused = len(again), nil
		for _, load := range again {
			if err := try(load); err != nil {
				return err
			}
		}
	}
	return c.switchLegacy(legacy)
}

// settleEmpty decides about tables with nothing in them, which the saves print
// and no snapshot has, where a state is put back to the byte: those that it had
// are loaded in place of dropping them, and others that are there now, left by
// an earlier attempt, are dropped.
func (c *change) settleEmpty(p *tablePlan) error {
	if c.to.Raw == nil {
		return nil
	}
	had, err := emptyTables(c.to.Raw)
	if err != nil {
		return err
	}
	has, err := emptyTables(c.from.Raw)
	if err != nil {
		return err
	}
	var drop []ruleset.Table
	for _, t := range p.drop {
		if empty, ok := had[keyOf(&t)]; ok {
			p.load = append(p.load, empty)
		} else {
			drop = append(drop, t)
		}
	}
	for k, t := range has {
		if _, ok := had[k]; !ok && k.Backend == ruleset.NFT && tableOf(c.to.Snapshot, k) == nil {
			drop = append(drop, t)
		}
	}
	p.drop = drop
	return nil
}

// restore replaces tables of one kind and backend.
func (c *change) restore(kind ruleset.Kind, backend ruleset.Backend, tables []ruleset.Table, stand map[string]string) error {
	d, err := c.counted(kind, backend, tables, stand)
	if err != nil {
		return err
	}
	load := func() error {
		return netfilter.Restore(c.ctx, d, netfilter.RestoreOptions{Counters: true, Wait: c.wait})
	}
	if backend == ruleset.Legacy {
		err = load() // under the lock of its writers
	} else {
		err = c.guard.step(load)
	}
	if err == nil {
		c.out.Transactions += len(tables)
	}
	return err
}

// counted is the dump of tables of one kind and backend as they are to be
// loaded. Counters go on where the new table has a rule of the present one, or
// come from the state that is being put back.
func (c *change) counted(kind ruleset.Kind, backend ruleset.Backend, tables []ruleset.Table, stand map[string]string) (ruleset.Dump, error) {
	source, like := c.from.Raw, c.from.Snapshot
	switch {
	case c.to.Counters != nil:
		source = c.to.Counters
	case c.to.Raw != nil:
		source, like = c.to.Raw, c.to.Snapshot
	}
	n, err := countersOf(source, kind, backend, like)
	if err != nil {
		return ruleset.Dump{}, err
	}
	return ruleset.Dump{Kind: kind, Backend: backend, Text: render(kind, xtables.Format(tables), n, stand)}, nil
}

// loadSysctls writes the keys that differ, and those that the kernel changes
// with them.
func (c *change) loadSysctls() error {
	var along []string // what writing the others sets along
	for _, v := range c.to.Sysctls {
		if !slices.Contains(c.from.Sysctls, v) {
			along = append(along, sideEffects(v.Key)...)
		}
	}
	var list []ruleset.Sysctl
	for _, v := range c.to.Sysctls {
		if !slices.Contains(c.from.Sysctls, v) || slices.Contains(along, v.Key) {
			list = append(list, v)
		}
	}
	c.out.Transactions += len(list)
	return netfilter.SetSysctls(list)
}
