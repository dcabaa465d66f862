package packets

import "slices"

// preferred are the values that an example takes where it may.
func preferred(f field, v6 bool, p *Packet) []value {
	n := func(list ...uint64) []value {
		var out []value
		for _, v := range list {
			out = append(out, number(v))
		}
		return out
	}
	switch f {
	case fieldProto:
		if v6 {
			return n(protoTCP, protoUDP, protoICMPv6)
		}
		return n(protoTCP, protoUDP, protoICMP)
	case fieldState:
		return n(stateNew, stateEstablished, stateRelated, stateInvalid)
	case fieldFlags:
		return n(2, 16, 18, 17, 4)
	case fieldICMP:
		if v6 {
			return n(128<<8, 129<<8, 1<<8)
		}
		return n(8<<8, 0, 3<<8|1, 11<<8)
	case fieldIn:
		return []value{ofName("eth0"), ofName("eth1"), ofName("eth2")}
	case fieldOut:
		if p.In == "eth1" {
			return []value{ofName("eth0"), ofName("eth2")}
		}
		return []value{ofName("eth1"), ofName("eth0"), ofName("eth2")}
	case fieldSrc:
		if v6 {
			return []value{{0x20010db8_00000000, 0x10}}
		}
		return n(192<<24|2<<8|10, 10<<24|9)
	case fieldLocal:
		if v6 {
			return []value{{0x20010db8_00000000, 1}}
		}
		return n(192<<24 | 2<<8 | 1)
	case fieldDst:
		if v6 {
			return []value{{0x20010db8_00010000, 0x20}}
		}
		return n(198<<24|51<<16|100<<8|20, 10<<24|8)
	case fieldSport:
		return n(40000, 50000)
	case fieldDport:
		return n(443, 80, 8080, 50001)
	case fieldTTL:
		return n(64)
	case fieldLength:
		return n(60)
	case fieldMAC:
		return n(0x02_00_00_00_00_01)
	}
	return n(0)
}

var exampleOrder = []field{fieldProto, fieldState, fieldDir, fieldDNAT, fieldSNAT, fieldFlags, fieldICMP, fieldIn, fieldOut, fieldDst, fieldLocal,
	fieldDport, fieldSrc, fieldSport, fieldFragment, fieldMark, fieldConnmark, fieldTOS, fieldTTL, fieldLength,
	fieldMAC, fieldPacketType}

// example returns one packet of a set, as ordinary a one as it holds, and the
// diagram of what is like it.
func (d *differ) example(j Journey, where node) (Packet, node) {
	var p Packet
	p.Holds = map[string]bool{}
	rest := where
	for i := len(d.atoms) - 1; i >= 0; i-- {
		v := d.variable(d.atoms[i])
		if without := d.less(rest, v); without != falseNode {
			rest = without
			continue
		}
		rest = d.and(rest, v)
		p.Holds[d.u.atoms[i].String()] = true
	}
	// A packet seldom has a mark before a rule gives it one.
	for _, f := range []field{fieldMark, fieldConnmark} {
		if d.fields[f].used {
			if plain := d.and(rest, d.exactly(f, value{})); plain != falseNode {
				rest = plain
			}
		}
	}
	for _, f := range exampleOrder {
		fl := &d.fields[f]
		if !fl.used || len(fl.levels) == 0 {
			p.set(f, preferred(f, d.u.v6, &p)[0], d.u.v6)
			continue
		}
		may := d.project(rest, f)
		v := d.choice(f, may, &p)
		p.set(f, v, d.u.v6)
		rest = d.and(rest, d.exactly(f, v))
	}
	switch p.Proto {
	case protoTCP:
		p.ICMPType, p.ICMPCode = 0, 0
	case protoUDP, protoUDPLite, protoSCTP, protoDCCP:
		p.ICMPType, p.ICMPCode, p.Flags = 0, 0, 0
	default:
		if p.Proto != protoICMP && p.Proto != protoICMPv6 {
			p.ICMPType, p.ICMPCode = 0, 0
		}
		p.SPort, p.DPort, p.Flags = 0, 0, 0
	}
	switch j {
	case Input:
		p.Out = ""
	case Output:
		p.In = ""
	}
	return p, rest
}

// exactly is the diagram of one value of a field, or of the class that it is in.
func (d *differ) exactly(f field, v value) node {
	fl := &d.fields[f]
	n := trueNode
	for i := len(fl.levels) - 1; i >= 0; i-- {
		if fl.setBit(v, i) {
			n = d.make(fl.levels[i], falseNode, n)
		} else {
			n = d.make(fl.levels[i], n, falseNode)
		}
	}
	return n
}

// choice picks a value of those that may be.
func (d *differ) choice(f field, may node, p *Packet) value {
	fl := &d.fields[f]
	if fl.raw {
		list := d.patterns(f, may, 1)
		v := list[0].want
		for _, want := range preferred(f, d.u.v6, p) {
			if d.and(may, d.exactly(f, want)) != falseNode {
				return want
			}
		}
		return v
	}
	s := d.values(f, may)
	for _, want := range preferred(f, d.u.v6, p) {
		if s.contains(want) {
			return want
		}
	}
	switch f {
	case fieldIn, fieldOut:
		for i := range d.names128 {
			if v := witness(d.names128, i); s.contains(v) {
				return v
			}
		}
	case fieldSrc, fieldDst, fieldLocal:
		return d.host(s)
	}
	for _, r := range s {
		if r.low != (value{}) {
			return r.low
		}
		if r.high != (value{}) {
			return r.low.next()
		}
	}
	return s[0].low
}

// host picks an address that a host can have, if there is one.
func (d *differ) host(s spans) value {
	for _, r := range s {
		for _, v := range []value{r.low.next(), r.low, r.high} {
			if v.less(r.low) || r.high.less(v) {
				continue
			}
			a := v.address(d.u.v6)
			if !a.IsMulticast() && !a.IsLoopback() && !a.IsUnspecified() && (a.Is6() || v.lo>>24 != 0 && v.lo>>28 != 15) {
				return v
			}
		}
	}
	for _, r := range s {
		if v := r.low.next(); !r.high.less(v) && v.address(d.u.v6).IsLoopback() {
			return v
		}
	}
	return s[0].low
}

// set sets a field of the packet.
func (p *Packet) set(f field, v value, v6 bool) {
	switch f {
	case fieldIn:
		p.In = v.name()
	case fieldOut:
		p.Out = v.name()
	case fieldProto:
		p.Proto = uint8(v.lo)
	case fieldSrc:
		p.Src = v.address(v6)
	case fieldLocal:
		p.Local = v.address(v6)
	case fieldDst:
		p.Dst = v.address(v6)
	case fieldSport:
		p.SPort = uint16(v.lo)
	case fieldDport:
		p.DPort = uint16(v.lo)
	case fieldICMP:
		p.ICMPType, p.ICMPCode = uint8(v.lo>>8), uint8(v.lo)
	case fieldFlags:
		p.Flags = uint8(v.lo)
	case fieldState:
		p.State = State(v.lo)
	case fieldDir:
		p.Reply = v.lo == 1
	case fieldDNAT:
		p.DNAT = v.lo == 1
	case fieldSNAT:
		p.SNAT = v.lo == 1
	case fieldFragment:
		p.Fragment = v.lo == 1
	case fieldMAC:
		for i := range p.MAC {
			p.MAC[i] = byte(v.lo >> (8 * (5 - i)))
		}
	case fieldTOS:
		p.TOS = uint8(v.lo)
	case fieldTTL:
		p.TTL = uint8(v.lo)
	case fieldLength:
		p.Length = uint16(v.lo)
	case fieldPacketType:
		p.Type = uint8(v.lo)
	case fieldMark:
		p.Mark = uint32(v.lo)
	case fieldConnmark:
		p.Connmark = uint32(v.lo)
	}
}

// knownNames are the interface names and beginnings that conditions have, the
// shortest first.
func knownNames(list []*condition, v6 bool) []interfaceName {
	seen := map[span]bool{}
	var out []interfaceName
	for _, c := range list {
		if c.op != inSet || c.field != fieldIn && c.field != fieldOut {
			continue
		}
		for _, s := range []spans{c.set, c.set.invert(c.field.limit(v6))} {
			for _, r := range s {
				text, ok := nameText(r)
				if ok && !seen[r] {
					seen[r] = true
					out = append(out, interfaceName{text, r})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b interfaceName) int {
		if c := nameRank(a.text) - nameRank(b.text); c != 0 {
			return c
		}
		return a.set.low.compare(b.set.low)
	})
	return out
}

// nameText returns the pattern that a range of names is.
func nameText(r span) (string, bool) {
	name := r.low.name()
	if r.low == r.high {
		return name, name != ""
	}
	for _, x := range nameSpans(name + "+") {
		if x == r && name != "" {
			return name + "+", true
		}
	}
	return "", false
}
