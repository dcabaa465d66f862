package ruleset

import "strings"

// Diff returns what turns old into new, nil when nothing does. A nil snapshot
// is an empty one.
//
// The order is the snapshots' own: tables, then ipsets, then sysctls; in a
// table its objects and chains; in a chain the policy and then the rules from
// the first to the last, a removed rule before what stands in its place. What
// is only in old follows what is in new.
//
// Rules are matched by their text. Of the rules on both sides the fewest
// possible are Moved. A removed and an added rule between the same unmoved
// neighbours that are evidently one rule edited become one Changed. The order
// of the chains of a table, of tables and of ipsets has no meaning and gives
// no Change.
//
// A table or chain that is on one side only is listed with all it holds. The
// list is complete: a reader who drops the rules whose OldIndex it names, puts
// those with a NewIndex at that place, and fills the rest with the others in
// their order has the new chain.
//
// The time is O(n log n) in the number of rules; the texts may be hostile.
func Diff(old, new *Snapshot) []Change {
	if old == new {
		return nil
	}
	var empty Snapshot
	if old == nil {
		old = &empty
	}
	if new == nil {
		new = &empty
	}
	var d differ
	match(old.Tables, new.Tables, tableKey, d.table)
	match(old.Sets, new.Sets, func(s *Set) string { return s.Name }, d.set)
	match(old.Sysctls, new.Sysctls, func(s *Sysctl) string { return s.Key }, d.sysctl)
	return d.changes
}

type differ struct {
	changes []Change
	// at is the place that every added change gets: table and chain.
	at Change
}

type tableID struct {
	family  Family
	backend Backend
	name    string
	native  bool
}

func tableKey(t *Table) tableID { return tableID{t.Family, t.Backend, t.Name, t.Native} }

// match calls visit for each pair of equal key, and with nil for one that has
// no partner: in the order of b, then what is left of a in its own. Equal keys
// on one side, which no parser lets through, pair up in order.
func match[T any, K comparable](a, b []T, key func(*T) K, visit func(a, b *T)) {
	rest := make(map[K][]int, len(a))
	for i := range a {
		k := key(&a[i])
		rest[k] = append(rest[k], i)
	}
	used := make([]bool, len(a))
	for i := range b {
		k := key(&b[i])
		if q := rest[k]; len(q) > 0 {
			rest[k], used[q[0]] = q[1:], true
			visit(&a[q[0]], &b[i])
			continue
		}
		visit(nil, &b[i])
	}
	for i := range a {
		if !used[i] {
			visit(&a[i], nil)
		}
	}
}

// add appends a change of the present place.
func (d *differ) add(c Change) {
	c.Family, c.Backend, c.Table, c.Native = d.at.Family, d.at.Backend, d.at.Table, d.at.Native
	if c.Chain == "" {
		c.Chain = d.at.Chain
	}
	d.changes = append(d.changes, c)
}

// text adds a change between two texts of which "" means absent.
func (d *differ) text(subject Subject, object, old, new string, place Change) {
	if old == new {
		return
	}
	place.Subject, place.Object, place.Old, place.New = subject, object, old, new
	place.Kind = kindOf(old != "", new != "")
	d.add(place)
}

func kindOf(old, new bool) ChangeKind {
	switch {
	case !old:
		return Added
	case !new:
		return Removed
	}
	return Changed
}

func (d *differ) table(a, b *Table) {
	var zero Table
	t := b
	if t == nil {
		t = a
	}
	d.at = Change{Family: t.Family, Backend: t.Backend, Table: t.Name, Native: t.Native}
	defer func() { d.at = Change{} }()
	if a == nil || b == nil {
		c := Change{Subject: SubjectTable, Kind: kindOf(a != nil, b != nil)}
		if a == nil {
			a, c.New = &zero, t.Name
		} else {
			b, c.Old = &zero, t.Name
		}
		d.add(c)
	}
	d.text(SubjectFlags, "", a.Flags, b.Flags, Change{})
	match(a.Objects, b.Objects, func(o *Object) [2]string { return [2]string{o.Kind, o.Name} }, d.object)
	match(a.Chains, b.Chains, func(c *Chain) string { return c.Name }, d.chain)
}

func (d *differ) object(a, b *Object) {
	var zero Object
	o := b
	if o == nil {
		o = a
	}
	name := o.Kind + " " + o.Name
	c := Change{Subject: SubjectObject, Object: name, Kind: kindOf(a != nil, b != nil)}
	if a == nil {
		a = &zero
	}
	if b == nil {
		b = &zero
	}
	c.Old, c.New = a.Text, b.Text
	if c.Kind != Changed || c.Old != c.New {
		d.add(c)
	}
	d.unordered(SubjectElement, name, a.Elements, b.Elements, elementKey, Change{})
}

func (d *differ) chain(a, b *Chain) {
	var zero Chain
	c := b
	if c == nil {
		c = a
	}
	d.at.Chain = c.Name
	defer func() { d.at.Chain = "" }()
	if a == nil || b == nil {
		place := Change{Subject: SubjectChain, Kind: kindOf(a != nil, b != nil), Line: c.Line}
		if a == nil {
			a, place.New = &zero, c.Declaration(d.at.Native)
		} else {
			b, place.Old, place.OldLine = &zero, c.Declaration(d.at.Native), c.Line
		}
		d.add(place)
	} else {
		place := Change{Line: b.Line, OldLine: a.Line}
		d.text(SubjectHook, "", a.Hook, b.Hook, place)
		place.Source, place.OldSource = b.PolicySource, a.PolicySource
		d.text(SubjectPolicy, "", a.Policy, b.Policy, place)
	}
	d.rules(a.Rules, b.Rules)
}

func (d *differ) sysctl(a, b *Sysctl) {
	c := Change{Subject: SubjectSysctl, Kind: kindOf(a != nil, b != nil)}
	if a != nil {
		c.Object, c.Old = a.Key, a.Value
	}
	if b != nil {
		c.Object, c.New = b.Key, b.Value
	}
	if c.Kind != Changed || c.Old != c.New {
		d.add(c)
	}
}

func (d *differ) set(a, b *Set) {
	var zero Set
	c := Change{Subject: SubjectSet, Kind: kindOf(a != nil, b != nil)}
	if a == nil {
		a = &zero
	} else {
		c.Object, c.Old = a.Name, strings.TrimSpace(a.Type+" "+a.Options)
		c.OldLine, c.OldSource, c.Line, c.Source = a.Line, a.Source, a.Line, a.Source
	}
	if b == nil {
		b = &zero
	} else {
		c.Object, c.New = b.Name, strings.TrimSpace(b.Type+" "+b.Options)
		c.Line, c.Source = b.Line, b.Source
	}
	if c.Kind != Changed || c.Old != c.New {
		d.add(c)
	}
	place := Change{Line: c.Line, OldLine: c.OldLine, Source: c.Source, OldSource: c.OldSource}
	if a.Type == listSet || b.Type == listSet {
		d.ordered(c.Object, a.Members, b.Members, place)
		return
	}
	d.unordered(SubjectMember, c.Object, a.Members, b.Members, memberKey, place)
}

// listSet is the one ipset type whose members have an order that counts: the
// kernel tries them from the first to the last. See ipset(8).
const listSet = "list:set"
