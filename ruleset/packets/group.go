package packets

import (
	"slices"
	"strings"
)

// group is the packets whose fate changed in one way, of all that matters:
// where they get through on one side only, the verdicts and the new destination.
type group struct {
	// plain is the key without destinations.
	key, plain string
	kind       Change
	over       int // leaf.by: what decides
	index      int
	where      node
	fates      []fate
	// to are the destinations of those that pass, 0 for none.
	to int32
}

// fate is where packets of a group end in one pair of outcomes.
type fate struct {
	where    node
	old, new Outcome
	pair     node   // the leaf of both
	some     []node // of where, in pieces
}

// pair is the diagram of the pairs of leaves that packets end in on both
// sides, false where they end in one or nobody asks.
func (d *differ) pair(f, g node) node {
	if f == g {
		return falseNode
	}
	if f.leaf() && g.leaf() {
		x, y := d.leafAt(f), d.leafAt(g)
		// What arrives at this host on both sides is told of that journey.
		if x.final == nowhere || y.final == nowhere || x.arrived && y.arrived || d.outcomesDiffer(x, y) == falseNode {
			return falseNode
		}
		return d.leafNode(leaf{kind: paired, by: [4]int32{int32(f), int32(g)}})
	}
	if r, ok := d.lookup(opPair, f, g, 0); ok {
		return r
	}
	level := min(d.level(f), d.level(g))
	f0, f1 := d.cofactors(f, level)
	g0, g1 := d.cofactors(g, level)
	lo := d.pair(f0, g0)
	return d.remember(opPair, f, g, 0, d.make(level, lo, d.pair(f1, g1)))
}

// paired is the kind of a leaf that stands for two.
const paired resultKind = 100

// split returns where a diagram ends in each of its leaves that are asked for,
// in one walk.
func (b *builder) split(n node, asked func(leaf node) bool) []slice {
	memo := map[node][]slice{}
	var walk func(n node) []slice
	walk = func(n node) []slice {
		if n.leaf() {
			if n == falseNode || !asked(n) {
				return nil
			}
			return []slice{{n, trueNode}}
		}
		if s, ok := memo[n]; ok {
			return s
		}
		br := b.nodes[n]
		lo, hi := walk(br.lo), walk(br.hi)
		out := make([]slice, 0, max(len(lo), len(hi)))
		for len(lo) > 0 || len(hi) > 0 {
			switch {
			case len(hi) == 0 || len(lo) > 0 && lo[0].leaf > hi[0].leaf:
				out = append(out, slice{lo[0].leaf, b.make(br.level, lo[0].where, falseNode)})
				lo = lo[1:]
			case len(lo) == 0 || hi[0].leaf > lo[0].leaf:
				out = append(out, slice{hi[0].leaf, b.make(br.level, falseNode, hi[0].where)})
				hi = hi[1:]
			default:
				out = append(out, slice{lo[0].leaf, b.make(br.level, lo[0].where, hi[0].where)})
				lo, hi = lo[1:], hi[1:]
			}
		}
		memo[n] = out
		return out
	}
	return walk(n)
}

func anyLeaf(node) bool { return true }

// slice is where a diagram ends in a leaf.
type slice struct{ leaf, where node }

// groups finds the ways in which packets' fates changed.
func (d *differ) groups(f, g node) []*group {
	byKey := map[string]*group{}
	var out []*group
	for _, at := range d.split(d.pair(f, g), anyLeaf) {
		pair := *d.leafAt(at.leaf)
		x, y := d.leafAt(node(pair.by[0])), d.leafAt(node(pair.by[1]))
		if d.and(at.where, d.marksDiffer(x, y)) == falseNode {
			continue
		}
		fate := fate{where: at.where, old: d.end(x), new: d.end(y), pair: at.leaf}
		over := d.differsBy(x, y)
		key, to := groupKey(over, fate.old, fate.new), d.effects[x.effect].translation
		if fate.new.Passes() {
			to = d.effects[y.effect].translation
		}
		known := byKey[key]
		if known == nil {
			known = &group{key: key, plain: plainKey(fate.old, fate.new), kind: kindOf(fate.old, fate.new), over: over, to: to, where: falseNode}
			byKey[key], out = known, append(out, known)
		}
		known.where = d.or(known.where, fate.where)
		known.fates = append(known.fates, fate)
	}
	for i, g := range out {
		g.index = i
	}
	return out
}

// arrived joins the packets that have the address already which a DNAT gives
// with those that it does give it to, and returns what each joined group is
// part of.
func (d *differ) arrived(list []*group) map[*group]*group {
	into := map[*group]*group{}
	for _, g := range list {
		if g.over != byVerdict || g.to != 0 {
			continue
		}
		for _, o := range list {
			if o.over != byVerdict || o.to == 0 {
				continue
			}
			to := d.u.translations[o.to].text
			x, y := g.fates[0].old, g.fates[0].new
			if x.Passes() {
				x.Destination = to
			} else {
				y.Destination = to
			}
			if groupKey(byVerdict, x, y) != o.key || d.less(g.where, d.atHome(o.to)) != falseNode {
				continue
			}
			o.where, o.fates = d.or(o.where, g.where), append(o.fates, g.fates...)
			into[g] = o
			break
		}
	}
	return into
}

// atHome is the packets that a translation's rules leave as they are.
func (d *differ) atHome(k int32) node {
	n := falseNode
	for _, p := range []*program{d.old, d.new} {
		for _, t := range p.list {
			for _, c := range t.list {
				for i := range c.rules {
					r := &c.rules[i]
					if r.action.effect.translation != k {
						continue
					}
					if same := d.u.unchanged(&r.action.effect); same != nil {
						n = d.or(n, d.and(d.fits(same, tracked), d.fits(r.fits, tracked)))
					}
				}
			}
		}
	}
	return n
}

// groupKey is what packets of one region have in common.
func groupKey(over int, old, new Outcome) string {
	if over == byVerdict {
		return verdictKey(old) + " → " + verdictKey(new)
	}
	a, b := changed(old, new)
	return "changed " + verdictKey(old) + a + " → " + b
}

func verdictKey(o Outcome) string {
	return string(o.Verdict) + "|" + o.With + "|" + o.Destination
}

func plainKey(old, new Outcome) string {
	return string(old.Verdict) + "|" + old.With + " → " + string(new.Verdict) + "|" + new.With
}

// changed is what only one of two outcomes says.
func changed(old, new Outcome) (string, string) {
	x, y := old.extras(), new.extras()
	only := func(x, y []string) string {
		var out []string
		for _, s := range x {
			if !slices.Contains(y, s) {
				out = append(out, s)
			}
		}
		return strings.Join(out, ", ")
	}
	return only(x, y), only(y, x)
}

func kindOf(old, new Outcome) Change {
	switch {
	case old.Passes() == new.Passes():
		return Other
	case new.Passes():
		return Allowed
	}
	return Blocked
}

// end is the outcome that a leaf at a journey's end means.
func (d *differ) end(l *leaf) Outcome {
	v, with := l.final, l.with
	if l.kind != ends {
		v, with = Accept, ""
	}
	hops := 0
	if d.journeyNow == Forward && !l.arrived {
		hops = 1
	}
	return d.u.outcome(v, with, d.effects[l.effect], hops)
}

// differsBy says what two leaves differ in: the decider of that is told.
func (d *differ) differsBy(x, y *leaf) int {
	e, f := d.effects[x.effect], d.effects[y.effect]
	switch {
	case x.kind != y.kind || x.final != y.final || x.with != y.with:
		return byVerdict
	case e.translation != f.translation:
		return byTranslation
	case e.source != f.source:
		return bySource
	}
	return byMark
}
