package packets

import "slices"

// runs tells apart the rules of a run, neighbours in the table filter that do
// the same. The diagrams take them for one: a leaf for each of thousands of
// rules would be a copy each of all that is asked below it.
type runs struct {
	// arrives is where packets of each leaf come to the table filter from.
	arrives []slice
	at      place
	known   map[*condition]node
}

// mostWays is how many ways to change a packet before the table filter are
// followed back, mostRules how many rules of a run are told as regions each.
const mostWays, mostRules = 16, 32

// runsOf prepares for one side; nil where a run's rules cannot be told apart
// so: where the table filter itself changes packets, or too much happens
// before.
func (d *differ) runsOf(p *program, j Journey, domain node) *runs {
	if j == Forward && d.u.redirects() {
		return nil // there are two chains of the table filter
	}
	r := &runs{known: map[*condition]node{}}
	f := d.choose(domain, passOn, d.leafNode(leaf{kind: ends, final: nowhere}))
	for _, s := range p.stages(j) {
		if s.table == "filter" {
			r.at = s.place
			break
		}
		f = d.then(f, d.stageNode(&s))
	}
	for _, t := range p.list {
		if t.name != "filter" {
			continue
		}
		for _, c := range t.list {
			for i := range c.rules {
				if e := &c.rules[i].action.effect; *e != noEffect {
					var changed [fields]bool
					if d.u.changed(&changed, e); changed != [fields]bool{} {
						return nil
					}
				}
			}
		}
	}
	for _, l := range append(d.open(f), passOn) {
		if len(r.arrives) == mostWays {
			return nil
		}
		r.arrives = append(r.arrives, slice{l, d.is(f, l)})
	}
	return r
}

// fits is where packets come from that fit a condition in the table filter.
func (d *differ) fitsFrom(r *runs, c *condition) node {
	if n, ok := r.known[c]; ok {
		return n
	}
	f, n := d.fits(c, r.at), falseNode
	for _, a := range r.arrives {
		n = d.or(n, d.and(a.where, d.preimage(f, a.leaf)))
	}
	n = d.arriving(n)
	r.known[c] = n
	return n
}

// hidden are the fields of what happened on the way.
var hidden = []field{fieldNotrack, fieldTemplate, fieldTranslation, fieldSource, fieldMarkMade, fieldConnmarkMade}

// preimage is where packets come from that are in g after a change.
func (b *builder) preimage(g, first node) node {
	if g.leaf() || first == passOn {
		return g
	}
	if r, ok := b.lookup(opPreimage, g, first, 0); ok {
		return r
	}
	br := b.nodes[g]
	v, changed := b.change(b.leafAt(first).effect).to[br.level]
	if !changed {
		v = b.variable(br.level)
	}
	lo := b.preimage(br.lo, first)
	return b.remember(opPreimage, g, first, 0, b.choose(v, b.preimage(br.hi, first), lo))
}

// refine splits a part by the rules of the run that decides on one side.
func (d *differ) refine(r *runs, p *part, new bool) []*part {
	by := &p.oldBy
	if new {
		by = &p.newBy
	}
	if r == nil || len(*by) != 1 {
		return []*part{p}
	}
	x := d.deciders[(*by)[0]]
	if x.rule == nil || x.chain.table.name != "filter" {
		return []*part{p}
	}
	var ids []int32
	var where []node
	rest := p.where
	near := d.close.of(x.chain, r.at)
	first, _ := slices.BinarySearch(near, x.rule.index)
	for _, i := range near[first:] {
		ru := &x.chain.rules[i]
		if rest == falseNode || ru.run != x.rule.run {
			break
		}
		if hit := d.and(rest, d.fitsFrom(r, ru.fits)); hit != falseNode {
			ids, where = append(ids, d.decider(x.chain, ru)), append(where, hit)
			rest = d.less(rest, hit)
		}
	}
	if len(ids) == 0 {
		return []*part{p}
	}
	if len(ids) > mostRules || rest != falseNode {
		*by, p.first = ids, where[0]
		return []*part{p}
	}
	var out []*part
	for i := range ids {
		q := *p
		q.where, q.first = where[i], where[i]
		if n := d.and(p.first, where[i]); n != falseNode {
			q.first = n
		}
		if new {
			q.newBy = []int32{ids[i]}
		} else {
			q.oldBy = []int32{ids[i]}
		}
		out = append(out, &q)
	}
	return out
}
