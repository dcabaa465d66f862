package netfilter

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// Mismatch is one difference between two states.
type Mismatch struct {
	Backend ruleset.Backend // "" for an ipset
	Family  ruleset.Family
	Table   string
	Chain   string
	Rule    int    // from 0 in its chain; -1 where it is not about a rule
	What    string // what differs, in words
	// Passing says that it is about elements that come and go at run time.
	Passing bool
}

// String names the place and the difference.
func (m Mismatch) String() string {
	if m.Table == "" {
		return m.What
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s table %s %s", m.Backend, m.Family, m.Table)
	if m.Chain != "" {
		fmt.Fprintf(&b, ", chain %s", m.Chain)
	}
	if m.Rule >= 0 {
		fmt.Fprintf(&b, ", rule %d", m.Rule+1)
	}
	return b.String() + ": " + m.What
}

// Diff returns where b differs from a, in the order of a's tables. The
// sentences take a as the former state and b as the later one.
func (a *State) Diff(b *State) []Mismatch {
	var ms []Mismatch
	tableKey := func(t objTable) string { return string(t.backend) + " " + string(t.family) + " " + t.name }
	pair(a.tables, b.tables, tableKey, func(x, y *objTable) {
		t := x
		if t == nil {
			t = y
		}
		m := Mismatch{Backend: t.backend, Family: t.family, Table: t.name, Rule: -1}
		switch {
		case y == nil:
			m.What = "the table is gone"
			ms = append(ms, m)
		case x == nil:
			m.What = "the table is new"
			ms = append(ms, m)
		default:
			ms = append(ms, diffTable(m, x, y)...)
		}
	})
	pair(a.sets, b.sets, func(s ruleset.Set) string { return s.Name }, func(x, y *ruleset.Set) {
		m := Mismatch{Rule: -1}
		switch {
		case y == nil:
			m.What = "ipset " + x.Name + " is gone"
		case x == nil:
			m.What = "ipset " + y.Name + " is new"
		case x.Type != y.Type || x.Options != y.Options:
			m.What = fmt.Sprintf("ipset %s: %s %s became %s %s", x.Name, x.Type, x.Options, y.Type, y.Options)
		case !slices.Equal(x.Members, y.Members):
			m.What = fmt.Sprintf("ipset %s: its %d members became %d others", x.Name, len(x.Members), len(y.Members))
		default:
			return
		}
		ms = append(ms, m)
	})
	return ms
}

func diffTable(m Mismatch, a, b *objTable) []Mismatch {
	var ms []Mismatch
	add := func(chain string, rule int, what string) {
		m.Passing = false
		m.Chain, m.Rule, m.What = chain, rule, what
		ms = append(ms, m)
	}
	if !bytes.Equal(a.def, b.def) {
		add("", -1, "the table's flags or comment differ")
	}
	pair(a.objects, b.objects, func(o objObject) string { return o.kind + " " + o.name }, func(x, y *objObject) {
		switch {
		case y == nil:
			add("", -1, fmt.Sprintf("%s %s is gone", x.kind, x.name))
		case x == nil:
			add("", -1, fmt.Sprintf("%s %s is new", y.kind, y.name))
		case !bytes.Equal(x.def, y.def):
			add("", -1, fmt.Sprintf("the definition of %s %s differs", x.kind, x.name))
		case !slices.Equal(x.elems, y.elems):
			add("", -1, fmt.Sprintf("the elements of %s %s differ", x.kind, x.name))
			ms[len(ms)-1].Passing = x.runtime() || y.runtime()
		}
	})
	pair(a.chains, b.chains, func(c objChain) string { return c.name }, func(x, y *objChain) {
		switch {
		case y == nil:
			add(x.name, -1, "the chain is gone")
		case x == nil:
			add(y.name, -1, "the chain is new")
		default:
			if x.base != y.base {
				add(x.name, -1, fmt.Sprintf("%q became %q", x.base, y.base))
			}
			if x.pol != y.pol {
				add(x.name, -1, fmt.Sprintf("policy %s became %s", x.pol, y.pol))
			}
			if !bytes.Equal(x.def, y.def) {
				add(x.name, -1, "the chain's devices, flags or comment differ")
			}
			diffRules(x.rules, y.rules, func(rule int, what string) { add(x.name, rule, what) })
		}
	})
	return ms
}

// diffRules compares two lists of rules. Where one is longer, what the two
// have in common at the end counts as equal.
func diffRules(a, b []objRule, add func(int, string)) {
	i := 0
	for i < len(a) && i < len(b) && a[i].equal(&b[i]) {
		i++
	}
	tail := 0
	for tail < min(len(a), len(b))-i && a[len(a)-1-tail].equal(&b[len(b)-1-tail]) {
		tail++
	}
	for ; i < max(len(a), len(b))-tail; i++ {
		switch {
		case i >= len(b)-tail:
			add(i, "the rule is gone: "+a[i].String())
		case i >= len(a)-tail:
			add(i, "the rule is new: "+b[i].String())
		case !a[i].equal(&b[i]):
			add(i, describe(&a[i], &b[i]))
		}
	}
}

// pair calls f for each element of two lists by key, a's first, with nil
// where one has none.
func pair[T any](a, b []T, key func(T) string, f func(x, y *T)) {
	at := make(map[string]int, len(b))
	for i := range b {
		at[key(b[i])] = i
	}
	for i := range a {
		k := key(a[i])
		if j, ok := at[k]; ok {
			delete(at, k)
			f(&a[i], &b[j])
		} else {
			f(&a[i], nil)
		}
	}
	for j := range b {
		if _, ok := at[key(b[j])]; ok {
			f(nil, &b[j])
		}
	}
}
