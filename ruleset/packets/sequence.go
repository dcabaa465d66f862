package packets

import "slices"

// is says where f ends in a leaf.
func (b *builder) is(f, l node) node {
	if f.leaf() {
		if f == l {
			return trueNode
		}
		return falseNode
	}
	if r, ok := b.lookup(opIs, f, l, 0); ok {
		return r
	}
	br := b.nodes[f]
	lo := b.is(br.lo, l)
	return b.remember(opIs, f, l, 0, b.make(br.level, lo, b.is(br.hi, l)))
}

// convert returns f with other leaves; kind names the conversion for the
// cache.
func (b *builder) convert(kind node, f node, to func(leaf) leaf) node {
	if f.leaf() {
		return b.leafNode(to(*b.leafAt(f)))
	}
	if r, ok := b.lookup(opMap, f, kind, 0); ok {
		return r
	}
	br := b.nodes[f]
	lo := b.convert(kind, br.lo, to)
	return b.remember(opMap, f, kind, 0, b.make(br.level, lo, b.convert(kind, br.hi, to)))
}

// open returns the leaves of f that go on with an effect or a decider, in the
// order in which they are met.
func (b *builder) open(f node) []node { return b.leavesOf(f, continues) }

// leavesOf returns the leaves of f of a kind but passOn.
func (b *builder) leavesOf(f node, kind resultKind) []node {
	var out []node
	seen := b.walk()
	stack := []node{f}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		switch {
		case !n.leaf():
			if seen(n) {
				stack = append(stack, b.nodes[n].lo, b.nodes[n].hi)
			}
		case n != passOn && b.leafAt(n).kind == kind && !slices.Contains(out, n):
			out = append(out, n)
		}
	}
	return out
}

// then returns f and, for packets that go on, g behind it.
func (b *builder) then(f, g node) node {
	switch {
	case f == passOn:
		return g
	case g == passOn:
		return f
	}
	open := b.open(f)
	out := b.sequence(f, g)
	// In out the packets of an open leaf still end in it or have not been looked
	// at: they are told by f.
	if len(open) > 8 {
		for _, at := range b.split(f, func(l node) bool { return slices.Contains(open, l) }) {
			out = b.choose(at.where, b.substitute(g, at.leaf), out)
		}
		return out
	}
	for _, l := range open {
		out = b.choose(b.is(f, l), b.substitute(g, l), out)
	}
	return out
}

// sequence is then for an f whose open leaves other than passOn are of no
// account yet.
func (b *builder) sequence(f, g node) node {
	if f.leaf() {
		if f == passOn {
			return g
		}
		return f
	}
	if r, ok := b.lookup(opSequence, f, g, 0); ok {
		return r
	}
	level := min(b.level(f), b.level(g))
	f0, f1 := b.cofactors(f, level)
	g0, g1 := b.cofactors(g, level)
	lo := b.sequence(f0, g0)
	return b.remember(opSequence, f, g, 0, b.make(level, lo, b.sequence(f1, g1)))
}
