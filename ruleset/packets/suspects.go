package packets

import "slices"

// maxSuspects is how many reasons for packets to be suspect are held apart.
const maxSuspects = 1 << 15

// manySuspects is how many the jumps of one chain to another one may make of
// what changed there: where many lead to it, that is fewer for each.
const manySuspects = 1 << 11

// suspects are the packets that the two sides can treat in two ways, as they
// are when they come in: for each rule on one side only those that fit it,
// wherever it stands, or that a rule before it can make such packets of.
func (d *differ) suspects(way []passage) []node {
	var out []node
	for k := len(way) - 1; k >= 0; k-- {
		p := &way[k]
		for i := range out {
			out[i] = d.before(out[i], p)
		}
		for i := range p.old.chains {
			for _, n := range d.spot(p.old.chains[i], p.new.chains[i], p) {
				out = append(out, d.within(n, p))
			}
		}
	}
	return out
}

// spot is where a chain of one side and its like on the other can differ,
// at a hook, in what a packet is by then.
func (d *differ) spot(old, new *chain, p *passage) []node {
	at := p.place
	switch {
	case old == nil && new == nil:
		return nil
	case old == nil || new == nil:
		// The whole chain, but one that lets all packets pass is as good as none.
		c := old
		if c == nil {
			c = new
		}
		if c.policy.kind == finish {
			return []node{trueNode}
		}
		return d.anyRule(c, func(int) bool { return true }, at)
	}
	key := spotKey{old, new, at}
	if n, ok := d.spots[key]; ok {
		return n
	}
	ca := d.names.of(new)
	list := d.anyRule(old, func(i int) bool { return ca.old[i] }, at)
	list = append(list, d.anyRule(new, func(i int) bool { return ca.new[i] }, at)...)
	if old.base && old.policy.kind != new.policy.kind {
		list = []node{trueNode}
	}
	led := map[string]int{} // how many rules lead to a chain
	for j := range new.rules {
		led[new.rules[j].action.chain]++
	}
	i := 0
	for j := range new.rules {
		if ca.new[j] {
			continue
		}
		for ca.old[i] {
			i++
		}
		x, y := &old.rules[i], &new.rules[j]
		i++
		most := max(1, manySuspects/led[y.action.chain])
		if list = append(list, d.pairSpot(x, y, p, most)...); len(list) > maxSuspects {
			list = d.lumped(list, manySuspects)
		}
	}
	d.spots[key] = list
	return list
}

// anyRule is where each of the chosen rules of a chain fits.
func (d *differ) anyRule(c *chain, chosen func(int) bool, at place) []node {
	var list []node
	for i := range c.rules {
		if chosen(i) {
			list = append(list, d.fits(c.rules[i].fits, at))
		}
	}
	return list
}

// lumped joins neighbours of a list that is longer than so many.
func (d *differ) lumped(list []node, most int) []node {
	if len(list) <= most {
		return list
	}
	var out []node
	for some := range slices.Chunk(list, (len(list)+most-1)/most) {
		out = append(out, d.orAll(some))
	}
	return out
}

// pairSpot is where a rule that stands on both sides can do different things,
// in no more than so many reasons if it is a jump.
func (d *differ) pairSpot(x, y *rule, p *passage, most int) []node {
	at := p.place
	var list []node
	if x.fits != y.fits {
		f, g := d.fits(x.fits, at), d.fits(y.fits, at)
		if n := d.or(d.less(f, g), d.less(g, f)); n != falseNode {
			list = append(list, n)
		}
	}
	if x.action.kind != y.action.kind || x.action.effect != y.action.effect {
		return append(list, d.fits(y.fits, at))
	}
	if k := y.action.kind; k == jump || k == jumpAway {
		inside := d.spot(x.chain.table.chains[x.action.chain], y.chain.table.chains[y.action.chain], p)
		if len(inside) == 0 {
			return list
		}
		// Rules inside may have changed what the jump asked for.
		led := d.within(d.fits(y.fits, at), p)
		for _, n := range d.lumped(inside, most) {
			if n = d.and(n, led); n != falseNode && !slices.Contains(list, n) {
				list = append(list, n)
			}
		}
	}
	return list
}
