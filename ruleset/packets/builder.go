package packets

import "slices"

// builder makes diagrams of the conditions and chains of both sides.
type builder struct {
	*store
	*layout
	*terminals
	u *universe
	// unknownTo says that some translation's destination is not one address.
	unknownTo bool

	made       map[madeKey]node
	chains     map[chainKey]node
	changes    []change   // of effects, as far as computed
	meets      *condition // what nat tables are asked for
	conditions []*condition
	// ruled are those that rules have.
	ruled []*condition
	// care is where anything is asked for at all, at each place; nil for
	// everywhere.
	care map[place]node
	// cares are the rules' diagrams cut down to it, and to the last one.
	cares [2]map[madeKey]node
	// close are the rules that matter where care is; nil for all.
	close  *neighbours
	asking asking
	// filtered says that the journey passes a table filter, sourceSeen that
	// rules can see what a translated source is.
	filtered, sourceSeen bool
	// inRuns says that a run of rules in the table filter counts as its first.
	inRuns bool
}

type madeKey struct {
	c  *condition
	at place
}

// fits returns the diagram of a condition at a hook.
func (b *builder) fits(c *condition, at place) node {
	switch c.op {
	case always:
		return trueNode
	case never:
		return falseNode
	}
	key := madeKey{c, at}
	if n, ok := b.made[key]; ok {
		return n
	}
	n := b.fit(c, at)
	b.made[key] = n
	return n
}

func (b *builder) fit(c *condition, at place) node {
	switch c.op {
	case not:
		return b.not(b.fits(c.kids[0], at))
	case atomic:
		return b.atomFits(c.atom, at)
	case any_:
		list := make([]node, len(c.kids))
		for i, k := range c.kids {
			list[i] = b.fits(k, at)
		}
		return b.orAll(list)
	case all:
		// From the last level up each test is put on top of the rest.
		kids := slices.Clone(c.kids)
		slices.SortStableFunc(kids, func(x, y *condition) int { return int(y.field) - int(x.field) })
		n := trueNode
		for _, k := range kids {
			n = b.and(b.fits(k, at), n)
		}
		return n
	}
	return b.test(c, at)
}

func (b *builder) variable(level int32) node { return b.make(level, falseNode, trueNode) }

// test is the diagram of a test of one field.
func (b *builder) test(c *condition, at place) node {
	f := &b.fields[c.field]
	constant := func(v value) node {
		if c.set.contains(v) {
			return trueNode
		}
		return falseNode
	}
	if c.op == masked {
		return b.translated(c, f.encodeBits(b.store, c.want, c.mask, trueNode, falseNode), at)
	}
	set := c.set
	switch c.field {
	case fieldIn:
		if !at.in {
			return constant(value{})
		}
	case fieldOut:
		if !at.out {
			return constant(value{})
		}
	case fieldMAC:
		if !at.in {
			return falseNode
		}
	case fieldTTL:
		set = shiftTTL(set, at.ttl)
	case fieldState:
		n := constant(number(stateInvalid))
		if at.tracked {
			n = f.encode(b.store, set, c.field.limit(b.v6), trueNode, falseNode)
		} else if g := &b.fields[fieldTemplate]; g.used {
			n = b.make2(g.levels[0], n, constant(number(stateNew)))
		}
		if g := &b.fields[fieldNotrack]; g.used {
			n = b.make2(g.levels[0], n, constant(number(stateUntracked)))
		}
		return n
	}
	return b.translated(c, f.encode(b.store, set, c.field.limit(b.v6), trueNode, falseNode), at)
}

// make2 is make where lo and hi may ask for earlier levels.
func (b *builder) make2(level int32, lo, hi node) node {
	return b.choose(b.variable(level), hi, lo)
}

// translated makes a test of a destination that nobody knows after its
// translation an unknown.
func (b *builder) translated(c *condition, n node, at place) node {
	if g := &b.fields[fieldSource]; at.sourced && g.used {
		for k := range b.u.sources {
			then := falseNode
			switch told := b.u.sourceTest(c, k); told.op {
			case never:
			case always:
				then = trueNode
			case atomic:
				then = b.variable(b.atoms[b.u.atomIndex[told.atom]])
			default:
				continue
			}
			n = b.choose(g.encode(b.store, one(number(uint64(k))), fieldSource.limit(b.v6), trueNode, falseNode), then, n)
		}
	}
	g := &b.fields[fieldTranslation]
	if !at.behind || !g.used || !b.unknownTo || c.field != fieldDst && c.field != fieldDport {
		return n
	}
	for k := range b.u.translations {
		told := b.u.behindTest(c, k)
		then := falseNode
		switch told.op {
		case never:
		case always:
			then = trueNode
		case atomic:
			then = b.variable(b.atoms[b.u.atomIndex[told.atom]])
		case inSet:
			then = b.fields[fieldDst].encode(b.store, told.set, fieldDst.limit(b.v6), trueNode, falseNode)
		default:
			continue
		}
		here := g.encode(b.store, one(number(uint64(k))), fieldTranslation.limit(b.v6), trueNode, falseNode)
		n = b.choose(here, then, n)
	}
	return n
}

// atomFits is the diagram of an unknown, which behind a translation is
// another one if it looks at the destination.
func (b *builder) atomFits(a int, at place) node {
	n := b.variable(b.atoms[a])
	g := &b.fields[fieldTranslation]
	if !at.behind || !g.used || !b.u.readsDst[a] {
		return n
	}
	for k := 1; k < len(b.u.translations); k++ {
		here := g.encode(b.store, one(number(uint64(k))), fieldTranslation.limit(b.v6), trueNode, falseNode)
		other := b.u.atomIndex[b.u.behind(b.u.atoms[a], k)]
		n = b.choose(here, b.variable(b.atoms[other]), n)
	}
	return n
}
