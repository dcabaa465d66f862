package packets

import "slices"

// suspects is where the two sides can differ at all, in what a packet is when
// it comes in: the packets that a rule on one side only fits, wherever it
// stands, or that a rule before it can make such a packet of.
func (d *differ) suspects(j Journey) node {
	d.asking, d.care = askOutcome, trueNode
	d.close = &neighbours{known: map[madeKey]bool{}, changed: d.changedFields()}
	n := falseNode
	list := hooks[j]
	if j == Forward && d.u.redirects() {
		list = slices.Concat(list[:3], arrivals, list[3:])
	}
	old, new := d.old.stagesOf(list), d.new.stagesOf(list)
	for k := len(list) - 1; k >= 0; k-- {
		h := list[k]
		x, y := stageOf(old, h), stageOf(new, h)
		for i := range x.chains {
			n = d.or(n, d.spot(x.chains[i], y.chains[i], h.place))
		}
		// Rules of the same hook may have changed the packet before.
		if n != falseNode && n != trueNode {
			n = d.before(n, h, x, y)
		}
	}
	return n
}

// before is where packets come from that are in n at some rule of the stages of
// a hook or after them: n, and what rules there that change packets fit.
func (d *differ) before(n node, h hook, stages ...stage) node {
	var changed [fields]bool
	var makers []node
	for _, s := range stages {
		for _, c := range s.chains {
			if c == nil {
				continue
			}
			for _, c := range c.table.list {
				for i := range c.rules {
					r := &c.rules[i]
					if r.action.effect != noEffect {
						d.u.changed(&changed, &r.action.effect)
						makers = append(makers, d.fits(r.fits, h.place))
					}
				}
			}
		}
	}
	if len(makers) == 0 {
		return n
	}
	return d.or(n, d.and(d.forget(n, &changed), d.forget(d.orAll(makers), &changed)))
}

func stageOf(list []stage, h hook) stage {
	for _, s := range list {
		if s.hook == h {
			return s
		}
	}
	return stage{}
}

// immutable widens a diagram until it asks for nothing that rules may change
// on the way.
func (d *differ) immutable(n node) node {
	changed := d.changedFields()
	return d.forget(n, &changed)
}

// changedFields are what any rule of either side changes.
func (d *differ) changedFields() [fields]bool {
	var changed [fields]bool
	for _, p := range []*program{d.old, d.new} {
		for _, t := range p.list {
			for _, c := range t.list {
				for i := range c.rules {
					d.u.changed(&changed, &c.rules[i].action.effect)
				}
			}
		}
	}
	return changed
}

// forget widens a diagram until it asks for none of the fields, nor for what
// happened on the way.
func (d *differ) forget(n node, changed *[fields]bool) node {
	for _, f := range hidden {
		changed[f] = true
	}
	for f := range fields {
		if !changed[f] {
			continue
		}
		levels := d.fields[f].levels
		if k := len(levels); k > 0 && !f.bitwise() {
			n = d.exists(n, levels[0], levels[k-1])
			continue
		}
		for _, level := range levels { // those of the marks stand between one another
			n = d.exists(n, level, level)
		}
	}
	if len(d.u.translations) > 1 {
		// An unknown may be another one behind a translation.
		if k := len(d.atoms); k > 0 { // their levels are the last ones, in a row
			n = d.exists(n, d.atoms[0], d.atoms[k-1])
		}
	}
	return n
}

// changed notes the fields that an effect changes.
func (u *universe) changed(out *[fields]bool, e *effect) {
	if *e == noEffect {
		return
	}
	note := func(f field, yes bool) { out[f] = out[f] || yes }
	note(fieldMark, e.mark != keepMark)
	note(fieldConnmark, e.connmark != keepConnmark)
	note(fieldMarkMade, e.markMade || e.connmarkMade)
	note(fieldTOS, e.tosKeep != 255 || e.tosFlip != 0)
	note(fieldTTL, e.ttl != sameLifetime)
	if e.source != 0 {
		t := &u.sources[e.source]
		note(fieldSNAT, true)
		note(fieldSrc, t.to != nil)
		note(fieldSport, t.port != nil)
	}
	if e.translation != 0 {
		t := &u.translations[e.translation]
		note(fieldDst, t.to != nil || t.local)
		note(fieldDport, t.port != nil)
		note(fieldDNAT, true)
	}
}

// spot is where a chain of one side and its like on the other can differ,
// at a hook, in what a packet is by then.
func (d *differ) spot(old, new *chain, at place) node {
	switch {
	case old == nil && new == nil:
		return falseNode
	case old == nil || new == nil:
		// The whole chain, but one that lets all packets pass is as good as none.
		c := old
		if c == nil {
			c = new
		}
		if c.policy.kind == finish {
			d.close.all = true
			return trueNode
		}
		return d.anyRule(c, nil, at)
	}
	key := spotKey{old, new, at}
	if n, ok := d.spots[key]; ok {
		return n
	}
	ca := d.names.of(new)
	list := []node{d.anyRule(old, ca.old, at), d.anyRule(new, ca.new, at)}
	if old.base && old.policy.kind != new.policy.kind {
		d.close.all = true
		list = append(list, trueNode)
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
		if n := d.pairSpot(x, y, at); n != falseNode {
			list = append(list, n)
		}
	}
	n := d.orAll(list)
	d.spots[key] = n
	return n
}

// anyRule is where any of a chain's rules fits; of those at the places, if
// they are given.
func (d *differ) anyRule(c *chain, places map[int]bool, at place) node {
	var list []node
	for i := range c.rules {
		if places == nil || places[i] {
			d.close.add(c.rules[i].fits, at)
			list = append(list, d.fits(c.rules[i].fits, at))
		}
	}
	return d.orAll(list)
}

// pairSpot is where a rule that stands on both sides can do different things.
func (d *differ) pairSpot(x, y *rule, at place) node {
	n := falseNode
	if x.fits != y.fits {
		d.close.add(x.fits, at)
		d.close.add(y.fits, at)
		f, g := d.fits(x.fits, at), d.fits(y.fits, at)
		n = d.or(d.less(f, g), d.less(g, f))
	}
	if x.action.kind != y.action.kind || x.action.effect != y.action.effect {
		d.close.add(y.fits, at)
		return d.or(n, d.fits(y.fits, at))
	}
	if k := y.action.kind; k == jump || k == jumpAway {
		s := d.spot(x.chain.table.chains[x.action.chain], y.chain.table.chains[y.action.chain], at)
		if s != falseNode {
			n = d.or(n, d.and(s, d.fits(y.fits, at)))
		}
	}
	return n
}
