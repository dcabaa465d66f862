package packets

// stageNode is the diagram of one hook's chains: what passes goes on.
func (b *builder) stageNode(s *stage) node {
	nat := s.table == "nat"
	n := passOn
	for i := len(s.chains) - 1; i >= 0; i-- {
		c := s.chains[i]
		if c == nil {
			continue
		}
		n = b.then(b.closed(c, s.place, nat), n)
		if nat {
			// The first table that translates is the last that is asked.
			n = b.convert(toSettled, n, func(l leaf) leaf {
				e := b.effects[l.effect]
				e.settled = false
				l.effect = b.effect(e)
				return next(l)
			})
		}
	}
	if nat {
		n = b.choose(b.fits(b.meets, tracked), n, passOn)
	}
	return n
}

func next(l leaf) leaf {
	if l.kind == accepts {
		l.kind = continues
	}
	return l
}

// closed is a base chain with its policy. A packet that it accepts goes on to
// the next table; one that it translates is accepted still.
func (b *builder) closed(c *chain, at place, nat bool) node {
	n := b.convert(toCall, b.chainNode(c, at), func(l leaf) leaf {
		if l.kind == returns {
			l.kind = continues
		}
		return l
	})
	n = b.then(n, b.policy(c))
	kind := toNext
	if nat {
		kind = toTranslated
	}
	return b.convert(kind, n, func(l leaf) leaf {
		if nat && l.kind == accepts && b.effects[l.effect].settled {
			return l
		}
		return next(l)
	})
}

func (b *builder) policy(c *chain) node {
	l := leaf{kind: accepts, effect: b.effect(noEffect)}
	if c.policy.kind == finish {
		l.kind, l.final, l.with = ends, c.policy.final, c.policy.with
	}
	l.by[byVerdict] = b.decides(c, nil, l.kind)
	return b.leafNode(l)
}

// journey is the diagram of a whole journey for the packets of a domain; those
// outside end nowhere.
func (b *builder) journey(p *program, j Journey, domain node) node {
	outside := b.leafNode(leaf{kind: ends, final: nowhere})
	f := b.choose(domain, passOn, outside)
	b.filtered = false
	for _, s := range p.stages(j) {
		b.filtered = b.filtered || s.table == "filter"
	}
	turned := false
	forwarded := j != Forward || !b.u.hops
	for _, s := range p.stages(j) {
		if !forwarded && s.chain != "PREROUTING" {
			f, forwarded = b.then(f, b.forwarding()), true
		}
		f = b.then(f, b.stageNode(&s))
		if s.redirecting(j) && b.u.redirects() {
			turned = true
			f = b.convert(toHost, f, func(l leaf) leaf {
				if l.kind == continues && b.u.translations[b.effects[l.effect].translation].redirect {
					l.kind = turns
				}
				return l
			})
		}
	}
	if !forwarded {
		f = b.then(f, b.forwarding())
	}
	if turned {
		f = b.arrive(p, f)
	}
	return b.arriving(f)
}

// forwarding is the end of packets whose time to live is over.
func (b *builder) forwarding() node {
	l := leaf{kind: ends, final: Drop, effect: b.effect(noEffect)}
	if b.asking == askVerdict {
		l.by[byVerdict] = byNobody
	}
	return b.choose(b.fits(over, arriving), b.leafNode(l), passOn)
}

// arrive takes the packets that a REDIRECT made ones to this host through what
// such packets meet.
func (b *builder) arrive(p *program, f node) node {
	g := passOn
	for _, s := range p.stagesOf(arrivals) {
		g = b.then(g, b.stageNode(&s))
	}
	for _, n := range b.leavesOf(f, turns) {
		l := *b.leafAt(n)
		l.kind = continues
		end := b.substitute(g, b.leafNode(l))
		end = b.convert(toArrived, end, func(l leaf) leaf {
			l.arrived = true
			return l
		})
		f = b.choose(b.is(f, n), end, f)
	}
	return f
}

// nowhere is the verdict on packets that nobody asks for.
const nowhere Verdict = "nowhere"

// zero is f where the bits of the levels from first to last are 0.
func (b *builder) zero(f node, first, last int32) node {
	if f.leaf() || b.nodes[f].level > last {
		return f
	}
	if r, ok := b.lookup(opZero, f, node(first), node(last)); ok {
		return r
	}
	br := b.nodes[f]
	r := node(0)
	if br.level >= first {
		r = b.zero(br.lo, first, last)
	} else {
		lo := b.zero(br.lo, first, last)
		r = b.make(br.level, lo, b.zero(br.hi, first, last))
	}
	return b.remember(opZero, f, node(first), node(last), r)
}

var settledOnly = func() effect {
	e := noEffect
	e.settled = true
	return e
}()

// unchanged is the condition of packets that a translation leaves as they are,
// nil if there is none.
func (u *universe) unchanged(e *effect) *condition {
	t, address, port := &u.translations[e.translation], fieldDst, fieldDport
	if e.source != 0 {
		t, address, port = &u.sources[e.source], fieldSrc, fieldSport
	}
	if t.text == "" || t.same == nil && (t.to == nil || !t.known() || !t.knownPort()) {
		return nil
	}
	if t.same == nil {
		t.same = in(address, t.to, u.v6)
		if t.port != nil {
			t.same = allOf(t.same, in(port, t.port, u.v6))
		}
	}
	return t.same
}
