package packets

import (
	"context"
	"slices"
)

// prepare makes the builder of two programs of one universe.
func prepare(ctx context.Context, limit int, u *universe, programs ...*program) *builder {
	b := &builder{
		store: newStore(ctx, limit), terminals: newTerminals(), u: u, meets: meetsNAT(u.v6),
		made: map[madeKey]node{}, chains: map[chainKey]node{},
	}
	b.sourceSeen = seesSource(programs...)
	c := &collector{v6: u.v6, seen: map[*condition]bool{}}
	for _, p := range programs {
		for _, t := range p.list {
			for _, ch := range t.list {
				for i := range ch.rules {
					c.add(ch.rules[i].fits)
					c.effect(&ch.rules[i].action.effect)
				}
			}
		}
	}
	for _, p := range programs {
		for _, t := range p.list {
			for _, ch := range t.list {
				for i := range ch.rules {
					if same := u.unchanged(&ch.rules[i].action.effect); same != nil {
						c.add(same)
					}
				}
			}
		}
	}
	used := c.used
	b.ruled = slices.Clone(c.order)
	for _, j := range Journeys {
		for _, x := range possible(j, u, false, true) {
			c.add(x)
		}
	}
	if u.notrack(programs) {
		used[fieldNotrack] = true
	}
	redirects := false
	if len(u.translations) > 1 {
		// Its packets are told by their state and protocol.
		c.add(b.meets)
		used[fieldState], used[fieldProto] = true, true
		for i := range u.translations {
			t := &u.translations[i]
			b.unknownTo = b.unknownTo || i > 0 && (!t.known() && !t.redirect || !t.knownPort())
			redirects = redirects || t.redirect
			if t.known() {
				c.cut(fieldDst, t.to)
			}
			if t.knownPort() {
				c.cut(fieldDport, t.port)
			}
			c.cut(fieldTranslation, one(number(uint64(i))))
		}
		used[fieldTranslation] = b.behindAtoms(c)
	}
	if len(u.sources) > 1 {
		c.add(b.meets)
		used[fieldState], used[fieldProto] = true, true
		for i := range u.sources {
			t := &u.sources[i]
			c.cut(fieldSource, one(number(uint64(i))))
			used[fieldSource] = used[fieldSource] || b.sourceSeen && i > 0 && (!t.known() || !t.knownPort())
			if t.known() {
				c.cut(fieldSrc, t.to)
			}
			if t.knownPort() {
				c.cut(fieldSport, t.port)
			}
		}
	}
	if used[fieldSource] {
		for _, x := range c.order {
			for k := range u.sources {
				if told := u.sourceTest(x, k); (x.op == inSet || x.op == masked) && told.op == atomic {
					u.atomNumber(told.atom, false)
				}
			}
		}
	}
	if used[fieldState] {
		used[fieldFlags], used[fieldICMP], used[fieldProto] = true, true, true
	}
	if u.hops {
		c.add(over)
		used[fieldTTL] = true
	}
	if used[fieldTTL] && u.countsTTL(programs) {
		for n := range uint64(256) {
			c.cut(fieldTTL, one(number(n)))
		}
	}
	used[fieldMarkMade] = used[fieldMarkMade] || used[fieldConnmarkMade]
	used[fieldConnmarkMade] = used[fieldMarkMade]
	for _, f := range []field{fieldNotrack, fieldTemplate, fieldMarkMade, fieldConnmarkMade} {
		c.cut(f, one(number(1)))
	}
	c.used = used
	if redirects {
		c.cut(fieldDst, one(loopback(u.v6)))
		c.cuts[fieldLocal], c.raw[fieldLocal], c.used[fieldLocal] = c.cuts[fieldDst], c.raw[fieldDst], c.used[fieldDst]
	}
	b.layout = c.layout(len(u.atoms))
	b.conditions = c.order
	b.effect(noEffect)
	if b.leafNode(leaf{}) != passOn {
		panic("packets: the first leaf is not the one that passes on")
	}
	return b
}

// effect adds what an effect makes of fields.
func (c *collector) effect(e *effect) {
	if e.ttl.fixed() {
		n := one(number(uint64(e.ttl.low)))
		c.cut(fieldTTL, n)
		c.cut(fieldTTL, shiftTTL(n, 1))
	}
}

// behindAtoms gives the unknowns that look at the destination their names
// behind each translation, and says whether there are any.
func (b *builder) behindAtoms(c *collector) bool {
	needed := false
	for n := range len(b.u.atoms) {
		if !b.u.readsDst[n] {
			continue
		}
		needed = true
		for k := 1; k < len(b.u.translations); k++ {
			b.u.atomNumber(b.u.behind(b.u.atoms[n], k), false)
		}
	}
	if !b.unknownTo {
		return needed
	}
	for _, x := range c.order {
		if (x.op == inSet || x.op == masked) && (x.field == fieldDst || x.field == fieldDport) {
			for k := 1; k < len(b.u.translations); k++ {
				switch told := b.u.behindTest(x, k); told.op {
				case inSet:
					c.cut(fieldDst, told.set)
				case atomic:
					b.u.atomNumber(told.atom, false)
				}
			}
		}
	}
	return true
}

func (u *universe) notrack(programs []*program) bool {
	return anyEffect(programs, func(e *effect) bool { return e.notrack })
}

func (u *universe) countsTTL(programs []*program) bool {
	return anyEffect(programs, func(e *effect) bool { return e.ttl != sameLifetime && !e.ttl.fixed() })
}

func anyEffect(programs []*program, test func(*effect) bool) bool {
	for _, p := range programs {
		for _, t := range p.list {
			for _, c := range t.list {
				for i := range c.rules {
					if test(&c.rules[i].action.effect) {
						return true
					}
				}
			}
		}
	}
	return false
}
