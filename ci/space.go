package ci

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/fwc-dev/fwc/ruleset/packets"
)

// Box is a set of packets: those that fit every field that is there. Ranges
// have both ends.
type Box struct {
	Src []netip.Prefix `json:"src,omitempty"`
	Dst []netip.Prefix `json:"dst,omitempty"`
	// SrcMask and DstMask are ADDRESS/MASK where the bits are no prefix.
	SrcMask string `json:"srcMask,omitempty"`
	DstMask string `json:"dstMask,omitempty"`
	// Local and LocalMask are the address that a REDIRECT gives, of this host.
	Local     []netip.Prefix `json:"local,omitempty"`
	LocalMask string         `json:"localMask,omitempty"`
	Proto     []string       `json:"proto,omitempty"` // names, or numbers
	SPort     [][2]int64     `json:"sport,omitempty"`
	DPort     [][2]int64     `json:"dport,omitempty"`
	// ICMP are ranges of 256 times the type plus the code.
	ICMP [][2]int64 `json:"icmp,omitempty"`
	// In and Out are names; one with + stands for all that begin so, one with !
	// is left out.
	In       []string   `json:"in,omitempty"`
	Out      []string   `json:"out,omitempty"`
	State    []string   `json:"ctstate,omitempty"`
	Reply    *bool      `json:"reply,omitempty"`
	NAT      []string   `json:"nat,omitempty"`      // what the connection's addresses are, or are not
	Flags    []int      `json:"tcpFlags,omitempty"` // all combinations: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32
	Fragment *bool      `json:"fragment,omitempty"`
	MAC      []string   `json:"mac,omitempty"`
	TTL      [][2]int64 `json:"ttl,omitempty"`
	Length   [][2]int64 `json:"length,omitempty"`
	TOS      []string   `json:"tos,omitempty"` // VALUE/MASK, as the marks
	Type     []string   `json:"pktType,omitempty"`
	Mark     []string   `json:"mark,omitempty"`
	Connmark []string   `json:"connmark,omitempty"`
	// Conditions are matches that are not looked into.
	Conditions []string `json:"conditions,omitempty"`
}

func boxOf(b *packets.Box) Box {
	out := Box{Src: b.Src, Dst: b.Dst, Local: b.Local, SPort: rangesOf(b.SPort), DPort: rangesOf(b.DPort), ICMP: rangesOf(b.ICMP),
		In: valids(b.In), Out: valids(b.Out), Reply: b.Reply, NAT: b.Translated, Fragment: b.Fragment,
		TTL: rangesOf(b.TTL), Length: rangesOf(b.Length), TOS: masksOf(b.TOS), Mark: masksOf(b.Mark), Connmark: masksOf(b.Connmark)}
	for _, r := range b.Proto {
		for n := r.Low; n <= r.High && n <= 255; n++ {
			out.Proto = append(out.Proto, protocol(uint8(n)))
		}
	}
	if b.SrcMask != nil {
		out.SrcMask = b.SrcMask.Value.String() + "/" + b.SrcMask.Mask.String()
	}
	if b.DstMask != nil {
		out.DstMask = b.DstMask.Value.String() + "/" + b.DstMask.Mask.String()
	}
	if b.LocalMask != nil {
		out.LocalMask = b.LocalMask.Value.String() + "/" + b.LocalMask.Mask.String()
	}
	for _, s := range b.State {
		out.State = append(out.State, s.String())
	}
	for _, f := range b.Flags {
		out.Flags = append(out.Flags, int(f))
	}
	for _, r := range b.MAC {
		out.MAC = append(out.MAC, mac(r.Low))
		if r.High != r.Low {
			out.MAC[len(out.MAC)-1] += "-" + mac(r.High)
		}
	}
	for _, t := range b.Type {
		out.Type = append(out.Type, packetTypes[t&3])
	}
	for _, c := range b.Conditions {
		out.Conditions = append(out.Conditions, valid(c.String()))
	}
	return out
}

// packetTypes are those of linux/if_packet.h.
var packetTypes = [4]string{"host", "broadcast", "multicast", "otherhost"}

func rangesOf(list []packets.Range) (out [][2]int64) {
	for _, r := range list {
		out = append(out, [2]int64{int64(r.Low), int64(r.High)})
	}
	return out
}

func masksOf(list []packets.Masked) (out []string) {
	for _, m := range list {
		out = append(out, fmt.Sprintf("0x%x/0x%x", m.Value, m.Mask))
	}
	return out
}

func valids(list []string) (out []string) {
	for _, s := range list {
		out = append(out, valid(s))
	}
	return out
}

func mac(n uint64) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", n>>40&255, n>>32&255, n>>24&255, n>>16&255, n>>8&255, n&255)
}

// protocols are names of the IANA registry that iptables knows too.
var protocols = map[uint8]string{1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 33: "dccp", 47: "gre", 50: "esp", 51: "ah",
	58: "icmpv6", 89: "ospf", 112: "vrrp", 132: "sctp", 136: "udplite"}

func protocol(n uint8) string {
	if s, ok := protocols[n]; ok {
		return s
	}
	return strconv.Itoa(int(n))
}

// Example is one packet of a region.
type Example struct {
	Src   netip.Addr `json:"src"`
	Dst   netip.Addr `json:"dst"`
	Proto string     `json:"proto"`
	SPort *int       `json:"sport,omitempty"`
	DPort *int       `json:"dport,omitempty"`
	// ICMPType and ICMPCode are there for ICMP, Flags for TCP.
	ICMPType *int   `json:"icmpType,omitempty"`
	ICMPCode *int   `json:"icmpCode,omitempty"`
	Flags    *int   `json:"tcpFlags,omitempty"`
	In       string `json:"in,omitempty"`
	Out      string `json:"out,omitempty"`
	State    string `json:"ctstate"`
	Mark     uint32 `json:"mark,omitempty"`
}

func exampleOf(p *packets.Packet) Example {
	number := func(n int) *int { return &n }
	e := Example{Src: p.Src, Dst: p.Dst, Proto: protocol(p.Proto), In: valid(p.In), Out: valid(p.Out), State: p.State.String(), Mark: p.Mark}
	switch p.Proto {
	case 6, 17, 33, 132, 136:
		e.SPort, e.DPort = number(int(p.SPort)), number(int(p.DPort))
	case 1, 58:
		e.ICMPType, e.ICMPCode = number(int(p.ICMPType)), number(int(p.ICMPCode))
	}
	if p.Proto == 6 {
		e.Flags = number(int(p.Flags))
	}
	return e
}

// String is the packet in one line: "tcp 192.0.2.1:1024 → 198.51.100.1:80 in
// eth0 NEW".
func (e *Example) String() string {
	end := func(a netip.Addr, port *int) string {
		if port == nil {
			return a.String()
		}
		return netip.AddrPortFrom(a, uint16(*port)).String()
	}
	s := e.Proto + " " + end(e.Src, e.SPort) + " → " + end(e.Dst, e.DPort)
	if e.ICMPType != nil {
		s += fmt.Sprintf(" type %d/%d", *e.ICMPType, *e.ICMPCode)
	}
	if e.In != "" {
		s += " in " + e.In
	}
	if e.Out != "" {
		s += " out " + e.Out
	}
	s += " " + e.State
	if e.Mark != 0 {
		s += fmt.Sprintf(" mark 0x%x", e.Mark)
	}
	return s
}
