package lab

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// Seen is a packet as it was met somewhere.
type Seen struct {
	Src, Dst           netip.Addr
	Proto              uint8
	SPort, DPort       uint16
	ICMPType, ICMPCode uint8
	Flags              uint8
	TTL, TOS           uint8
	Length             int
	// Quoted is what an ICMP error quotes.
	Quoted *Seen

	seq, ack uint32
	id       uint16 // of its payload
	hasID    bool
}

// ParseFrame reads a packet from its network header on. It returns false for
// bytes that are no IP packet; of one that is cut it tells what is there.
func ParseFrame(b []byte) (Seen, bool) {
	var s Seen
	var l4 []byte
	switch {
	case len(b) >= ipv4Header && b[0]>>4 == 4:
		head := int(b[0]&15) * 4
		if head < ipv4Header || head > len(b) {
			return s, false
		}
		s.Src, s.Dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		s.TOS, s.TTL, s.Proto, s.Length = b[1], b[8], b[9], int(binary.BigEndian.Uint16(b[2:]))
		l4 = b[head:]
	case len(b) >= ipv6Header && b[0]>>4 == 6:
		s.Src, s.Dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		s.TOS, s.TTL, s.Proto, s.Length = b[0]<<4|b[1]>>4, b[7], b[6], ipv6Header+int(binary.BigEndian.Uint16(b[4:]))
		l4 = b[ipv6Header:]
		if s.Proto == 0 && len(l4) >= 8 { // hop-by-hop options, of MLD
			s.Proto, l4 = l4[0], l4[min(len(l4), 8+8*int(l4[1])):]
		}
	default:
		return s, false
	}
	s.transport(l4)
	return s, true
}

func (s *Seen) transport(l4 []byte) {
	if Ports(s.Proto) && len(l4) >= 4 {
		s.SPort, s.DPort = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
	}
	switch {
	case s.Proto == TCP && len(l4) >= 20:
		s.seq, s.ack, s.Flags = binary.BigEndian.Uint32(l4[4:]), binary.BigEndian.Uint32(l4[8:]), l4[13]&63
	case s.Proto == TCP && len(l4) >= 8:
		s.seq = binary.BigEndian.Uint32(l4[4:]) // quoted
	case s.Proto == SCTP && len(l4) >= 20:
		s.id, s.hasID = uint16(binary.BigEndian.Uint32(l4[16:])), true
	case (s.Proto == ICMP || s.Proto == ICMPv6) && len(l4) >= 8:
		s.ICMPType, s.ICMPCode = l4[0], l4[1]
		if s.Error() {
			if q, ok := ParseFrame(l4[8:]); ok {
				s.Quoted = &q
			}
		} else {
			s.id, s.hasID = binary.BigEndian.Uint16(l4[4:]), true
		}
	}
	if s.Quoted == nil && !s.hasID {
		if i := bytes.Index(l4, []byte(magic)); i >= 0 && len(l4) >= i+6 {
			s.id, s.hasID = binary.BigEndian.Uint16(l4[i+4:]), true
		}
	}
}

// Error says whether the packet is an ICMP error.
func (s *Seen) Error() bool { return icmpError(s.Proto, s.ICMPType) }

func icmpError(proto, kind uint8) bool {
	switch {
	case proto == ICMP:
		return kind == 3 || kind == 4 || kind == 5 || kind == 11 || kind == 12
	case proto == ICMPv6:
		return kind < 128
	}
	return false
}

// Is says whether the packet is p, as it was sent or translated.
func (s *Seen) Is(p *Packet) bool {
	switch {
	case s.Proto != p.Proto:
		return false
	case s.Proto == TCP:
		return s.seq>>16 == uint32(p.ID) && s.Flags == p.Flags&63
	case p.Inner != nil:
		return s.Quoted != nil && s.Quoted.ICMPType == p.Inner.ICMPType && s.Quoted.Proto == p.Inner.Proto
	case s.hasID:
		return s.id == p.ID
	}
	// Too short for an ID: nothing else in a lab is of the same kind.
	return s.ICMPType == p.ICMPType && s.Length <= 64
}

// Refusal returns how the packet refuses p: the name that REJECT has for it, such
// as "tcp-reset" or "icmp-port-unreachable", "" if it does not.
func (s *Seen) Refusal(p *Packet) string {
	switch {
	case s.Proto == TCP && p.Proto == TCP && s.Flags&rstFlag != 0 && (s.seq>>16 == uint32(p.ID) || s.ack>>16 == uint32(p.ID)):
		// The ports may be translated ones.
		return "tcp-reset"
	case s.Quoted != nil && s.Error() && s.Quoted.quotes(p) && s.Dst == s.Quoted.Src:
		return refusals[[3]byte{s.Proto, s.ICMPType, s.ICMPCode}]
	}
	return ""
}

// quotes says whether a quoted packet is p: the router may refuse its own
// answers too.
func (s *Seen) quotes(p *Packet) bool {
	switch {
	case s.Proto != p.Proto:
		return false
	case s.Proto == TCP:
		return s.seq>>16 == uint32(p.ID)
	case s.hasID:
		return s.id == p.ID
	}
	return true
}

// refusals are what REJECT sends: xt_REJECT, ipt_REJECT.h and ip6t_REJECT.h.
var refusals = map[[3]byte]string{
	{ICMP, 3, 0}: "icmp-net-unreachable", {ICMP, 3, 1}: "icmp-host-unreachable", {ICMP, 3, 2}: "icmp-proto-unreachable",
	{ICMP, 3, 3}: "icmp-port-unreachable", {ICMP, 3, 9}: "icmp-net-prohibited", {ICMP, 3, 10}: "icmp-host-prohibited",
	{ICMP, 3, 13}:  "icmp-admin-prohibited",
	{ICMPv6, 1, 0}: "icmp6-no-route", {ICMPv6, 1, 1}: "icmp6-adm-prohibited", {ICMPv6, 1, 3}: "icmp6-addr-unreachable",
	{ICMPv6, 1, 4}: "icmp6-port-unreachable", {ICMPv6, 1, 5}: "icmp6-policy-fail", {ICMPv6, 1, 6}: "icmp6-reject-route",
}
