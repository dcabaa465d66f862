package packets

import "net/netip"

// tracer follows one packet through a program, rule by rule as the kernel
// does: the short way for one packet, and what the diagrams are held to.
type tracer struct {
	*program
	packet  Packet
	journey Journey
	effect  effect
	steps   []Step
	// decided is the step that decided the verdict, if any.
	decided []Step
	// asked are the unknowns that were asked for, if it is not nil.
	asked map[Atom]bool
	// came is where the packet was to go before it was translated.
	came netip.Addr
}

type result struct {
	kind  resultKind
	final Verdict
	with  string
}

type resultKind uint8

const (
	continues resultKind = iota
	accepts
	returns
	ends
	turns // to this host, by a REDIRECT
)

func (t *tracer) run() (Outcome, []Step) {
	stages := t.stages(t.journey)
	hops, routed := 0, false
	if t.journey == Forward {
		hops = 1
	}
	for len(stages) > 0 {
		s := stages[0]
		stages = stages[1:]
		if hops == 1 && !routed && s.chain != "PREROUTING" {
			if routed = true; t.expired() {
				return t.outcome(Drop, "", t.effect, hops), t.steps
			}
		}
		if s.table == "nat" && !t.meetsNAT() {
			continue
		}
		for _, c := range s.chains {
			if c == nil {
				continue
			}
			r := t.chain(c, s.place)
			if r.kind != accepts && r.kind != ends {
				t.policyStep(c)
				r = result{kind: accepts}
				if c.policy.kind == finish {
					r = result{ends, c.policy.final, c.policy.with}
				}
			}
			if t.decided == nil || r.kind == ends || t.decided[0].Table != "filter" || s.table == "filter" {
				t.decided = []Step{t.steps[len(t.steps)-1]}
			}
			if r.kind == ends {
				return t.outcome(r.final, r.with, t.effect, hops), t.steps
			}
			if s.table == "nat" && t.effect.settled {
				break // no further table is asked (nf_nat_inet_fn)
			}
		}
		t.effect.settled = false
		if s.redirecting(t.journey) && t.translations[t.effect.translation].redirect {
			stages, hops = t.stagesOf(arrivals), 0
		}
	}
	if hops == 1 && !routed && t.expired() {
		return t.outcome(Drop, "", t.effect, hops), t.steps
	}
	return t.outcome(Accept, "", t.effect, hops), t.steps
}

// expired says that a packet's time to live is over where it is to be forwarded,
// which the last rule decided that changed it.
func (t *tracer) expired() bool {
	if !t.hops || !t.test(over, arriving) {
		return false
	}
	for i := len(t.steps) - 1; i >= 0; i-- {
		if changesLifetime(t.steps[i].Text) {
			t.decided = []Step{t.steps[i]}
			break
		}
	}
	return true
}

// meetsNAT says whether the nat tables are asked: of the first packet of a
// connection (nf_nat_inet_fn of net/netfilter/nf_nat_core.c).
func (t *tracer) meetsNAT() bool { return t.test(meetsNAT(t.v6), tracked) }

func meetsNAT(v6 bool) *condition {
	icmp := uint64(protoICMP)
	if v6 {
		icmp = protoICMPv6
	}
	return anyOf(is(fieldState, stateNew), allOf(is(fieldState, stateRelated), negate(is(fieldProto, icmp), v6)))
}

func (t *tracer) policyStep(c *chain) { t.steps = append(t.steps, c.policyStep()) }

func (t *tracer) chain(c *chain, at place) result {
	for i := range c.rules {
		ru := &c.rules[i]
		if !t.test(ru.fits, at) {
			continue
		}
		t.steps = append(t.steps, ru.step())
		a := &ru.action
		switch a.kind {
		case jump, jumpAway:
			t.apply(a.effect, at)
			r := t.chain(c.table.chains[a.chain], at)
			if r.kind == accepts || r.kind == ends {
				return r
			}
			if a.kind == jumpAway {
				return result{kind: returns}
			}
		case ret:
			t.apply(a.effect, at)
			return result{kind: returns}
		case finish:
			t.apply(t.lasting(a.effect), at)
			return result{ends, a.final, a.with}
		case either, eitherAccept:
			if !t.holds(t.atoms[a.unknown]) {
				return result{ends, a.final, a.with}
			}
			t.apply(a.effect, at)
			if a.kind == eitherAccept {
				return result{kind: accepts}
			}
		default:
			t.apply(a.effect, at)
			if a.kind == accept {
				return result{kind: accepts}
			}
		}
	}
	return result{kind: continues}
}

// holds says whether an unknown holds.
func (t *tracer) holds(a Atom) bool {
	if t.asked != nil {
		t.asked[a] = true
	}
	return t.packet.Holds[a.String()]
}

func (r *rule) step() Step {
	return Step{Backend: r.chain.table.backend, Table: r.chain.table.name, Chain: r.chain.name, Index: r.index + 1,
		Text: r.source.Text, Line: r.source.Line, Source: r.source.Source}
}

// apply changes the packet.
func (t *tracer) apply(e effect, at place) {
	if e == noEffect {
		return
	}
	p := &t.packet
	if same := t.unchanged(&e); same != nil && t.test(same, at) {
		e = settledOnly
	}
	p.Mark, p.Connmark = e.mark.apply(p.Mark, p.Connmark), e.connmark.apply(p.Mark, p.Connmark)
	p.TOS = p.TOS&e.tosKeep ^ e.tosFlip
	if e.ttl != sameLifetime {
		e.ttl = e.ttl.at(at.ttl)
		p.TTL = e.ttl.of(p.TTL)
	}
	if e.translation != 0 {
		tr := &t.translations[e.translation]
		t.came = p.Dst
		if tr.maps {
			p.Dst = ofAddress(p.Dst).and(tr.hosts).or(tr.network).address(t.v6)
		}
		if tr.redirect && p.Local.IsValid() {
			p.Dst = p.Local
		}
		if tr.to != nil {
			p.Dst = tr.to[0].low.address(t.v6)
		}
		if tr.port != nil && p.Proto != protoICMP && p.Proto != protoICMPv6 {
			p.DPort = uint16(tr.port[0].low.lo)
		}
		p.DNAT = true
	}
	if e.source != 0 {
		tr := &t.sources[e.source]
		switch {
		case tr.to != nil && tr.text != "" && tr.local: // a network, whose host bits stay
			low, high := tr.to[0].low, tr.to[0].high
			p.Src = low.or(ofAddress(p.Src).and(high.and(low.not()))).address(t.v6)
		case tr.to != nil:
			p.Src = tr.to[0].low.address(t.v6)
		}
		if tr.port != nil && p.Proto != protoICMP && p.Proto != protoICMPv6 {
			p.SPort = uint16(tr.port[0].low.lo)
		}
		p.SNAT = true
	}
	t.effect = t.then(t.effect, e)
}

// test says whether the packet fits a condition at a hook.
func (t *tracer) test(c *condition, at place) bool {
	switch c.op {
	case always:
		return true
	case never:
		return false
	case all:
		for _, k := range c.kids {
			if !t.test(k, at) {
				return false
			}
		}
		return true
	case any_:
		for _, k := range c.kids {
			if t.test(k, at) {
				return true
			}
		}
		return false
	case not:
		return !t.test(c.kids[0], at)
	case inSet, masked:
		if at.sourced && t.effect.source != 0 {
			switch told := t.sourceTest(c, int(t.effect.source)); told.op {
			case always:
				return true
			case never:
				return false
			case atomic:
				return t.holds(told.atom)
			}
		}
		if at.behind && t.effect.translation != 0 {
			switch told := t.behindTest(c, int(t.effect.translation)); told.op {
			case always:
				return true
			case never:
				return false
			case atomic:
				return t.holds(told.atom)
			case inSet:
				return told.set.contains(ofAddress(t.came))
			}
		}
		if c.op == masked {
			return t.packet.valueOf(c.field).and(c.mask) == c.want
		}
	case atomic:
		a := t.atoms[c.atom]
		if k := t.effect.translation; k != 0 && t.readsDst[c.atom] {
			a = t.behind(a, int(k))
		}
		return t.holds(a)
	}
	v := t.packet.valueOf(c.field)
	switch c.field {
	case fieldIn:
		if !at.in {
			v = value{}
		}
	case fieldOut:
		if !at.out {
			v = value{}
		}
	case fieldMAC:
		if !at.in {
			return false
		}
	case fieldTTL:
		v = number(uint64(uint8(v.lo) - at.ttl))
	case fieldNotrack:
		v = flagged(t.effect.notrack)
	case fieldMarkMade:
		v = flagged(t.effect.markMade)
	case fieldConnmarkMade:
		v = flagged(t.effect.connmarkMade)
	case fieldTemplate:
		v = flagged(t.effect.template)
	case fieldState:
		v = stateAt(v, &t.effect, at)
	}
	return c.set.contains(v)
}

// stateAt is the state that a match sees at a hook, behind an effect. A template
// is a connection of which this is the first packet (xt_ct_target of xt_CT.c).
func stateAt(v value, e *effect, at place) value {
	switch {
	case e.notrack:
		return number(stateUntracked)
	case at.tracked:
		return v
	case e.template:
		return number(stateNew)
	}
	return number(stateInvalid)
}
