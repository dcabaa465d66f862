package packets

import (
	"net/netip"
	"strconv"
)

// State is a connection's state as conntrack tells it of a packet.
type State uint8

// The states.
const (
	StateNew         State = stateNew
	StateEstablished State = stateEstablished
	StateRelated     State = stateRelated
	StateInvalid     State = stateInvalid
	StateUntracked   State = stateUntracked
)

// String returns the state as iptables writes it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "state " + strconv.Itoa(int(s))
}

// Packet is one packet as it comes to the first hook of its journey.
type Packet struct {
	Src, Dst     netip.Addr
	Local        netip.Addr // the router's own, that a REDIRECT gives
	Proto        uint8
	SPort, DPort uint16 // of protocols that have ports
	ICMPType     uint8
	ICMPCode     uint8
	Flags        uint8 // of TCP: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32
	In, Out      string
	State        State
	Reply        bool // it goes against its connection's direction
	DNAT, SNAT   bool // its connection's addresses are translated
	Fragment     bool // not the first
	MAC          [6]byte
	TOS, TTL     uint8
	Length       uint16
	Type         uint8 // 0 for us, 1 broadcast, 2 multicast, 3 for another host
	Mark         uint32
	Connmark     uint32
	// Holds are the atoms that hold, by their String.
	Holds map[string]bool
}

// valueOf returns a field of the packet.
func (p *Packet) valueOf(f field) value {
	switch f {
	case fieldIn:
		return ofName(p.In)
	case fieldOut:
		return ofName(p.Out)
	case fieldProto:
		return number(uint64(p.Proto))
	case fieldSrc:
		return ofAddress(p.Src)
	case fieldDst:
		return ofAddress(p.Dst)
	case fieldLocal:
		return ofAddress(p.Local)
	case fieldSport:
		return number(uint64(p.SPort))
	case fieldDport:
		return number(uint64(p.DPort))
	case fieldICMP:
		return number(uint64(p.ICMPType)<<8 | uint64(p.ICMPCode))
	case fieldFlags:
		return number(uint64(p.Flags))
	case fieldState:
		return number(uint64(p.State))
	case fieldDir:
		return flagged(p.Reply)
	case fieldDNAT:
		return flagged(p.DNAT)
	case fieldSNAT:
		return flagged(p.SNAT)
	case fieldFragment:
		return flagged(p.Fragment)
	case fieldMAC:
		var n uint64
		for _, b := range p.MAC {
			n = n<<8 | uint64(b)
		}
		return number(n)
	case fieldTOS:
		return number(uint64(p.TOS))
	case fieldTTL:
		return number(uint64(p.TTL))
	case fieldLength:
		return number(uint64(p.Length))
	case fieldPacketType:
		return number(uint64(p.Type))
	case fieldMark:
		return number(uint64(p.Mark))
	case fieldConnmark:
		return number(uint64(p.Connmark))
	}
	return value{}
}

func flagged(b bool) value {
	if b {
		return number(1)
	}
	return value{}
}
