package lab

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// magic stands before a packet's ID in its payload.
const magic = "fwc!"

// ErrTooShort says that no packet of a protocol is as short as was asked.
var ErrTooShort = errors.New("no whole packet is that short")

// Frame returns the packet's bytes from the network header on. Sums and lengths
// are right ones; where the packet is to be longer than its headers, zeros
// follow its payload. It returns an error that wraps ErrTooShort where Length
// has no room for the headers.
func Frame(p *Packet) ([]byte, error) {
	if !p.Src.IsValid() || !p.Dst.IsValid() || p.Src.Is4() != p.Dst.Is4() {
		return nil, fmt.Errorf("addresses %s and %s", p.Src, p.Dst)
	}
	head := ipv4Header
	if p.V6() {
		head = ipv6Header
	}
	body, err := p.body()
	if err != nil {
		return nil, err
	}
	l4, err := p.transport(body)
	if err != nil {
		return nil, err
	}
	if want := int(p.Length) - head; p.Length != 0 && want != len(l4) {
		// A shorter one does without the ID, a longer one has zeros.
		switch n := len(body) + want - len(l4); {
		case n >= len(body):
			body = append(body, make([]byte, n-len(body))...)
		case n >= 0 && p.Inner == nil && len(p.Payload) == 0:
			body = body[:n]
		default:
			return nil, fmt.Errorf("%s of %d bytes: %w", ProtocolName(p.Proto), p.Length, ErrTooShort)
		}
		if l4, err = p.transport(body); err != nil {
			return nil, err
		}
		if len(l4) != want {
			return nil, fmt.Errorf("%s of %d bytes: %w", ProtocolName(p.Proto), p.Length, ErrTooShort)
		}
	}
	return serialize(p.network(), gopacket.Payload(l4))
}

func serialize(list ...gopacket.SerializableLayer) ([]byte, error) {
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, list...)
	return b.Bytes(), err
}

// body is what follows the transport header.
func (p *Packet) body() ([]byte, error) {
	if p.Inner != nil {
		inner, err := Frame(p.Inner)
		if err != nil {
			return nil, err
		}
		// The header and eight bytes, which all routers quote (RFC 792).
		head := ipv4Header
		if p.V6() {
			head = ipv6Header
		}
		return inner[:head+8], nil
	}
	if p.Proto == SCTP {
		return nil, nil // the tag is the ID
	}
	b := append([]byte(nil), p.Payload...)
	return binary.BigEndian.AppendUint16(append(b, magic...), p.ID), nil
}

// network is the packet's IP header, which the transport's sum covers a part of.
func (p *Packet) network() interface {
	gopacket.NetworkLayer
	gopacket.SerializableLayer
} {
	ttl := p.TTL
	if ttl == 0 {
		ttl = defaultTTL
	}
	if p.V6() {
		return &layers.IPv6{Version: 6, TrafficClass: p.TOS, HopLimit: ttl, NextHeader: layers.IPProtocol(p.Proto),
			SrcIP: p.Src.AsSlice(), DstIP: p.Dst.AsSlice()}
	}
	return &layers.IPv4{Version: 4, TOS: p.TOS, TTL: ttl, Protocol: layers.IPProtocol(p.Proto), Flags: layers.IPv4DontFragment,
		SrcIP: p.Src.AsSlice(), DstIP: p.Dst.AsSlice()}
}

// transport is the packet from the transport header on.
func (p *Packet) transport(body []byte) ([]byte, error) {
	b, sum, err := p.segment(body)
	if err != nil {
		return nil, err
	}
	if p.BadSum && sum >= 0 && sum+2 <= len(b) {
		b[sum] ^= 0x5a
	}
	return b, nil
}

// segment also says where the sum is.
func (p *Packet) segment(body []byte) ([]byte, int, error) {
	load := gopacket.Payload(body)
	under := p.network()
	switch p.Proto {
	case TCP:
		seq := uint32(p.ID) << 16
		t := &layers.TCP{SrcPort: layers.TCPPort(p.SPort), DstPort: layers.TCPPort(p.DPort), Seq: seq, Ack: seq, Window: 4096,
			FIN: p.Flags&finFlag != 0, SYN: p.Flags&synFlag != 0, RST: p.Flags&rstFlag != 0,
			PSH: p.Flags&pshFlag != 0, ACK: p.Flags&ackFlag != 0, URG: p.Flags&urgFlag != 0}
		if err := t.SetNetworkLayerForChecksum(under); err != nil {
			return nil, 0, err
		}
		b, err := serialize(t, load)
		return b, 16, err
	case UDP:
		u := &layers.UDP{SrcPort: layers.UDPPort(p.SPort), DstPort: layers.UDPPort(p.DPort)}
		if err := u.SetNetworkLayerForChecksum(under); err != nil {
			return nil, 0, err
		}
		b, err := serialize(u, load)
		return b, 6, err
	case ICMP:
		i := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(p.ICMPType, p.ICMPCode)}
		if p.Inner == nil {
			i.Id, i.Seq = p.ID, 1
		}
		b, err := serialize(i, load)
		return p.strange(b), 2, err
	case ICMPv6:
		i := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(p.ICMPType, p.ICMPCode)}
		if err := i.SetNetworkLayerForChecksum(under); err != nil {
			return nil, 0, err
		}
		rest := make([]byte, 4, 4+len(body))
		if p.Inner == nil {
			binary.BigEndian.PutUint16(rest, p.ID)
			rest[3] = 1
		}
		b, err := serialize(i, gopacket.Payload(append(rest, body...)))
		return p.strange(b), 2, err
	case SCTP:
		return p.sctp(body)
	}
	return p.plain(body)
}

// strange gives a message of ICMP in IPv6, or of ICMPv6 in IPv4, the sum that
// REJECT wants of protocols that it knows nothing of.
func (p *Packet) strange(b []byte) []byte {
	if p.V6() == (p.Proto == ICMPv6) || len(b) < 4 {
		return b
	}
	b[2], b[3] = 0, 0
	binary.BigEndian.PutUint16(b[2:], p.sumOf(b))
	return b
}

func (p *Packet) sumOf(b []byte) uint16 {
	c := gopacket.FoldChecksum(gopacket.ComputeChecksum(b, gopacket.ComputeChecksum(p.pseudo(len(b)), 0)))
	if c == 0 {
		c = 0xffff
	}
	return c
}

// sctp is an INIT, which begins a connection (RFC 9260). The body, from four
// bytes on, is a parameter that receivers skip: an INIT stands alone.
func (p *Packet) sctp(body []byte) ([]byte, int, error) {
	s := &layers.SCTP{SrcPort: layers.SCTPPort(p.SPort), DstPort: layers.SCTPPort(p.DPort)}
	chunk := make([]byte, 20, 20+len(body))
	chunk[0] = 1
	binary.BigEndian.PutUint16(chunk[2:], uint16(20+len(body)))
	binary.BigEndian.PutUint32(chunk[4:], uint32(p.ID)) // the tag
	binary.BigEndian.PutUint32(chunk[8:], 4096)
	binary.BigEndian.PutUint16(chunk[12:], 1)
	binary.BigEndian.PutUint16(chunk[14:], 1)
	binary.BigEndian.PutUint32(chunk[16:], 1)
	if len(body) >= 4 {
		body = append([]byte(nil), body...)
		binary.BigEndian.PutUint16(body, 0xc000)
		binary.BigEndian.PutUint16(body[2:], uint16(len(body)))
	}
	b, err := serialize(s, gopacket.Payload(append(chunk, body...)))
	return b, 8, err
}

// plain is a header that no layer of the library writes, or none at all.
func (p *Packet) plain(body []byte) ([]byte, int, error) {
	var b []byte
	sum := -1
	switch p.Proto {
	case UDPLite: // RFC 3828; a coverage of 0 is all of it
		b, sum = make([]byte, 8, 8+len(body)), 6
		binary.BigEndian.PutUint16(b, p.SPort)
		binary.BigEndian.PutUint16(b[2:], p.DPort)
	case DCCP: // a request, RFC 4340
		b, sum = make([]byte, 20, 20+len(body)), 6
		binary.BigEndian.PutUint16(b, p.SPort)
		binary.BigEndian.PutUint16(b[2:], p.DPort)
		b[4], b[8] = 5, 1
	case GRE: // version 0, IPv4 inside
		b = []byte{0, 0, 8, 0}
	default:
		if len(body) > 2 || p.Length == 0 {
			b, sum = make([]byte, 2, 2+len(body)), 0
		}
	}
	b = append(b, body...)
	if sum >= 0 {
		binary.BigEndian.PutUint16(b[sum:], p.sumOf(b))
	}
	return b, sum, nil
}

// pseudo is what a sum covers beside the packet, as Linux sees it: it takes
// UDP-Lite for UDP (udplite_error of nf_conntrack_proto_udp.c), and in IPv4
// protocols that it does not know have none. REJECT answers none of those whose
// sum is not so (nf_ip_checksum of net/netfilter/utils.c).
func (p *Packet) pseudo(length int) []byte {
	proto := p.Proto
	switch {
	case proto == UDPLite:
		proto = UDP
	case !p.V6():
		return nil
	}
	b := append(append(p.Src.AsSlice(), p.Dst.AsSlice()...), 0, proto)
	return binary.BigEndian.AppendUint16(b, uint16(length))
}
