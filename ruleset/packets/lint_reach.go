package packets

// blockSize is how many rules are told together of those behind them.
const blockSize = 64

// walk finds which packets come to each rule of a chain and fit it, and brings
// them to the chains that the rules lead to.
//
// A rule that changes packets makes what was known of those before it less: what
// they are by then is another matter.
func (l *linter) walk(v *visit) {
	gone, block := falseNode, []node(nil) // packets that left before
	reach := v.reach
	v.hits = make([]node, len(v.c.rules))
	for i := range v.c.rules {
		r := &v.c.rules[i]
		fits := l.and(l.fits(r.fits, v.at), reach)
		hit := fits
		for _, b := range block {
			hit = l.less(hit, b)
		}
		if hit != falseNode && l.subset(hit, gone) {
			hit = falseNode
		}
		v.hits[i] = hit
		if hit == falseNode {
			continue
		}
		left, changed := l.leaves(r, v.at)
		if r.action.kind == jump || r.action.kind == jumpAway {
			l.bring(r.chain.table.chains[r.action.chain], v.at, l.less(hit, gone))
			if r.action.kind == jumpAway {
				left = trueNode
			}
		}
		if left != falseNode {
			block = append(block, l.and(fits, left))
		}
		if len(block) == blockSize || changed != nil && len(block) > 0 {
			gone, block = l.or(gone, l.orAll(block)), nil
		}
		if changed != nil {
			reach, gone = l.forget(l.less(reach, gone), changed), falseNode
		}
	}
}

// leaves is where a rule's packets do not come to the next one, and which
// fields it changes, nil for none.
func (l *linter) leaves(r *rule, at place) (node, *[fields]bool) {
	var changed [fields]bool
	l.u.changed(&changed, &r.action.effect)
	left := trueNode
	switch r.action.kind {
	case goOn:
		left = falseNode
	case either:
		left = l.not(l.variable(l.atoms[r.action.unknown]))
	case jump, jumpAway:
		c := r.chain.table.chains[r.action.chain]
		left = l.not(l.passes(l.chainNode(c, at)))
		for f, yes := range l.alters[c] {
			changed[f] = changed[f] || yes
		}
	}
	if changed == [fields]bool{} {
		return left, nil
	}
	return left, &changed
}

// alter finds the fields that chains and what they lead to change, given them
// callers first.
func (l *linter) alter(chains []*chain) {
	for i := len(chains) - 1; i >= 0; i-- {
		c := chains[i]
		var changed [fields]bool
		for i := range c.rules {
			a := &c.rules[i].action
			l.u.changed(&changed, &a.effect)
			if a.kind == jump || a.kind == jumpAway {
				for f, yes := range l.alters[c.table.chains[a.chain]] {
					changed[f] = changed[f] || yes
				}
			}
		}
		l.alters[c] = changed
	}
}

// passes is where a chain lets packets come back to who called it.
func (l *linter) passes(f node) node {
	if f.leaf() {
		if k := l.leafAt(f).kind; k == continues || k == returns {
			return trueNode
		}
		return falseNode
	}
	if r, ok := l.lookup(opPasses, f, 0, 0); ok {
		return r
	}
	b := l.nodes[f]
	lo := l.passes(b.lo)
	return l.remember(opPasses, f, 0, 0, l.make(b.level, lo, l.passes(b.hi)))
}

// bring adds to the packets that come to a chain.
func (l *linter) bring(c *chain, at place, packets node) {
	for _, v := range l.visits[c] {
		if v.at == at {
			v.reach = l.or(v.reach, packets)
			return
		}
	}
	l.visits[c] = append(l.visits[c], &visit{c: c, at: at, reach: packets})
}

// subset says whether all of a is in b. It stops at the first packet that is
// not.
func (s *store) subset(a, b node) bool {
	switch {
	case a == falseNode || b == trueNode || a == b:
		return true
	case a == trueNode && b.leaf() || b == falseNode:
		return false
	}
	if r, ok := s.lookup(opSubset, a, b, 0); ok {
		return r == trueNode
	}
	level := min(s.level(a), s.level(b))
	a0, a1 := s.cofactors(a, level)
	b0, b1 := s.cofactors(b, level)
	r := falseNode
	if s.subset(a0, b0) && s.subset(a1, b1) {
		r = trueNode
	}
	return s.remember(opSubset, a, b, 0, r) == trueNode
}

// meet says whether a and b have a packet in common.
func (s *store) meet(a, b node) bool {
	switch {
	case a == falseNode || b == falseNode:
		return false
	case a == trueNode || b == trueNode || a == b:
		return true
	case a > b:
		a, b = b, a
	}
	if r, ok := s.lookup(opMeet, a, b, 0); ok {
		return r == trueNode
	}
	level := min(s.level(a), s.level(b))
	a0, a1 := s.cofactors(a, level)
	b0, b1 := s.cofactors(b, level)
	r := falseNode
	if s.meet(a0, b0) || s.meet(a1, b1) {
		r = trueNode
	}
	return s.remember(opMeet, a, b, 0, r) == trueNode
}
