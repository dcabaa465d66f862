package packets

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
