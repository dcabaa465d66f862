package packets

type chainKey struct {
	c  *chain
	at place
}

// Names of conversions for the cache.
const (
	toReturn node = iota
	toCall
	toNext
	toTranslated
	toSettled
	toHost
	toArrived
)

// passAll and the like say how a chain ends.
func (b *builder) chainNode(c *chain, at place) node {
	key := chainKey{c, at}
	if n, ok := b.chains[key]; ok {
		return n
	}
	n := b.rules(c, at)
	b.chains[key] = n
	return n
}

// rules puts a chain's rules in sequence. Neighbours that do the same are one
// rule that fits what any of them does, while nobody asks which it was.
func (b *builder) rules(c *chain, at place) node {
	var parts []node
	near := b.close.of(c, at)
	idle := b.idle(c, near, at)
	for k := 0; k < len(near); k++ {
		i := near[k]
		r := &c.rules[i]
		if idle[i] {
			continue
		}
		fits := b.cared(r.fits, at)
		if fits == falseNode {
			continue
		}
		if !b.joins(r) {
			parts = append(parts, b.ruleNode(r, fits, at))
			continue
		}
		same := []node{fits}
		for k+1 < len(near) && c.rules[near[k+1]].run == r.run {
			k++
			if idle[near[k]] {
				continue
			}
			if fits := b.cared(c.rules[near[k]].fits, at); fits != falseNode {
				same = append(same, fits)
			}
		}
		parts = append(parts, b.ruleNode(r, b.orAll(same), at))
	}
	return b.inSequence(parts)
}

// cared is a rule's diagram as far as anybody cares. A closer look is part of
// the one before.
func (b *builder) cared(c *condition, at place) node {
	key := madeKey{c, at}
	if n, ok := b.cares[0][key]; ok {
		return n
	}
	n, ok := b.cares[1][key]
	if !ok {
		n = b.fits(c, at)
	}
	n = b.and(n, b.careAt(at))
	if b.cares[0] != nil {
		b.cares[0][key] = n
	}
	return n
}

// simple says that it makes no difference whether a packet fits one or two
// rules of the action.
func simple(a *action) bool { return a.kind == accept || a.kind == finish || a.kind == ret }

func (b *builder) inSequence(parts []node) node {
	switch len(parts) {
	case 0:
		return passOn
	case 1:
		return parts[0]
	}
	left := b.inSequence(parts[:len(parts)/2])
	return b.then(left, b.inSequence(parts[len(parts)/2:]))
}

// ruleNode is the diagram of one rule.
func (b *builder) ruleNode(r *rule, fits node, at place) node {
	a := &r.action
	var does node
	switch a.kind {
	case jump:
		does = b.convert(toCall, b.chainNode(r.chain.table.chains[a.chain], at), func(l leaf) leaf {
			if l.kind == returns {
				l.kind = continues
			}
			return l
		})
	case jumpAway:
		does = b.convert(toReturn, b.chainNode(r.chain.table.chains[a.chain], at), func(l leaf) leaf {
			if l.kind == continues {
				l.kind = returns
			}
			return l
		})
	case either, eitherAccept:
		kind := continues
		if a.kind == eitherAccept {
			kind = accepts
		}
		does = b.choose(b.variable(b.atoms[a.unknown]), b.done(r, kind, at), b.done(r, ends, at))
	default:
		if same := b.u.unchanged(&a.effect); same != nil {
			// It asks for the addresses that the packet has: the connection
			// does not count as translated (nf_nat_setup_info).
			plain := leaf{kind: accepts, effect: b.effect(settledOnly)}
			plain.by[byVerdict] = b.decides(r.chain, r, accepts)
			does = b.choose(b.fits(same, at), b.leafNode(plain), b.done(r, accepts, at))
			break
		}
		does = b.done(r, [...]resultKind{goOn: continues, accept: accepts, finish: ends, ret: returns}[a.kind], at)
	}
	if (a.kind == jump || a.kind == jumpAway) && a.effect != noEffect {
		does = b.then(b.done(r, continues, at), does)
	}
	return b.choose(fits, does, passOn)
}

// done is the leaf of a rule.
func (b *builder) done(r *rule, kind resultKind, at place) node {
	e := r.action.effect
	if kind == ends {
		e = b.u.lasting(e)
	}
	if e.ttl != sameLifetime {
		e.ttl = e.ttl.at(at.ttl)
	}
	l := leaf{kind: kind, effect: b.effect(b.kept(e))}
	if kind == ends {
		l.final, l.with = r.action.final, r.action.with
	}
	switch {
	case kind == ends || kind == accepts && b.asking == askVerdict:
		l.by[byVerdict] = b.decides(r.chain, r, kind)
	case b.asking != askChange:
	case e.translation != 0:
		l.by[byTranslation] = b.decider(r.chain, r)
	case e.source != 0:
		l.by[bySource] = b.decider(r.chain, r)
	case e != noEffect:
		l.by[byMark] = b.decider(r.chain, r)
	}
	return b.leafNode(l)
}
