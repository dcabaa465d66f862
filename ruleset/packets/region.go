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
	parts := d.parts(f, g)
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

// paired is the kind of a leaf that stands for two: by[0] and by[1].
const paired resultKind = 100

// pair is the diagram of the pairs of leaves that packets end in on both
// sides, false where they end in one or nobody asks.
func (d *differ) pair(f, g node) node {
	if f == g {
		return falseNode
	}
	if f.leaf() && g.leaf() {
		x, y := d.leafAt(f), d.leafAt(g)
		if x.final == nowhere || y.final == nowhere || d.outcomesDiffer(x, y) == falseNode {
			return falseNode
		}
		return d.leafNode(leaf{kind: paired, by: [3]int32{int32(f), int32(g)}})
	}
	if r, ok := d.lookup(opPairs, f, g, 0); ok {
		return r
	}
	level := min(d.level(f), d.level(g))
	f0, f1 := d.cofactors(f, level)
	g0, g1 := d.cofactors(g, level)
	lo := d.pair(f0, g0)
	return d.remember(opPairs, f, g, 0, d.make(level, lo, d.pair(f1, g1)))
}

// split returns where a diagram ends in each of its leaves, in one walk.
func (d *differ) split(n node, memo map[node][]slice) []slice {
	if n == falseNode {
		return nil
	}
	if n.leaf() {
		return []slice{{n, trueNode}}
	}
	if s, ok := memo[n]; ok {
		return s
	}
	b := d.nodes[n]
	lo, hi := d.split(b.lo, memo), d.split(b.hi, memo)
	out := make([]slice, 0, max(len(lo), len(hi)))
	for len(lo) > 0 || len(hi) > 0 {
		switch {
		case len(hi) == 0 || len(lo) > 0 && lo[0].leaf > hi[0].leaf:
			out = append(out, slice{lo[0].leaf, d.make(b.level, lo[0].where, falseNode)})
			lo = lo[1:]
		case len(lo) == 0 || hi[0].leaf > lo[0].leaf:
			out = append(out, slice{hi[0].leaf, d.make(b.level, falseNode, hi[0].where)})
			hi = hi[1:]
		default:
			out = append(out, slice{lo[0].leaf, d.make(b.level, lo[0].where, hi[0].where)})
			lo, hi = lo[1:], hi[1:]
		}
	}
	memo[n] = out
	return out
}

// slice is where a diagram ends in a leaf.
type slice struct{ leaf, where node }

// parts finds the pairs of leaves that packets end in, and where.
func (d *differ) parts(f, g node) []*part {
	byKey := map[string]*part{}
	var out []*part
	for _, at := range d.split(d.pair(f, g), map[node][]slice{}) {
		pair := *d.leafAt(at.leaf)
		x, y := d.leafAt(node(pair.by[0])), d.leafAt(node(pair.by[1]))
		if d.and(at.where, d.marksDiffer(x, y)) == falseNode {
			continue
		}
		p := &part{where: at.where, old: d.end(x), new: d.end(y)}
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

// edited says whether the rule that decides on one side is one that is not on
// the other: what it makes of packets is one change, whatever they met before.
func (d *differ) edited(p *part, new bool) bool {
	by := p.oldBy
	if new {
		by = p.newBy
	}
	if len(by) != 1 {
		return false
	}
	x := d.deciders[by[0]]
	ca := d.names.of(x.chain)
	switch {
	case x.rule == nil:
		return ca.policy
	case new:
		return ca.new[x.rule.index]
	}
	return ca.old[x.rule.index]
}

// merge makes one region of many that share their outcomes and the changed
// rule that decides on one side.
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
			if len(g) <= few || !d.edited(g[0], byNew) {
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
