package apply

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// native merges a native nftables table. Such a table has one owner: one that
// only live has is foreign as a whole, one of ours is replaced as a whole. It
// returns live itself where the kernel's table is to stay untouched.
func (m *merger) native(base, ours, live *ruleset.Table) *ruleset.Table {
	switch {
	case live == nil:
		return ours
	case base == nil && ours == nil:
		f := Foreign{Kind: "table", Backend: live.Backend, Family: live.Family, Table: live.Name,
			Count: rules(live), KeptBy: m.voucher.table(live)}
		m.note(f)
		if f.KeptBy == "" {
			return nil
		}
		return live
	case ours != nil && !m.anew[keyOf(ours)] && sameTable(withoutDynamic(ours), withoutDynamic(live)):
		// Elements that come at run time stay where nothing else changes.
		if base == nil || sameTable(withoutDynamic(base), withoutDynamic(ours)) && sameElements(base, ours) {
			return live
		}
		return ours
	}
	m.nativeForeign(base, ours, live)
	return ours
}

// wholeNative is why nothing of others can stay in a native table of fwc's.
const wholeNative = "fwc replaces its native tables whole"

// nativeForeign lists what others put into a table of ours.
func (m *merger) nativeForeign(base, ours, live *ruleset.Table) {
	f := Foreign{Backend: live.Backend, Family: live.Family, Table: live.Name,
		Reason: wholeNative}
	for i := range live.Chains {
		c := &live.Chains[i]
		b, o := chainOf(base, c.Name), chainOf(ours, c.Name)
		g := f
		g.Chain = c.Name
		if b == nil && o == nil {
			g.Kind, g.Count = "chain", len(c.Rules)
			m.note(g)
			continue
		}
		quota := rulesOf(o)
		for text, n := range rulesOf(b) {
			quota[text] = max(quota[text], n)
		}
		for _, r := range c.Rules {
			if quota[r.Text]--; quota[r.Text] < 0 {
				g.Kind, g.Text = "rule", r.Text
				m.note(g)
			}
		}
	}
	for i := range live.Objects {
		l := &live.Objects[i]
		b, o := objectOf(base, l), objectOf(ours, l)
		g := f
		g.Set = l.Name
		if b == nil && o == nil {
			g.Kind, g.Count = "object", len(l.Elements)
			g.Text = l.Kind
			m.note(g)
			continue
		}
		if runtime(l) {
			continue
		}
		known := map[string]bool{}
		for _, s := range []*ruleset.Object{b, o} {
			if s != nil {
				for _, e := range s.Elements {
					known[e] = true
				}
			}
		}
		extra := slices.DeleteFunc(slices.Clone(l.Elements), func(e string) bool { return known[e] })
		if len(extra) > 0 {
			g.Kind, g.Count, g.Text = "elements", len(extra), firstOf(extra)
			m.note(g)
		}
	}
}

// runtime says whether a set or map gets elements from rules or loses them by
// time-out. See nft(8), "flags dynamic" and "timeout".
func runtime(o *ruleset.Object) bool {
	return strings.Contains(o.Text, "dynamic") || strings.Contains(o.Text, "timeout")
}

// withoutDynamic returns t without elements that come and go at run time.
func withoutDynamic(t *ruleset.Table) *ruleset.Table {
	out := *t
	out.Objects = slices.Clone(t.Objects)
	for i := range out.Objects {
		if runtime(&out.Objects[i]) {
			out.Objects[i].Elements = nil
		}
	}
	return &out
}

func sameElements(a, b *ruleset.Table) bool {
	for i := range a.Objects {
		if o := objectOf(b, &a.Objects[i]); o == nil || !slices.Equal(o.Elements, a.Objects[i].Elements) {
			return false
		}
	}
	return true
}

func objectOf(t *ruleset.Table, like *ruleset.Object) *ruleset.Object {
	if t == nil {
		return nil
	}
	for i := range t.Objects {
		if o := &t.Objects[i]; o.Kind == like.Kind && o.Name == like.Name {
			return o
		}
	}
	return nil
}

func rules(t *ruleset.Table) (n int) {
	for i := range t.Chains {
		n += len(t.Chains[i].Rules)
	}
	return n
}
