package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// wayBack proves that what a plan takes away can be put back from the dump of
// the live firewall: a save can lose a match. Rules of nf_tables that the plan
// wants too are proven with it; the others, and whole tables of other kinds,
// are loaded into a throwaway namespace.
type wayBack struct {
	whole  map[tableKey]bool // tables that are loaded as they are
	byRule map[tableKey]bool // tables of which rules are compared one by one
	expect []proofOf
	chosen *ruleset.Snapshot // what to load, nil for nothing

	objects chan trialResult
}

// proofOf is a chain, some of whose rules are loaded.
type proofOf struct {
	table tableKey
	chain string
	marks []netfilter.Mark // of those rules in the live firewall
	texts []string
}

type trialResult struct {
	objects *netfilter.State
	err     error
}

// prepare chooses what to load.
func (d *draft) wayBack() (*wayBack, error) {
	w := &wayBack{whole: map[tableKey]bool{}, byRule: map[tableKey]bool{}}
	t := touched(without(d.live.Snapshot, d.plan.anew), d.plan.Wanted)
	p := newParts()
	for i := range d.live.Tables {
		table := &d.live.Tables[i]
		k := keyOf(table)
		if !t.table(k) {
			continue
		}
		if k.Native || k.Backend == ruleset.Legacy || !w.rules(d, table, p) {
			w.whole[k] = true
			p.add(table, d.live.Snapshot)
		}
	}
	if len(p.tables) == 0 {
		return w, nil
	}
	var err error
	p.sets = setsNeeded(p.tables, d.live.Sets)
	w.chosen, err = p.snapshot()
	return w, err
}

// rules chooses the rules of a table that the plan does not want too. It
// returns false where text and objects do not say which rule is which.
func (w *wayBack) rules(d *draft, t *ruleset.Table, p *parts) bool {
	k := keyOf(t)
	known := map[string]bool{}
	if to := tableOf(d.plan.Wanted, k); to != nil {
		for _, c := range to.Chains {
			for _, r := range c.Rules {
				known[r.Text] = true
			}
		}
	}
	out := *t
	out.Chains = slices.Clone(t.Chains)
	var expect []proofOf
	for i := range out.Chains {
		c := &out.Chains[i]
		marks := d.live.Objects.Marks(k.Family, k.Name, c.Name)
		if len(marks) != len(c.Rules) {
			return false
		}
		e := proofOf{table: k, chain: c.Name}
		var rules []ruleset.Rule
		for n, r := range c.Rules {
			if !known[r.Text] {
				rules = append(rules, r)
				e.marks, e.texts = append(e.marks, marks[n]), append(e.texts, r.Text)
			}
		}
		if c.Rules = rules; len(rules) > 0 {
			expect = append(expect, e)
		}
	}
	w.byRule[k] = true
	if len(expect) > 0 {
		w.expect = append(w.expect, expect...)
		p.add(&out, d.live.Snapshot)
	}
	return true
}

// start loads what was chosen, beside the caller.
func (w *wayBack) start(ctx context.Context) {
	w.objects = make(chan trialResult, 1)
	if w.chosen == nil {
		w.objects <- trialResult{}
		return
	}
	go func() {
		o, err := trial(ctx, w.chosen, nil)
		w.objects <- trialResult{o, err}
	}()
}

// lossy waits, and returns what the live firewall's dump lacks, nil if nothing.
// wanted are the objects of the plan.
func (w *wayBack) lossy(d *draft, wanted *netfilter.State) error {
	r := <-w.objects
	if r.err != nil {
		return r.err
	}
	if w.chosen != nil {
		if list := differ(r.objects, d.live.Objects, func(k tableKey) bool { return w.whole[k] }); len(list) > 0 {
			return fmt.Errorf("%v", list[0])
		}
	}
	for _, e := range w.expect {
		if got := r.objects.Marks(e.table.Family, e.table.Name, e.chain); !slices.Equal(got, e.marks) {
			return fmt.Errorf("%s table %s %s, chain %s: a save does not print all of %q", e.table.Backend, e.table.Family,
				e.table.Name, e.chain, e.texts[firstUnlike(got, e.marks)])
		}
	}
	return w.alike(d, wanted)
}

// alike compares the rules that the plan wants too.
func (w *wayBack) alike(d *draft, wanted *netfilter.State) error {
	for i := range d.live.Tables {
		t := &d.live.Tables[i]
		k := keyOf(t)
		to := tableOf(d.plan.Wanted, k)
		if to == nil || !w.byRule[k] {
			continue
		}
		known := map[string]netfilter.Mark{}
		for _, c := range to.Chains {
			if marks := wanted.Marks(k.Family, k.Name, c.Name); len(marks) == len(c.Rules) {
				for n, r := range c.Rules {
					known[r.Text] = marks[n]
				}
			}
		}
		for _, c := range t.Chains {
			marks := d.live.Objects.Marks(k.Family, k.Name, c.Name) // as many as rules, see rules
			for n, r := range c.Rules {
				if m, ok := known[r.Text]; ok && m != marks[n] {
					return fmt.Errorf("%s table %s %s, chain %s, rule %d: a save does not print all of %q", k.Backend, k.Family,
						k.Name, c.Name, n+1, r.Text)
				}
			}
		}
	}
	return nil
}

func firstUnlike[T comparable](a, b []T) int {
	i := 0
	for i < len(a) && i < len(b)-1 && a[i] == b[i] {
		i++
	}
	return min(i, len(b)-1)
}

// setsNeeded returns the sets that rules of tables name, with the members of
// lists.
func setsNeeded(tables []ruleset.Table, sets []ruleset.Set) (out []ruleset.Set) {
	s := &ruleset.Snapshot{Tables: tables, Sets: sets}
	need := setUsers(s, ruleset.NFT)
	for n := range setUsers(s, ruleset.Legacy) {
		need[n] = true
	}
	for _, set := range sets {
		if need[set.Name] {
			out = append(out, set)
		}
	}
	return out
}
