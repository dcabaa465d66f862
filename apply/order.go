package apply

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// nativeOrder returns the native tables in the order of the dump, which is that
// of their creation where it matters: the kernel runs base chains of one hook
// and one priority in an order that depends on it.
func nativeOrder(s *ruleset.Snapshot) (out []tableKey, err error) {
	err = eachNative(s, func(k tableKey, kind, _ string, _ json.RawMessage) {
		if kind == "table" {
			out = append(out, k)
		}
	})
	return out, err
}

// hooked is a native base chain.
type hooked struct {
	table tableKey
	chain string
}

// ties returns the native base chains of those tables that in names, by hook
// and priority where several tables have one there, in the order of the dump.
func ties(s *ruleset.Snapshot, in func(tableKey) bool) (map[string][]hooked, error) {
	places := map[string][]hooked{}
	visit := func(k tableKey) {
		t := tableOf(s, k)
		if t == nil || !in(k) {
			return
		}
		families := []ruleset.Family{k.Family}
		if k.Family == ruleset.Inet {
			families = []ruleset.Family{ruleset.IPv4, ruleset.IPv6}
		}
		for _, c := range t.Chains {
			_, place, ok := strings.Cut(c.Hook, " hook ")
			for _, f := range families {
				if ok {
					places[string(f)+" "+place] = append(places[string(f)+" "+place], hooked{k, c.Name})
				}
			}
		}
	}
	n := 0
	for i := range s.Tables {
		if s.Tables[i].Native && in(keyOf(&s.Tables[i])) {
			n++
		}
	}
	if n < 2 {
		return nil, nil
	}
	order, err := nativeOrder(s)
	if err != nil {
		return nil, err
	}
	for _, k := range order {
		visit(k)
	}
	maps.DeleteFunc(places, func(_ string, list []hooked) bool {
		return !slices.ContainsFunc(list, func(h hooked) bool { return h.table != list[0].table })
	})
	return places, nil
}

// together returns the native tables that must be loaded anew, all of them, so
// that their chains run in the order of to: those that share a hook and a
// priority, if one of them changes or their order is another. Only the tables
// that in names count: those of others are never touched, and so the order
// relative to them is what it happens to be.
func together(from, to *ruleset.Snapshot, in func(tableKey) bool) (map[tableKey]bool, error) {
	was, err := ties(from, in)
	if err != nil {
		return nil, err
	}
	is, err := ties(to, in)
	if err != nil {
		return nil, err
	}
	out := map[tableKey]bool{}
	again := false
	for place, list := range is {
		if old := was[place]; !slices.Equal(old, list) {
			again = true
		}
		for _, h := range list {
			out[h.table] = true
			f := tableOf(from, h.table)
			again = again || f == nil || !sameTable(withoutDynamic(f), withoutDynamic(tableOf(to, h.table)))
		}
	}
	if !again {
		return nil, nil
	}
	return out, nil
}

// moved returns the changes of order that ruleset.Diff does not see: native
// base chains of one hook and priority, of one table or of several.
func moved(from, to *ruleset.Snapshot, in func(tableKey) bool) (out []ruleset.Change, err error) {
	seen := map[hooked]bool{}
	report := func(h hooked) {
		if seen[h] {
			return
		}
		seen[h] = true
		c := chainOf(tableOf(to, h.table), h.chain)
		out = append(out, ruleset.Change{Family: h.table.Family, Backend: h.table.Backend, Table: h.table.Name, Native: true,
			Chain: h.chain, Subject: ruleset.SubjectChain, Kind: ruleset.Moved,
			Old: c.Declaration(true), New: c.Declaration(true), Line: c.Line})
	}
	for i := range to.Tables {
		t := &to.Tables[i]
		f := tableOf(from, keyOf(t))
		if !t.Native || f == nil || !in(keyOf(t)) {
			continue
		}
		a, b := inBoth(baseChains(f, t), baseChains(t, f))
		for k := range b {
			if a[k] != b[k] {
				report(hooked{keyOf(t), b[k]})
			}
		}
	}
	was, err := ties(from, in)
	if err != nil {
		return nil, err
	}
	is, err := ties(to, in)
	if err != nil {
		return nil, err
	}
	for _, place := range slices.Sorted(maps.Keys(is)) {
		a, b := inBoth(was[place], is[place])
		for k := range b {
			if a[k] != b[k] {
				report(b[k])
			}
		}
	}
	return out, nil
}

// baseChains names the base chains of a native table that have the same hook and
// priority in another, in the order of the dump: that is the kernel's where
// hook and priority are equal, and fixed otherwise.
func baseChains(t, other *ruleset.Table) (out []string) {
	for _, c := range t.Chains {
		if o := other.Chain(c.Name); c.Hook != "" && o != nil && o.Hook == c.Hook {
			out = append(out, c.Name)
		}
	}
	return out
}

// inBoth returns what two lists have in common, in the order of each.
func inBoth[T comparable](a, b []T) ([]T, []T) {
	return slices.DeleteFunc(slices.Clone(a), func(v T) bool { return !slices.Contains(b, v) }),
		slices.DeleteFunc(slices.Clone(b), func(v T) bool { return !slices.Contains(a, v) })
}
