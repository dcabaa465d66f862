package packets

import "slices"

// leaf is what a diagram says of packets: how a chain ends for them and what
// was done to them on the way.
type leaf struct {
	kind   resultKind
	final  Verdict
	with   string
	effect int32 // builder.effects
	// by are the deciders, 0 where nobody asks or none is: of the verdict, the
	// translations, the marks.
	by [4]int32
	// arrived says that a REDIRECT made it a packet to this host on its way
	// through.
	arrived bool
}

// The places of leaf.by.
const (
	byVerdict = iota
	byTranslation
	bySource
	byMark
)

// byNobody is no decider: no rule says that the packet's way ends.
const byNobody = -1

// decider is a rule, or a base chain's policy where the rule is nil.
type decider struct {
	chain *chain
	rule  *rule
}

// terminals are what the leaves of diagrams stand for, the same in every store.
type terminals struct {
	leaves  []leaf
	leafOf  map[leaf]node
	effects []effect
	effOf   map[effect]int32
	// deciders are rules that decide; the first one stands for none.
	deciders  []decider
	deciderOf map[decider]int32
}

func newTerminals() *terminals {
	return &terminals{
		leafOf: map[leaf]node{}, effOf: map[effect]int32{},
		deciders: make([]decider, 1), deciderOf: map[decider]int32{},
	}
}

const passOn = node(^firstLeaf) // continues, with no effect

func (b *terminals) leafNode(l leaf) node {
	if n, ok := b.leafOf[l]; ok {
		return n
	}
	n := node(^(firstLeaf + len(b.leaves)))
	b.leaves, b.leafOf[l] = append(b.leaves, l), n
	return n
}

func (b *terminals) leafAt(n node) *leaf { return &b.leaves[^n-firstLeaf] }

func (b *terminals) effect(e effect) int32 {
	if n, ok := b.effOf[e]; ok {
		return n
	}
	n := int32(len(b.effects))
	b.effects, b.effOf[e] = append(b.effects, e), n
	return n
}

func (b *terminals) decider(c *chain, r *rule) int32 {
	d := decider{c, r}
	n, ok := b.deciderOf[d]
	if !ok {
		n = int32(len(b.deciders))
		b.deciders, b.deciderOf[d] = append(b.deciders, d), n
	}
	return n
}

// after returns the leaf of a packet that met first and then l.
func (b *builder) after(first, l leaf) leaf {
	l.effect = b.effect(b.u.then(b.effects[first.effect], b.effects[l.effect]))
	for i, d := range first.by {
		// The filter's word on an accepted packet outweighs what other
		// tables say later.
		if l.by[i] == 0 || i == byVerdict && d != 0 && l.kind != ends && b.filters(d) && !b.filters(l.by[i]) {
			l.by[i] = d
		}
	}
	if l.kind == ends {
		l = b.ended(l)
	}
	return l
}

func (b *builder) filters(d int32) bool { return b.deciders[d].chain.table.name == "filter" }

// ended drops what was done to a packet that does not get through: it is of
// no account, but for what it added to sets.
func (b *builder) ended(l leaf) leaf {
	if l.final != Drop && l.final != Reject {
		return l
	}
	l.effect = b.effect(b.u.lasting(b.effects[l.effect]))
	l.by[byTranslation], l.by[bySource], l.by[byMark] = 0, 0, 0
	return l
}

// lasting is what of an effect outlives a packet that does not get through.
func (u *universe) lasting(e effect) effect {
	out := noEffect
	for _, n := range u.notesOf(int(e.notes)) {
		if isSetNote(n) {
			out.notes = int32(u.note(int(out.notes), n))
		}
	}
	return out
}

// change is what an effect does to the levels that tests ask for.
type change struct {
	made bool
	// to are the new bits by level: a diagram of the old ones.
	to map[int32]node
}

// change returns the substitution of an effect.
func (b *builder) change(n int32) *change {
	for int(n) >= len(b.changes) {
		b.changes = append(b.changes, change{})
	}
	if c := &b.changes[n]; c.made {
		return c
	}
	e := b.effects[n]
	to := map[int32]node{}
	set := func(f field, v value) {
		fl := &b.fields[f]
		for i, level := range fl.levels {
			to[level] = falseNode
			if fl.setBit(v, i) {
				to[level] = trueNode
			}
		}
	}
	b.linearBits(to, fieldMark, e.mark, keepMark)
	b.linearBits(to, fieldConnmark, e.connmark, keepConnmark)
	b.isMade(to, fieldMarkMade, e.markMade, e.mark.mark != 0, fieldConnmarkMade, e.mark.connmark != 0)
	b.isMade(to, fieldConnmarkMade, e.connmarkMade, e.connmark.connmark != 0, fieldMarkMade, e.connmark.mark != 0)
	if fl := &b.fields[fieldTOS]; fl.used {
		for i, level := range fl.levels {
			keep, flip := e.tosKeep>>fl.bits[i]&1, e.tosFlip>>fl.bits[i]&1
			b.setBit(to, level, keep == 1, -1, flip == 1)
		}
	}
	if e.notrack && b.fields[fieldNotrack].used {
		set(fieldNotrack, number(1))
	}
	if e.template && b.fields[fieldTemplate].used {
		set(fieldTemplate, number(1))
	}
	if fl := &b.fields[fieldTTL]; e.ttl != sameLifetime && fl.used {
		for i, level := range fl.levels {
			var from spans
			for n := range uint64(256) {
				if fl.setBit(number(uint64(e.ttl.of(uint8(n)))), i) {
					from = append(from, span{number(n), number(n)})
				}
			}
			to[level] = fl.encode(b.store, normal(from), fieldTTL.limit(b.v6), trueNode, falseNode)
		}
	}
	if e.source != 0 {
		t := &b.u.sources[e.source]
		if b.fields[fieldSNAT].used {
			set(fieldSNAT, number(1))
		}
		if b.fields[fieldSource].used {
			set(fieldSource, number(uint64(e.source)))
		}
		if t.to != nil && t.known() && b.fields[fieldSrc].used {
			set(fieldSrc, t.to[0].low)
		}
		if t.port != nil && t.knownPort() && b.fields[fieldSport].used {
			set(fieldSport, t.port[0].low)
		}
	}
	if e.translation != 0 {
		t := &b.u.translations[e.translation]
		if t.to != nil && t.known() && b.fields[fieldDst].used {
			set(fieldDst, t.to[0].low)
		}
		if t.redirect {
			for i, level := range b.fields[fieldDst].levels {
				to[level] = b.variable(b.fields[fieldLocal].levels[i])
			}
		}
		if t.port != nil && t.knownPort() && b.fields[fieldDport].used {
			set(fieldDport, t.port[0].low)
		}
		if b.fields[fieldDNAT].used {
			set(fieldDNAT, number(1))
		}
		if b.fields[fieldTranslation].used {
			set(fieldTranslation, number(uint64(e.translation)))
		}
	}
	b.changes[n] = change{true, to}
	return &b.changes[n]
}

// isMade sets whether nobody knows a mark: one made so, or that has bits of such
// a one.
func (b *builder) isMade(to map[int32]node, f field, made, keeps bool, other field, copies bool) {
	if !b.fields[f].used || keeps && !copies && !made {
		return
	}
	n := falseNode
	if keeps {
		n = b.variable(b.fields[f].levels[0])
	}
	if copies {
		n = b.or(n, b.variable(b.fields[other].levels[0]))
	}
	if made {
		n = trueNode
	}
	to[b.fields[f].levels[0]] = n
}

// linearBits sets the new bits of a mark, each made of both marks' old ones.
func (b *builder) linearBits(to map[int32]node, f field, l, own linear) {
	fl := &b.fields[f]
	if l == own || !fl.used {
		return
	}
	other, keep, copied := &b.fields[fieldConnmark], l.mark, l.connmark
	if f == fieldConnmark {
		other, keep, copied = &b.fields[fieldMark], l.connmark, l.mark
	}
	for i, level := range fl.levels {
		bit := fl.bits[i]
		from := int32(-1)
		if copied>>bit&1 == 1 {
			from = other.levels[i]
		}
		b.setBit(to, level, keep>>bit&1 == 1, from, l.constant>>bit&1 == 1)
	}
}

// setBit sets the new bit of a level: the sum of the old one, another one and
// a constant, as far as they count.
func (b *builder) setBit(to map[int32]node, level int32, keep bool, from int32, constant bool) {
	if keep && from < 0 && !constant {
		return
	}
	n := falseNode
	if constant {
		n = trueNode
	}
	for _, l := range []int32{level, from} {
		if l < 0 || l == level && !keep {
			continue
		}
		v := b.variable(l)
		n = b.choose(v, b.not(n), n)
	}
	to[level] = n
}

// substitute returns what g says of packets that were changed by first before.
func (b *builder) substitute(g node, first node) node {
	if g.leaf() {
		l := *b.leafAt(g)
		return b.leafNode(b.after(*b.leafAt(first), l))
	}
	op := opSubstitute
	if r, ok := b.lookup(op, g, first, 0); ok {
		return r
	}
	br := b.nodes[g]
	v, changed := b.change(b.leafAt(first).effect).to[br.level]
	var r node
	switch {
	case changed && v == falseNode:
		r = b.substitute(br.lo, first)
	case changed && v == trueNode:
		r = b.substitute(br.hi, first)
	default:
		if !changed {
			v = b.variable(br.level)
			if len(b.change(b.leafAt(first).effect).to) == 0 {
				lo := b.substitute(br.lo, first)
				r = b.make(br.level, lo, b.substitute(br.hi, first))
				break
			}
		}
		lo := b.substitute(br.lo, first)
		r = b.choose(v, b.substitute(br.hi, first), lo)
	}
	return b.remember(op, g, first, 0, r)
}

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
