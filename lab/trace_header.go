package lab

import (
	"encoding/binary"
	"net/netip"
)

// header is what the first bytes of a packet tell.
type header struct {
	Packet
	id       uint16 // of IPv4
	seq, ack uint32 // of TCP, or of an ICMP echo
	rest     uint64 // of what is behind the ports and checksums
	fragment bool   // not the first: it has no transport header
}

// identity is what of a packet stays on its way through a router, translated or
// not.
type identity struct {
	v6, fragment bool
	proto        uint8
	id           uint16
	flags        uint8
	kind         uint16
	seq, ack     uint32
	rest         uint64
}

func (h *header) identity() identity {
	return identity{h.V6(), h.fragment, h.Proto, h.id, h.Flags, uint16(h.ICMPType)<<8 | uint16(h.ICMPCode), h.seq, h.ack, h.rest}
}

// words is the packet as ParsePacket reads it, as far as its header tells.
func (h *header) words() string {
	if h.fragment {
		return h.String() + " fragment"
	}
	return h.String()
}

// readHeader reads a packet from its network header on, cut anywhere; nil if
// there is not even that.
func readHeader(b []byte) *header {
	h := &header{}
	var l4 []byte
	switch {
	case len(b) >= ipv4Header && b[0]>>4 == 4:
		h.Src, h.Dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		h.Proto, h.TOS = b[9], b[1]
		h.id = binary.BigEndian.Uint16(b[4:])
		h.fragment = binary.BigEndian.Uint16(b[6:])&0x1fff != 0
		l4 = b[min(len(b), int(b[0]&0xf)*4):]
	case len(b) >= ipv6Header && b[0]>>4 == 6:
		h.Src, h.Dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		h.Proto, h.TOS = b[6], b[0]<<4|b[1]>>4
		l4 = b[ipv6Header:]
	default:
		return nil
	}
	if h.fragment {
		return h
	}
	word := func(at int) uint32 {
		if len(l4) < at+4 {
			return 0
		}
		return binary.BigEndian.Uint32(l4[at:])
	}
	if Ports(h.Proto) {
		h.SPort, h.DPort = uint16(word(0)>>16), uint16(word(0))
	}
	switch h.Proto {
	case TCP:
		h.seq, h.ack = word(4), word(8)
		h.Flags = uint8(word(12)>>16) & 0x3f
	case ICMP, ICMPv6:
		h.ICMPType, h.ICMPCode = uint8(word(0)>>24), uint8(word(0)>>16)
		switch h.ICMPType {
		case echoRequest, echoReply, echoRequestV6, echoReplyV6:
			h.seq = word(4) & 0xffff // the rest is translated as ports are
			h.rest = uint64(word(8))<<32 | uint64(word(12))
		}
	case UDP, UDPLite, DCCP:
		h.rest = uint64(word(8))<<32 | uint64(word(12))
	case SCTP:
		h.rest = uint64(word(4))<<32 | uint64(word(12))
	default:
		h.rest = uint64(word(0))<<32 | uint64(word(4))
	}
	return h
}

// refuses says whether the packet is of those that REJECT answers o with.
func (h *header) refuses(o *header) bool {
	switch {
	case h.Dst != o.Src:
		return false
	case h.Proto == TCP:
		return h.Flags&rstFlag != 0 && h.DPort == o.SPort && h.SPort == o.DPort
	}
	return icmpError(h.Proto, h.ICMPType)
}
