package prove

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// makeable makes the packet be in its state, or says why that cannot be.
func (p *plan) makeable() string {
	p.send = p.base()
	why := ""
	switch p.packet.State {
	case packets.StateEstablished:
		why = p.established()
	case packets.StateRelated:
		why = p.related()
	case packets.StateInvalid:
		p.invalid()
	}
	if why == "" && (p.connection != nil || p.expected) && p.zoned() {
		return "a rule has its connection looked for in a zone of its own"
	}
	return why
}

// zoned says whether a CT rule gives the packet a zone on either side: it has no
// part in the connections of the others (nf_conntrack_in).
func (p *plan) zoned() bool {
	return slices.ContainsFunc(append(slices.Clone(p.ways[0].Steps), p.ways[1].Steps...), func(s packets.Step) bool {
		return strings.Contains(" "+s.Text, " -j CT ") && strings.Contains(s.Text, " --zone")
	})
}

// reversed is a packet of the other direction.
func reversed(p lab.Packet) lab.Packet {
	p.Src, p.Dst, p.SPort, p.DPort = p.Dst, p.Src, p.DPort, p.SPort
	switch {
	case p.Proto == lab.ICMP && p.ICMPType == 0:
		p.ICMPType = 8
	case p.Proto == lab.ICMP && p.ICMPType == 8:
		p.ICMPType = 0
	case p.Proto == lab.ICMP && p.ICMPType >= 13 && p.ICMPType <= 18:
		p.ICMPType += map[bool]uint8{true: 1, false: 255}[p.ICMPType%2 == 1]
	case p.Proto == lab.ICMPv6 && p.ICMPType >= 128:
		p.ICMPType ^= map[bool]uint8{true: 1, false: 7}[p.ICMPType < 130]
	}
	return p
}

// stranger is an address that no rule speaks of, hopefully, for connections
// that are translated.
func stranger(v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr("2001:db8:ffff::99")
	}
	return netip.MustParseAddr("203.0.113.199")
}

// established tells connection tracking of the packet's connection. Where the
// connection is translated, so is the packet: packet space takes it with the
// addresses that it has afterwards.
func (p *plan) established() string {
	q := &p.packet
	if q.Proto == lab.TCP && q.Flags&63 == 2 && p.try(func(q *packets.Packet) { q.Flags = 16 }) {
		p.send.Flags = 16
	}
	if !q.Reply && (q.Proto == lab.ICMP && q.ICMPType == 0 || q.Proto == lab.ICMPv6 && q.ICMPType == 129) {
		p.try(func(q *packets.Packet) { q.Reply = true }) // an answer
	}
	c := &lab.Connection{First: p.send, Replied: true, Mark: q.Connmark, TCPState: stateBefore(q)}
	if q.Reply {
		c.First = reversed(p.send)
	}
	p.connection = c
	if !q.DNAT && !q.SNAT {
		return ""
	}
	p.moved = true
	other := stranger(q.Src.Is6())
	src := netip.AddrPortFrom(q.Src, q.SPort)
	dst := netip.AddrPortFrom(q.Dst, q.DPort)
	early := false
	switch {
	case q.DNAT && q.SNAT:
		return "the connection is translated at both ends"
	case q.SNAT && !q.Reply:
		c.From = netip.AddrPortFrom(other, q.SPort)
	case q.DNAT && q.Reply:
		c.First.Dst, c.To = other, src
	case q.DNAT: // it comes for another address, which PREROUTING changes
		early = true
		p.send.Dst, c.First.Dst, c.To = other, other, dst
	default:
		early = true
		p.send.Dst, c.From = other, netip.AddrPortFrom(other, q.DPort)
	}
	if early && p.early() {
		return "rules of raw or mangle see the packet before its connection's translation"
	}
	return ""
}

// Of enum tcp_conntrack: a SYN was seen, and an answer to it.
const tcpSynSent, tcpSynReceived = 1, 2

// stateBefore is what a connection must be in for a packet's flags to belong to
// it, 0 for an established one (tcp_conntracks of nf_conntrack_proto_tcp.c).
func stateBefore(q *packets.Packet) uint8 {
	switch {
	case q.Proto != lab.TCP:
	case q.Flags&22 == 2 && q.Reply:
		return tcpSynSent
	case q.Flags&22 == 18 && !q.Reply:
		return tcpSynReceived
	}
	return 0
}

// early says whether the rules that the packet meets before its connection's
// translation treat it, as it comes in, in another way, or keep it from being
// tracked, so that it is not translated at all.
func (p *plan) early() bool {
	wire := p.packet
	wire.Dst = p.send.Dst
	for i, space := range p.spaces {
		was, is := before(p.ways[i].Steps), before(space.Follow(p.region.Journey, wire).Steps)
		if !slices.Equal(was, is) || slices.ContainsFunc(is, untracks) {
			return true
		}
	}
	return false
}

func untracks(s packets.Step) bool {
	text := " " + s.Text
	return strings.Contains(text, " -j CT --notrack") || strings.Contains(text, " -j NOTRACK")
}

// before are the steps ahead of the nat table's hook.
func before(steps []packets.Step) []packets.Step {
	n := slices.IndexFunc(steps, func(s packets.Step) bool {
		return s.Table != "raw" && s.Table != "mangle" || s.Chain == "INPUT" || s.Chain == "FORWARD" || s.Chain == "POSTROUTING"
	})
	if n < 0 {
		return steps
	}
	return steps[:n]
}

// related makes the packet an ICMP error about a connection, or the first one
// of a connection that another one asked for.
func (p *plan) related() string {
	q := &p.packet
	if q.DNAT || q.SNAT {
		return "a related packet of a translated connection"
	}
	other := stranger(q.Src.Is6())
	if isError(q) {
		// About a packet that the receiver sent to somewhere else.
		inner := lab.Packet{Src: q.Dst, Dst: other, Proto: lab.UDP, SPort: 5353, DPort: 5353, ID: p.id}
		first := inner
		if !q.Reply {
			first = reversed(inner)
		}
		p.send.Inner = &inner
		p.connection = &lab.Connection{First: first, Replied: true, Mark: q.Connmark}
		if _, err := lab.Frame(&p.send); err != nil {
			probe := p.send
			probe.Length = 0
			b, err := lab.Frame(&probe)
			if err != nil {
				return err.Error()
			}
			if !p.try(func(q *packets.Packet) { q.Length = uint16(len(b)) }) {
				return fmt.Sprintf("no ICMP error has %d bytes", p.packet.Length)
			}
			p.send.Length = uint16(len(b))
		}
		return ""
	}
	// It begins its connection: what goes back is ESTABLISHED (nf_conntrack_in).
	if q.Reply && !p.try(func(q *packets.Packet) { q.Reply = false }) {
		return "a related packet that is no ICMP error begins its connection"
	}
	if q.Proto == lab.TCP && q.Flags&63 != 2 && p.try(func(q *packets.Packet) { q.Flags = 2 }) {
		p.send.Flags = 2
	}
	for _, w := range p.ways {
		for _, s := range w.Steps {
			if s.Table == "nat" {
				p.expected = true // a connection that is made up never meets that table
			}
		}
	}
	if p.expected {
		return ""
	}
	master := lab.Packet{Src: q.Src, Dst: q.Dst, Proto: lab.UDP, SPort: 9, DPort: 9, ID: p.id}
	p.connection = &lab.Connection{First: p.send, Mark: q.Connmark, Master: &lab.Connection{First: master, Replied: true}}
	return ""
}

func isError(q *packets.Packet) bool {
	s := lab.Seen{Proto: q.Proto, ICMPType: q.ICMPType}
	return s.Error()
}

// invalid makes connection tracking take the packet for invalid. Many are by
// their flags or types. Otherwise a TCP packet is made to come at a wrong time
// (tcp_conntracks of nf_conntrack_proto_tcp.c), and another one has a wrong
// checksum, which counts where packets come in.
func (p *plan) invalid() {
	q := &p.packet
	switch {
	case q.Proto == lab.TCP && q.Flags&63 == 2: // a SYN against an open connection
		first := reversed(p.send)
		p.connection = &lab.Connection{First: first, Replied: true}
	case q.Proto == lab.TCP && q.Flags&4 == 0 && q.Flags&2 == 0 && q.Flags&16 != 0:
		p.connection = &lab.Connection{First: p.send, TCPState: tcpSynSent}
	case q.Proto == lab.TCP, isError(q):
	case q.Proto == lab.ICMP && q.ICMPType != 8 && q.ICMPType != 13 && q.ICMPType != 15 && q.ICMPType != 17:
	case q.Proto == lab.ICMPv6 && q.ICMPType != 128 && q.ICMPType != 139:
	default:
		p.send.BadSum = true
	}
}
