package packets

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"slices"
)

// probeMagic and the number behind it tell a probe wherever it arrives.
const probeMagic = 0x66776321

// frame builds the network layer's bytes of a packet. The number of the probe
// stands in its payload, and in the sequence numbers of TCP, which an answer
// repeats.
func frame(p *Packet, id uint32, inner []byte) []byte {
	v6 := p.Src.Is6()
	head := 20
	if v6 {
		head = 40
	}
	b := make([]byte, max(int(p.Length), head+48))
	l4 := b[head:]
	mark := func(at int) {
		binary.BigEndian.PutUint32(l4[at:], probeMagic)
		binary.BigEndian.PutUint32(l4[at+4:], id)
	}
	size := int(p.Length) - head
	if size < 48 && p.Length == 0 {
		size = 48
	}
	l4 = l4[:max(size, 36)]
	b = b[:head+len(l4)]
	ports := func() {
		binary.BigEndian.PutUint16(l4, p.SPort)
		binary.BigEndian.PutUint16(l4[2:], p.DPort)
	}
	sum := -1
	switch p.Proto {
	case protoTCP:
		ports()
		binary.BigEndian.PutUint32(l4[4:], id<<8)
		binary.BigEndian.PutUint32(l4[8:], id<<8)
		l4[12], l4[13] = 5<<4, p.Flags
		binary.BigEndian.PutUint16(l4[14:], 4096)
		mark(20)
		sum = 16
	case protoUDP, protoUDPLite:
		ports()
		binary.BigEndian.PutUint16(l4[4:], uint16(len(l4)))
		mark(8)
		sum = 6
	case protoICMP, protoICMPv6:
		l4[0], l4[1] = p.ICMPType, p.ICMPCode
		binary.BigEndian.PutUint16(l4[4:], uint16(id))
		if inner != nil {
			copy(l4[8:], inner)
		}
		mark(len(l4) - 8)
		sum = 2
	case protoSCTP: // INIT
		ports()
		l4 = l4[:32]
		b = b[:head+32]
		l4[12] = 1
		binary.BigEndian.PutUint16(l4[14:], 20)
		mark(16)
		binary.BigEndian.PutUint16(l4[24:], 1)
		binary.BigEndian.PutUint16(l4[26:], 1)
		binary.LittleEndian.PutUint32(l4[8:], crc32.Checksum(l4, crc32.MakeTable(crc32.Castagnoli)))
	case protoDCCP:
		ports()
		l4[4], l4[8] = 4, 1
		mark(16)
	default:
		l4[2] = 8 // of GRE: IPv4 inside
		mark(8)
	}
	p.Length = uint16(len(b))
	if v6 {
		b[0], b[1] = 0x60|p.TOS>>4, p.TOS<<4
		binary.BigEndian.PutUint16(b[4:], uint16(len(l4)))
		b[6], b[7] = p.Proto, p.TTL
		copy(b[8:], p.Src.AsSlice())
		copy(b[24:], p.Dst.AsSlice())
	} else {
		b[0], b[1] = 0x45, p.TOS
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		b[6], b[8], b[9] = 0x40, p.TTL, p.Proto
		copy(b[12:], p.Src.AsSlice())
		copy(b[16:], p.Dst.AsSlice())
		binary.BigEndian.PutUint16(b[10:], checksum(0, b[:20]))
	}
	if sum >= 0 {
		var pseudo uint32
		if p.Proto != protoICMP {
			pseudo = partial(0, p.Src.AsSlice())
			pseudo = partial(pseudo, p.Dst.AsSlice())
			pseudo += uint32(checkedAs(p.Proto)) + uint32(len(l4))
		}
		c := checksum(pseudo, l4)
		if c == 0 {
			c = 0xffff
		}
		binary.BigEndian.PutUint16(l4[sum:], c)
	}
	return b
}

func partial(sum uint32, b []byte) uint32 {
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	return sum
}

func checksum(sum uint32, b []byte) uint16 {
	sum = partial(sum, b)
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// heard is a packet that came out, as far as it tells.
type heard struct {
	id       uint32
	src, dst netip.Addr
	dport    uint16
	proto    uint8
	// reject is the answer that it is: "tcp-reset", or an ICMP error.
	reject string
	answer bool // it is an ICMP error
}

// listen reads the network layer's bytes.
func listen(b []byte) (h heard, ok bool) {
	if len(b) < 40 {
		return h, false
	}
	var l4 []byte
	switch b[0] >> 4 {
	case 4:
		h.src, h.dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		h.proto, l4 = b[9], b[20:]
	case 6:
		h.src, h.dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		h.proto, l4 = b[6], b[40:]
	default:
		return h, false
	}
	for i := 0; i+8 <= len(l4); i++ {
		if binary.BigEndian.Uint32(l4[i:]) == probeMagic {
			h.id, ok = binary.BigEndian.Uint32(l4[i+4:]), true
			break
		}
	}
	if len(l4) >= 4 {
		h.dport = binary.BigEndian.Uint16(l4[2:])
	}
	switch {
	case h.proto == protoTCP && !ok && len(l4) >= 20 && l4[13]&4 != 0:
		h.id = max(binary.BigEndian.Uint32(l4[4:]), binary.BigEndian.Uint32(l4[8:])) >> 8
		h.reject, ok = "tcp-reset", true
	case (h.proto == protoICMP || h.proto == protoICMPv6) && ok:
		h.icmp(l4)
	}
	return h, ok
}

var icmpAnswers = map[[3]byte]string{
	{protoICMP, 3, 3}: "icmp-port-unreachable", {protoICMP, 3, 10}: "icmp-host-prohibited", {protoICMP, 3, 13}: "icmp-admin-prohibited",
	{protoICMP, 11, 0}: "time-exceeded", {protoICMPv6, 3, 0}: "time-exceeded",
	{protoICMPv6, 1, 4}: "icmp6-port-unreachable", {protoICMPv6, 1, 1}: "icmp6-adm-prohibited", {protoICMPv6, 1, 0}: "icmp6-no-route",
}

// checkedAs is the protocol whose checksum connection tracking wants: it takes
// UDP-Lite's for one of UDP (udplite_error of nf_conntrack_proto_udp.c).
func checkedAs(proto uint8) uint8 {
	if proto == protoUDPLite {
		return protoUDP
	}
	return proto
}

func (h *heard) icmp(l4 []byte) {
	h.answer = icmpError(h.proto, l4[0])
	h.reject = icmpAnswers[[3]byte{h.proto, l4[0], l4[1]}]
}

func icmpError(proto, kind uint8) bool {
	return proto == protoICMP && slices.Contains([]byte{3, 4, 5, 11, 12}, kind) || proto == protoICMPv6 && kind < 128
}
