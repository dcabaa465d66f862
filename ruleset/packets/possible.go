package packets

// possible are the conditions of packets that can be at the start of a
// journey. One that is about a field that no rule asks for may be left out:
// some value of it fits.
func possible(j Journey, u *universe, native, stateful bool) []*condition {
	v6 := u.v6
	var parts []*condition
	named := func(f field) { parts = append(parts, negate(in(f, one(value{}), v6), v6)) }
	kind := spans{{number(0), number(2)}} // one for another host reaches no hook
	switch j {
	case Input:
		named(fieldIn)
	case Forward:
		named(fieldIn)
		named(fieldOut)
		// ip_forward takes one hop, and only packets for this host's address. Where
		// rules may give a packet another hop, its end is part of its journey.
		if !u.hops {
			parts = append(parts, in(fieldTTL, spans{{number(2), number(255)}}, v6))
		}
		kind = spans{{number(0), number(0)}}
	case Output:
		named(fieldOut)
		parts = append(parts, in(fieldLocal, one(loopback(v6)), v6))
		kind = spans{{number(0), number(0)}}
	}
	parts = append(parts, in(fieldPacketType, kind, v6))
	if stateful {
		// Connection tracking puts fragments together before any table.
		parts = append(parts, is(fieldFragment, 0))
	}
	return append(parts, possibleStates(v6, native)...)
}

// loopback is where a REDIRECT sends what the host itself sends
// (nf_nat_redirect_ipv4 and its like of nf_nat_redirect.c).
func loopback(v6 bool) value {
	if v6 {
		return number(1)
	}
	return number(127<<24 | 1)
}

// whenState says that packets of a state and protocol have one of these values
// of a field.
func whenState(v6 bool, states spans, proto uint64, f field, set spans) *condition {
	return anyOf(negate(in(fieldState, states, v6), v6), negate(is(fieldProto, proto), v6), in(f, set, v6))
}

func icmpTypes(types ...uint64) spans {
	var s spans
	for _, t := range types {
		s = append(s, span{number(t << 8), number(t<<8 | 255)})
	}
	return normal(s)
}

// possibleStates is what connection tracking can make of packets.
func possibleStates(v6, native bool) []*condition {
	fresh, old, related := one(number(stateNew)), one(number(stateEstablished)), one(number(stateRelated))
	// What tcp_error lets through, and what begins a connection in
	// tcp_conntracks; PSH does not count.
	var valid, begins spans
	for n := range uint64(64) {
		switch n &^ 8 {
		case 2, 34, 16, 48: // SYN, SYN+URG, ACK, ACK+URG
			begins = append(begins, span{number(n), number(n)})
			fallthrough
		case 18, 4, 20, 17, 49: // SYN+ACK, RST, RST+ACK, FIN+ACK, FIN+ACK+URG
			valid = append(valid, span{number(n), number(n)})
		}
	}
	parts := []*condition{
		whenState(v6, fresh, protoTCP, fieldFlags, normal(begins)),
		whenState(v6, spans{{number(stateEstablished), number(stateRelated)}}, protoTCP, fieldFlags, normal(valid)),
		// The first packet of a connection goes with its direction and is not
		// translated yet.
		anyOf(negate(in(fieldState, fresh, v6), v6), is(fieldDir, 0)),
		anyOf(negate(in(fieldState, fresh, v6), v6), is(fieldDNAT, 0)),
		anyOf(negate(in(fieldState, fresh, v6), v6), is(fieldSNAT, 0)),
	}
	if v6 {
		parts = append(parts,
			whenState(v6, fresh, protoICMPv6, fieldICMP, icmpTypes(128, 139)),
			whenState(v6, old, protoICMPv6, fieldICMP, icmpTypes(128, 129, 139, 140)),
			whenState(v6, related, protoICMPv6, fieldICMP, spans{{number(0), number(127<<8 | 255)}}))
	} else {
		parts = append(parts,
			whenState(v6, fresh, protoICMP, fieldICMP, icmpTypes(8, 13, 15, 17)),
			whenState(v6, old, protoICMP, fieldICMP, icmpTypes(0, 8, 13, 14, 15, 16, 17, 18)),
			whenState(v6, related, protoICMP, fieldICMP, icmpTypes(3, 4, 5, 11, 12)))
	}
	if native {
		return parts
	}
	// Nothing else leaves packets untracked but what the kernel does with
	// neighbour discovery (noct_valid_new of nf_conntrack_proto_icmpv6.c).
	untracked := no
	if v6 {
		untracked = allOf(is(fieldProto, protoICMPv6), in(fieldICMP, icmpTypes(130, 131, 132, 133, 134, 135, 136, 143), v6))
	}
	is := is(fieldState, stateUntracked)
	return append(parts, anyOf(allOf(is, untracked), allOf(negate(is, v6), negate(untracked, v6))))
}

// stateful says whether anything in the program makes connection tracking
// start: a match or target that asks for it, or a nat table.
func (p *program) stateful() bool {
	for _, t := range p.list {
		if t.name == "nat" {
			return true
		}
		for _, c := range t.list {
			for i := range c.rules {
				if asksState(c.rules[i].fits) {
					return true
				}
			}
		}
	}
	return false
}

func asksState(c *condition) bool { return asks(c, fieldState) || asks(c, fieldTemplate) }

// asks says whether a condition tests a field.
func asks(c *condition, f field) bool {
	if (c.op == inSet || c.op == masked) && c.field == f {
		return true
	}
	for _, k := range c.kids {
		if asks(k, f) {
			return true
		}
	}
	return false
}

// asks says whether a condition is about used fields only.
func (l *layout) asks(c *condition) bool {
	if (c.op == inSet || c.op == masked) && !l.fields[c.field].used {
		return false
	}
	for _, k := range c.kids {
		if !l.asks(k) {
			return false
		}
	}
	return true
}

// domain is the diagram of the packets that can be.
func (b *builder) domain(parts []*condition) node {
	n := trueNode
	start := place{in: true, out: true, tracked: true}
	for _, c := range b.u.relations() {
		n = b.and(b.fits(c, start), n)
	}
	for i := len(parts) - 1; i >= 0; i-- {
		if b.asks(parts[i]) {
			n = b.and(b.fits(parts[i], start), n)
		}
	}
	for _, f := range []field{fieldNotrack, fieldTemplate, fieldMarkMade, fieldConnmarkMade} {
		if g := &b.fields[f]; g.used {
			n = b.and(n, b.make(g.levels[0], trueNode, falseNode))
		}
	}
	return n
}
