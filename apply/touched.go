package apply

import (
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// touchedSet is what a change may alter.
type touchedSet struct {
	Tables []tableKey `json:"tables,omitempty"`
	Sets   []string   `json:"sets,omitempty"` // stand-ins too
}

func (t *touchedSet) table(k tableKey) bool { return slices.Contains(t.Tables, k) }

// standIns adds what is left of sets that a change made for the time being: also
// of one that undid this change and was cut short itself.
func (t *touchedSet) standIns(now, before *ruleset.Snapshot) {
	for _, s := range now.Sets {
		if isStandIn(s.Name) && setOf(before, s.Name) == nil && !slices.Contains(t.Sets, s.Name) {
			t.Sets = append(t.Sets, s.Name)
		}
	}
}

// touched returns what a commit from one state to the other alters.
func touched(from, to *ruleset.Snapshot) touchedSet {
	var t touchedSet
	sets := planSets(from, to)
	moves := sets.moves(from, to)
	tables := changedTables(from, to, slices.Concat(sets.clash, moves.affected))
	for _, list := range [][]ruleset.Table{tables.load, tables.drop, tables.native, tables.dropNative} {
		for i := range list {
			t.Tables = append(t.Tables, keyOf(&list[i]))
		}
	}
	for _, list := range [][]ruleset.Set{sets.create, sets.clash, sets.destroy} {
		for _, s := range list {
			t.Sets = append(t.Sets, s.Name)
		}
	}
	for _, s := range sets.swap {
		t.Sets = append(t.Sets, s[1])
	}
	t.Sets = slices.Concat(t.Sets, sets.updated, moves.reserved)
	slices.Sort(t.Sets)
	t.Sets = slices.Compact(t.Sets)
	return t
}

// overlay returns the way back: now, with what the change touched as it was
// before, and all sysctls as they were.
func overlay(now, before *ruleset.Snapshot, t *touchedSet) (*ruleset.Snapshot, error) {
	p := newParts()
	p.like = before
	for _, k := range tableKeys(before, now) {
		from := now
		if t.table(k) {
			from = before
		}
		if table := tableOf(from, k); table != nil {
			p.add(table, from)
		}
	}
	isTouched := func(s ruleset.Set) bool { return slices.Contains(t.Sets, s.Name) }
	for _, s := range before.Sets {
		if isTouched(s) {
			p.sets = append(p.sets, s)
		}
	}
	for _, s := range now.Sets {
		if !isTouched(s) {
			p.sets = append(p.sets, s)
		}
	}
	p.sets = orderSets(p.sets)
	p.sysctls = slices.Clone(before.Sysctls)
	return p.snapshot()
}
