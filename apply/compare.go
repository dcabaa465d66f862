package apply

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// settled returns s without what makes no difference to a packet and that the
// kernel does not reproduce: xtables tables with nothing in them, elements that
// native sets get at run time, the size of an ipset's hash, and the time that
// its members have left.
func settled(s *ruleset.Snapshot) *ruleset.Snapshot {
	out := *s
	out.Tables = slices.DeleteFunc(slices.Clone(s.Tables), func(t ruleset.Table) bool { return nothing(&t) })
	for i := range out.Tables {
		if t := &out.Tables[i]; t.Native {
			*t = *withoutDynamic(t)
		}
	}
	out.Sets = slices.Clone(s.Sets)
	for i := range out.Sets {
		set := &out.Sets[i]
		set.Options = shape(set)
		if !strings.Contains(set.Options, "timeout") {
			continue
		}
		set.Members = slices.Clone(set.Members)
		for k, member := range set.Members {
			set.Members[k] = memberKey(member)
		}
		slices.Sort(set.Members)
	}
	return &out
}

// shape returns a set's options without the size of its hash, which grows with
// the members and never shrinks.
func shape(s *ruleset.Set) string {
	f := strings.Fields(s.Options)
	for i := 0; i+1 < len(f); i++ {
		if f[i] == "hashsize" {
			return strings.Join(slices.Delete(f, i, i+2), " ")
		}
	}
	return strings.Join(f, " ")
}

// unlike returns two snapshots, settled, without what both have.
func unlike(a, b *ruleset.Snapshot) (*ruleset.Snapshot, *ruleset.Snapshot) {
	a, b = settled(a), settled(b)
	tables, sets := map[tableKey]bool{}, map[string]bool{}
	for i := range a.Tables {
		if t := &a.Tables[i]; tableOf(b, keyOf(t)) != nil && sameTable(t, tableOf(b, keyOf(t))) {
			tables[keyOf(t)] = true
		}
	}
	for i := range a.Sets {
		s := &a.Sets[i]
		if o := setOf(b, s.Name); o != nil && s.Type == o.Type && s.Options == o.Options && slices.Equal(s.Members, o.Members) {
			sets[s.Name] = true
		}
	}
	for _, s := range []*ruleset.Snapshot{a, b} {
		s.Tables = slices.DeleteFunc(s.Tables, func(t ruleset.Table) bool { return tables[keyOf(&t)] })
		s.Sets = slices.DeleteFunc(s.Sets, func(s ruleset.Set) bool { return sets[s.Name] })
	}
	return a, b
}

// alike says whether two snapshots have the same content, whatever order their
// native tables were made in.
func alike(a, b *ruleset.Snapshot) bool {
	x, y := unlike(a, b)
	return len(x.Tables)+len(y.Tables)+len(x.Sets)+len(y.Sets) == 0 && slices.Equal(x.Sysctls, y.Sysctls)
}

// changes returns what turns one snapshot into another, with changes of the
// order in which those native tables run that in names.
func changes(from, to *ruleset.Snapshot, in func(tableKey) bool) ([]ruleset.Change, error) {
	order, err := moved(from, to, in)
	if err != nil {
		return nil, err
	}
	return append(ruleset.Diff(unlike(from, to)), order...), nil
}

func all(tableKey) bool { return true }

// same says whether two snapshots are one firewall.
func same(a, b *ruleset.Snapshot) bool {
	return a == b || alike(a, b) && equal("", a, b, all) == nil
}

// equal returns an error that names the first difference between two
// firewalls. Of the native tables that in names order and text count too: the
// model has neither whole.
func equal(what string, want, got *ruleset.Snapshot, in func(tableKey) bool) error {
	list, err := changes(want, got, in)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return fmt.Errorf("%s is not what was wanted, in %s: %s", what, count(len(list), "place"), describe(&list[0]))
	}
	a, b := want.Dump(ruleset.NFTables, ruleset.NFT), got.Dump(ruleset.NFTables, ruleset.NFT)
	if a == nil || b == nil || slices.Equal(a.Text, b.Text) {
		return nil
	}
	wanted, err := nativeTexts(want, in)
	if err != nil {
		return err
	}
	texts, err := nativeTexts(got, in)
	if err != nil {
		return err
	}
	for k := range wanted {
		if wanted[k] != texts[k] {
			return fmt.Errorf("%s is not what was wanted: the text of nft table %s %s is another", what, k.Family, k.Name)
		}
	}
	return nil
}

// nativeTexts returns the canonical text of each native table that in names,
// without elements that come and go at run time.
func nativeTexts(s *ruleset.Snapshot, in func(tableKey) bool) (map[tableKey]string, error) {
	text := map[tableKey]*strings.Builder{}
	err := eachNative(s, func(k tableKey, kind, name string, raw json.RawMessage) {
		if !in(k) || kind == "element" && atRunTime(tableOf(s, k), name) {
			return
		}
		if text[k] == nil {
			text[k] = new(strings.Builder)
		}
		text[k].Write(raw)
		text[k].WriteByte('\n')
	})
	out := map[tableKey]string{}
	for k := range maps.Keys(text) {
		out[k] = text[k].String()
	}
	return out, err
}

func atRunTime(t *ruleset.Table, set string) bool {
	return t != nil && slices.ContainsFunc(t.Objects, func(o ruleset.Object) bool { return o.Name == set && runtime(&o) })
}

// sameTable says whether two tables are alike in all that the model has: chains
// of equal hook and priority in their order, rules in theirs, objects and
// elements in any.
func sameTable(a, b *ruleset.Table) bool {
	if a == b {
		return true
	}
	if a.Flags != b.Flags || len(a.Chains) != len(b.Chains) || len(a.Objects) != len(b.Objects) {
		return false
	}
	for i := range a.Chains {
		if x := &a.Chains[i]; !sameChain(x, chainAt(b, i, x.Name)) {
			return false
		}
	}
	for i := range a.Objects {
		x := &a.Objects[i]
		y := objectOf(b, x)
		if y == nil || x.Text != y.Text || !sameTexts(x.Elements, y.Elements) {
			return false
		}
	}
	return !a.Native || slices.Equal(baseChains(a, b), baseChains(b, a))
}

// chainAt is Table.Chain for one that is probably at i.
func chainAt(t *ruleset.Table, i int, name string) *ruleset.Chain {
	if t.Chains[i].Name == name {
		return &t.Chains[i]
	}
	return t.Chain(name)
}

func sameChain(a, b *ruleset.Chain) bool {
	return b != nil && a.Hook == b.Hook && a.Policy == b.Policy &&
		slices.EqualFunc(a.Rules, b.Rules, func(x, y ruleset.Rule) bool { return x.Text == y.Text })
}

func sameTexts(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	return slices.Equal(a, b) || slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// describe puts a change in words.
func describe(c *ruleset.Change) string {
	where := ""
	if c.Table != "" {
		where = fmt.Sprintf("%s table %s %s: ", c.Backend, c.Family, c.Table)
	}
	text := c.New
	switch {
	case c.Kind == ruleset.Changed:
		text = fmt.Sprintf("%q became %q", c.Old, c.New)
	case text == "":
		text = c.Old
	}
	name := c.Object
	if name == "" {
		name = c.Chain
	}
	return fmt.Sprintf("%s%s %s %s: %s", where, c.Kind, c.Subject, name, text)
}
