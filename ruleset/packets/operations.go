package packets

// The operations, as the cache knows them; from opSubstitute on the number of
// the effect is added.
const (
	opNone int32 = iota
	opAnd
	opOr
	opLess
	opChoose
	opExists
	opPair
	opJoin
	opPreimage
	opIs
	opMap
	opSequence
	opZero
	opPasses
	opSubset
	opMeet
	opSubstitute
)

func (s *store) and(a, b node) node {
	switch {
	case a == falseNode || b == falseNode:
		return falseNode
	case a == trueNode || a == b:
		return b
	case b == trueNode:
		return a
	case a > b:
		a, b = b, a
	}
	if r, ok := s.lookup(opAnd, a, b, 0); ok {
		return r
	}
	level := min(s.level(a), s.level(b))
	a0, a1 := s.cofactors(a, level)
	b0, b1 := s.cofactors(b, level)
	lo := s.and(a0, b0)
	return s.remember(opAnd, a, b, 0, s.make(level, lo, s.and(a1, b1)))
}

func (s *store) or(a, b node) node {
	switch {
	case a == trueNode || b == trueNode:
		return trueNode
	case a == falseNode || a == b:
		return b
	case b == falseNode:
		return a
	case a > b:
		a, b = b, a
	}
	if r, ok := s.lookup(opOr, a, b, 0); ok {
		return r
	}
	level := min(s.level(a), s.level(b))
	a0, a1 := s.cofactors(a, level)
	b0, b1 := s.cofactors(b, level)
	lo := s.or(a0, b0)
	return s.remember(opOr, a, b, 0, s.make(level, lo, s.or(a1, b1)))
}

// less is a without b.
func (s *store) less(a, b node) node {
	switch {
	case a == falseNode || b == trueNode || a == b:
		return falseNode
	case b == falseNode:
		return a
	}
	if r, ok := s.lookup(opLess, a, b, 0); ok {
		return r
	}
	level := min(s.level(a), s.level(b))
	a0, a1 := s.cofactors(a, level)
	b0, b1 := s.cofactors(b, level)
	lo := s.less(a0, b0)
	return s.remember(opLess, a, b, 0, s.make(level, lo, s.less(a1, b1)))
}

func (s *store) not(a node) node { return s.less(trueNode, a) }

// orAll joins in halves: the partial results stay small.
func (s *store) orAll(list []node) node {
	switch len(list) {
	case 0:
		return falseNode
	case 1:
		return list[0]
	}
	left := s.orAll(list[:len(list)/2])
	return s.or(left, s.orAll(list[len(list)/2:]))
}

// choose is f where c holds and g elsewhere.
func (s *store) choose(c, f, g node) node {
	switch {
	case c == trueNode || f == g:
		return f
	case c == falseNode:
		return g
	}
	if r, ok := s.lookup(opChoose, c, f, g); ok {
		return r
	}
	level := min(s.level(c), s.level(f), s.level(g))
	c0, c1 := s.cofactors(c, level)
	f0, f1 := s.cofactors(f, level)
	g0, g1 := s.cofactors(g, level)
	lo := s.choose(c0, f0, g0)
	return s.remember(opChoose, c, f, g, s.make(level, lo, s.choose(c1, f1, g1)))
}

// exists is where some value of the levels from first to last makes f true.
func (s *store) exists(f node, first, last int32) node {
	if f.leaf() || s.nodes[f].level > last {
		return f
	}
	if r, ok := s.lookup(opExists, f, node(first), node(last)); ok {
		return r
	}
	b := s.nodes[f]
	lo := s.exists(b.lo, first, last)
	hi := s.exists(b.hi, first, last)
	if b.level >= first {
		return s.remember(opExists, f, node(first), node(last), s.or(lo, hi))
	}
	return s.remember(opExists, f, node(first), node(last), s.make(b.level, lo, hi))
}
