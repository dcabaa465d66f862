package packets

import "slices"

// part is a region in the making: those of a group that one rule decides over
// on each side, or several.
type part struct {
	*group
	// where are its packets, first those that the first rules decide over.
	where, first node
	some         []node // of where, in pieces
	oldBy, newBy []int32
	boxes        []Box // as far as known
	cut          bool
	// rate is what the packets' fate depends on where a match took another's
	// place, nil elsewhere. where are those of whole for which just one of the two
	// holds; half those for which it is the new one, if newHolds says so, or the
	// former one.
	rate        *rate
	whole, half node
	newHolds    bool
}

// parts finds the rules that decide over the packets of groups, on both sides.
func (d *differ) parts(j Journey, groups []*group) []*part {
	var out []*part
	care, cares := d.care, d.cares[0]
	for _, what := range []asking{askVerdict, askChange} {
		domain, label := falseNode, falseNode
		for _, g := range groups {
			if (g.over == byVerdict) == (what == askVerdict) {
				domain = d.or(domain, g.where)
				label = d.choose(g.where, d.leafNode(leaf{kind: paired, by: [4]int32{int32(g.over), 0, int32(g.index)}}), label)
			}
		}
		if domain == falseNode {
			continue
		}
		near := d.narrowed(care, domain)
		d.ask(askOutcome, near, cares)
		old, new := d.runsOf(d.old, j, domain), d.runsOf(d.new, j, domain)
		d.inRuns = old != nil && new != nil
		d.ask(what, near, cares)
		f, g := d.journey(d.old, j, domain), d.journey(d.new, j, domain)
		for _, at := range d.split(d.join(f, g, label), anyLeaf) {
			by := d.leafAt(at.leaf).by
			p := &part{group: groups[by[2]], where: at.where, first: at.where}
			p.oldBy, p.newBy = decidersOf(by[0]), decidersOf(by[1])
			if what != askVerdict || !d.inRuns {
				out = append(out, p)
				continue
			}
			for _, q := range d.refine(old, p, false) {
				out = append(out, d.refine(new, q, true)...)
			}
		}
	}
	d.asking, d.chains = askOutcome, map[chainKey]node{}
	return out
}

func decidersOf(n int32) []int32 {
	if n == 0 || n == byNobody {
		return nil
	}
	return []int32{n}
}

// join is the diagram of the deciders on both sides and the group.
func (d *differ) join(f, g, label node) node {
	if label == falseNode {
		return falseNode
	}
	if f.leaf() && g.leaf() && label.leaf() {
		by := d.leafAt(label).by
		return d.leafNode(leaf{kind: paired, by: [4]int32{d.leafAt(f).by[by[0]], d.leafAt(g).by[by[0]], by[2]}})
	}
	if r, ok := d.lookup(opJoin, f, g, label); ok {
		return r
	}
	level := min(d.level(f), d.level(g), d.level(label))
	f0, f1 := d.cofactors(f, level)
	g0, g1 := d.cofactors(g, level)
	l0, l1 := d.cofactors(label, level)
	lo := d.join(f0, g0, l0)
	return d.remember(opJoin, f, g, label, d.make(level, lo, d.join(f1, g1, l1)))
}

func idKey(list []int32) string {
	s := "/"
	for _, n := range list {
		s += itoa(int(n)) + " "
	}
	return s
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
			key := p.group.key + "\n" + idKey(own)
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
				one.oldBy, one.newBy = union(one.oldBy, p.oldBy), union(one.newBy, p.newBy)
			}
			out = append(out, &one)
		}
		parts = out
	}
	return parts
}

func union(a, b []int32) []int32 {
	out := slices.Clone(a)
	for _, n := range b {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// neighbours makes one region of two that the same rule decides over on one
// side, where that takes no more boxes than the longer of them.
func (d *differ) neighbours(parts []*part, domain node) []*part {
	if len(parts) > manyParts {
		return parts
	}
	var out []*part
	for _, p := range parts {
		p.boxes, p.cut = d.boxes(p.where, domain)
		if !d.absorb(out, p, domain) {
			out = append(out, p)
		}
	}
	return out
}

// manyParts is how many regions are too many to try to join them.
const manyParts = 64

func (d *differ) absorb(list []*part, p *part, domain node) bool {
	for _, o := range list {
		old, new := slices.Equal(o.oldBy, p.oldBy), slices.Equal(o.newBy, p.newBy)
		switch {
		case o.cut || p.cut:
			continue
		case o.group == p.group && (old || new):
		case o.kind == Blocked && p.kind == Blocked && o.plain == p.plain && old && new:
			// Where the packets would have gone matters less than that they go
			// nowhere.
		default:
			continue
		}
		where := d.or(o.where, p.where)
		boxes, cut := d.boxes(where, domain)
		if cut || len(boxes) > max(len(o.boxes), len(p.boxes)) {
			continue
		}
		if o.group != p.group {
			both := *o.group
			both.fates = append(slices.Clone(both.fates), p.fates...)
			o.group = &both
		}
		o.where, o.boxes = where, boxes
		o.oldBy, o.newBy = union(o.oldBy, p.oldBy), union(o.newBy, p.newBy)
		return true
	}
	return false
}
