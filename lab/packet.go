package lab

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Cast is whom a frame is for.
type Cast uint8

// The casts, as PACKET_HOST and on of linux/if_packet.h.
const (
	Unicast Cast = iota
	Broadcast
	Multicast
)

// Packet is what a frame is made from. Its zero fields are what an ordinary
// packet has: see Frame.
type Packet struct {
	// In is the interface that the packet comes in by, "" if the router itself
	// sends it.
	In       string
	Src, Dst netip.Addr // of one family
	Proto    uint8
	// SPort and DPort are of TCP, UDP, SCTP, DCCP and UDP-Lite.
	SPort, DPort       uint16
	ICMPType, ICMPCode uint8
	Flags              uint8 // of TCP: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32
	TTL                uint8 // 0 stands for 64
	TOS                uint8
	// Length is that of the whole packet from the network header on; 0 is as
	// long as it needs to be.
	Length uint16
	MAC    [6]byte // the sender's; zero is 02:00:00:00:00:01
	Cast   Cast
	// Mark is the packet's when it comes to the first rule.
	Mark uint32
	// Connmark is given to the connection that the packet begins.
	Connmark uint32
	// Payload comes behind the transport header.
	Payload []byte
	// Inner is what an ICMP error quotes.
	Inner *Packet
	// BadSum makes the transport checksum a wrong one.
	BadSum bool
	// UID and GID are whose socket the router sends the packet by.
	UID, GID uint32
	// ID tells the packet from others: it is in the payload, and in the sequence
	// number of TCP.
	ID uint16
}

// The protocols whose headers a frame has. Others are their payload.
const (
	ICMP, TCP, UDP, DCCP, GRE     = 1, 6, 17, 33, 47
	ICMPv6, SCTP, UDPLite         = 58, 132, 136
	finFlag, synFlag, rstFlag     = 1, 2, 4
	pshFlag, ackFlag, urgFlag     = 8, 16, 32
	echoRequest, echoReply        = 8, 0
	echoRequestV6, echoReplyV6    = 128, 129
	defaultTTL                    = 64
	ipv4Header, ipv6Header, ether = 20, 40, 14
)

// protocolNames are those that iptables takes, and the icmp6 of specs; the first
// of a number is the one that is printed.
var protocolNames = []struct {
	name   string
	number uint8
}{{"icmp", ICMP}, {"igmp", 2}, {"tcp", TCP}, {"udp", UDP}, {"dccp", DCCP}, {"gre", GRE}, {"esp", 50}, {"ah", 51},
	{"icmpv6", ICMPv6}, {"ipv6-icmp", ICMPv6}, {"icmp6", ICMPv6}, {"ospf", 89}, {"vrrp", 112}, {"sctp", SCTP}, {"udplite", UDPLite}}

// ProtocolName returns the name of a protocol, or its number.
func ProtocolName(n uint8) string {
	for _, p := range protocolNames {
		if p.number == n {
			return p.name
		}
	}
	return strconv.Itoa(int(n))
}

// Ports says whether packets of the protocol have ports.
func Ports(proto uint8) bool {
	switch proto {
	case TCP, UDP, SCTP, DCCP, UDPLite:
		return true
	}
	return false
}

// V6 says whether the packet is of IPv6.
func (p *Packet) V6() bool { return p.Src.Is6() }

// flagNames are TCP's in the order of their bits.
var flagNames = []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"}

// String returns the packet as ParsePacket reads it. What a packet quotes and
// carries is not part of it.
func (p Packet) String() string {
	var b strings.Builder
	end := func(a netip.Addr, port uint16) string {
		if !Ports(p.Proto) {
			return a.String()
		}
		return netip.AddrPortFrom(a, port).String()
	}
	fmt.Fprintf(&b, "%s %s > %s", ProtocolName(p.Proto), end(p.Src, p.SPort), end(p.Dst, p.DPort))
	if p.Proto == ICMP || p.Proto == ICMPv6 {
		fmt.Fprintf(&b, " type %d/%d", p.ICMPType, p.ICMPCode)
	}
	if p.In != "" {
		b.WriteString(" in " + p.In)
	}
	if p.Proto == TCP && p.Flags != synFlag {
		b.WriteString(" flags " + FlagWords(p.Flags))
	}
	word := func(yes bool, format string, v any) {
		if yes {
			fmt.Fprintf(&b, format, v)
		}
	}
	word(p.TTL != 0 && p.TTL != defaultTTL, " ttl %d", p.TTL)
	word(p.TOS != 0, " tos 0x%x", p.TOS)
	word(p.Length != 0, " length %d", p.Length)
	word(p.Mark != 0, " mark 0x%x", p.Mark)
	word(p.MAC != [6]byte{}, " mac %s", macText(p.MAC))
	word(p.Cast == Broadcast, " %s", "broadcast")
	word(p.Cast == Multicast, " %s", "multicast")
	word(p.BadSum, " %s", "badsum")
	word(len(p.Payload) > 0, " payload 0x%s", hex.EncodeToString(p.Payload))
	return b.String()
}

// FlagWords returns TCP flags as iptables lists them: SYN,ACK or NONE.
func FlagWords(flags uint8) string {
	var list []string
	for i, name := range flagNames {
		if flags>>i&1 == 1 {
			list = append(list, name)
		}
	}
	if list == nil {
		return "NONE"
	}
	return strings.Join(list, ",")
}

func macText(m [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}
