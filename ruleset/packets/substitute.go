package packets

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
