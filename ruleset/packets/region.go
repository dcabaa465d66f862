package packets

import (
	"cmp"
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// Change says what became of a region's packets.
type Change string

// The changes.
const (
	Allowed Change = "allowed"
	Blocked Change = "blocked"
	Other   Change = "other" // another answer, translation or mark
)

var changeOrder = []Change{Allowed, Blocked, Other}

// Region is a set of packets that two snapshots treat in two ways.
type Region struct {
	Journey  Journey
	Family   ruleset.Family
	Change   Change
	Old, New Outcome
	// Boxes are the packets, exactly; a packet may be in several. More are
	// left out where Options bound them: then Cut is true.
	Boxes []Box
	Cut   bool
	// OldRules and NewRules decide on each side, that of Example first.
	OldRules, NewRules []Step
	// Example is one of the packets.
	Example Packet
}

// Words returns the region in one line: "tcp  any → 192.0.2.5:8800  in eth0".
func (r *Region) Words() string { return boxesWords(r.Boxes, r.Cut) }

// Conditions returns the unknowns that the region depends on.
func (r *Region) Conditions() []Condition {
	var out []Condition
	for _, b := range r.Boxes {
		for _, c := range b.Conditions {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// part is a region in the making.
type part struct {
	where    node
	old, new Outcome
	oldBy    []int32
	newBy    []int32
}

// regions returns where the two sides differ, by outcomes and deciding rules.
func (d *differ) regions(j Journey, differs node) ([]Region, bool) {
	f, g := d.journey(d.old, j, differs), d.journey(d.new, j, differs)
	pairs := map[[2]node]node{}
	parts := d.parts(f, g, differs, pairs)
	parts = d.merge(parts)
	regions := make([]Region, 0, len(parts))
	slices.SortStableFunc(parts, func(a, b *part) int {
		return cmp.Or(slices.Index(changeOrder, kindOf(a))-slices.Index(changeOrder, kindOf(b)),
			d.compareSteps(a.newBy, b.newBy), d.compareSteps(a.oldBy, b.oldBy),
			cmp.Compare(a.old.String(), b.old.String()), cmp.Compare(a.new.String(), b.new.String()))
	})
	cut := len(parts) > d.opts.MaxRegions
	if cut {
		parts = parts[:d.opts.MaxRegions]
	}
	domain := d.domain(possible(j, d.u.v6, d.old.native || d.new.native, d.stateful))
	for _, p := range parts {
		r := Region{Journey: j, Family: d.new.family, Change: kindOf(p), Old: p.old, New: p.new}
		r.OldRules, r.NewRules = d.steps(p.oldBy), d.steps(p.newBy)
		r.Boxes, r.Cut = d.boxes(p.where, domain)
		r.Example = d.example(j, p.where)
		regions = append(regions, r)
	}
	return regions, cut
}

func kindOf(p *part) Change {
	switch {
	case p.old.Passes() == p.new.Passes():
		return Other
	case p.new.Passes():
		return Allowed
	}
	return Blocked
}

// parts finds the pairs of leaves that packets of a domain end in, and where.
func (d *differ) parts(f, g, domain node, pairs map[[2]node]node) []*part {
	for _, x := range d.endings(f) {
		in := d.and(d.is(f, x), domain)
		if in == falseNode {
			continue
		}
		for _, y := range d.endings(g) {
			if both := d.and(in, d.is(g, y)); both != falseNode && d.and(both, d.marksDiffer(d.leafAt(x), d.leafAt(y))) != falseNode {
				pairs[[2]node{x, y}] = both
			}
		}
	}
	byKey := map[string]*part{}
	var out []*part
	keys := make([][2]node, 0, len(pairs))
	for k := range pairs {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [2]node) int { return cmp.Or(cmp.Compare(b[0], a[0]), cmp.Compare(b[1], a[1])) })
	for _, k := range keys {
		x, y := d.leafAt(k[0]), d.leafAt(k[1])
		if x.final == nowhere || y.final == nowhere {
			continue
		}
		p := &part{where: pairs[k], old: d.end(x), new: d.end(y)}
		over := d.differsBy(x, y)
		p.oldBy, p.newBy = d.by(x, over), d.by(y, over)
		key := p.old.String() + "\n" + p.new.String() + "\n" + idKey(p.oldBy) + idKey(p.newBy)
		if known := byKey[key]; known != nil {
			known.where = d.or(known.where, p.where)
			continue
		}
		byKey[key] = p
		out = append(out, p)
	}
	return out
}

func idKey(list []int32) string {
	s := "/"
	for _, n := range list {
		s += itoa(int(n)) + " "
	}
	return s
}

// end is the outcome that a leaf at a journey's end means.
func (d *differ) end(l *leaf) Outcome {
	v, with := l.final, l.with
	if l.kind != ends {
		v, with = Accept, ""
	}
	return d.u.outcome(v, with, d.effects[l.effect])
}

// differsBy says what two leaves differ in: the decider of that is told.
func (d *differ) differsBy(x, y *leaf) int {
	e, f := d.effects[x.effect], d.effects[y.effect]
	switch {
	case x.kind != y.kind || x.final != y.final || x.with != y.with:
		return byVerdict
	case e.translation != f.translation || e.source != f.source:
		return byTranslation
	}
	return byMark
}

func (d *differ) by(l *leaf, over int) []int32 {
	if l.by[over] != 0 {
		return []int32{l.by[over]}
	}
	if l.by[byVerdict] != 0 {
		return []int32{l.by[byVerdict]}
	}
	return nil
}

// endings returns the leaves of a diagram in a stable order.
func (d *differ) endings(f node) []node {
	seen := map[node]bool{}
	var out []node
	stack := []node{f}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		if n.leaf() {
			out = append(out, n)
			continue
		}
		stack = append(stack, d.nodes[n].hi, d.nodes[n].lo)
	}
	return out
}

// steps returns the rules of deciders.
func (d *differ) steps(by []int32) []Step {
	var out []Step
	for _, n := range by {
		out = append(out, d.deciders[n].step())
	}
	return out
}

func (x decider) step() Step {
	if x.rule != nil {
		return x.rule.step()
	}
	s := Step{Backend: x.chain.table.backend, Table: x.chain.table.name, Chain: x.chain.name, Text: "ACCEPT"}
	if x.chain.policy.kind == finish {
		s.Text = "DROP"
	}
	return s
}

func (d *differ) compareSteps(a, b []int32) int {
	return slices.CompareFunc(d.steps(a), d.steps(b), func(x, y Step) int {
		return cmp.Or(cmp.Compare(x.Table, y.Table), cmp.Compare(x.Chain, y.Chain), cmp.Compare(x.Index, y.Index))
	})
}

// few is how many regions may differ in one side's rule only before they are
// told as one.
const few = 4

// merge makes one region of many that share their outcomes and the rule that
// decides on one side.
func (d *differ) merge(parts []*part) []*part {
	for _, byNew := range []bool{true, false} {
		groups := map[string][]*part{}
		var order []string
		for _, p := range parts {
			own := p.newBy
			if !byNew {
				own = p.oldBy
			}
			key := p.old.String() + "\n" + p.new.String() + "\n" + idKey(own)
			if groups[key] == nil {
				order = append(order, key)
			}
			groups[key] = append(groups[key], p)
		}
		var out []*part
		for _, key := range order {
			g := groups[key]
			if len(g) <= few {
				out = append(out, g...)
				continue
			}
			one := *g[0]
			for _, p := range g[1:] {
				one.where = d.or(one.where, p.where)
				if byNew {
					one.oldBy = append(slices.Clone(one.oldBy), p.oldBy...)
				} else {
					one.newBy = append(slices.Clone(one.newBy), p.newBy...)
				}
			}
			out = append(out, &one)
		}
		parts = out
	}
	return parts
}
