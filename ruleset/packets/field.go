package packets

// field is a dimension of packet space.
type field uint8

// The fields in the order in which a diagram asks for them. What rules tell
// apart the most comes first: below, many rules share what is left, while few
// values above, such as interfaces, would make a copy each of all below. The
// marks stand bit by bit beside one another.
const (
	fieldDst field = iota
	// The address of the router that a REDIRECT gives: as good as a field of
	// the packet, since nobody here knows it.
	fieldLocal
	fieldProto
	fieldDport
	fieldSrc
	fieldSport
	fieldICMP // type<<8 | code
	fieldFlags
	fieldIn
	fieldOut
	fieldState
	fieldDir  // 0 original, 1 reply
	fieldDNAT // the connection's status: its destination is translated
	fieldSNAT
	fieldFragment // not the first fragment
	fieldMAC      // source
	fieldTOS
	fieldTTL
	fieldLength
	fieldPacketType
	fieldMark
	fieldConnmark
	// What happened on the way; they are 0 when a packet comes in.
	fieldNotrack
	fieldTemplate    // a CT rule has given it what its connection is to be
	fieldTranslation // the number of the DNAT that it met
	fieldSource      // the number of the SNAT that it met
	fieldMarkMade    // nobody here knows what mark it has
	fieldConnmarkMade
	fields
)

// The values of fieldState.
const (
	stateNew = iota
	stateEstablished
	stateRelated
	stateInvalid
	stateUntracked
	states
)

var stateNames = [states]string{"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"}

// The values of fieldPacketType, PACKET_HOST and on of linux/if_packet.h.
var packetTypes = []string{"unicast", "broadcast", "multicast", "otherhost"}

var widths = [fields]int{
	fieldIn: 128, fieldOut: 128, fieldProto: 8, fieldDst: 32, fieldLocal: 32, fieldDport: 16, fieldSrc: 32, fieldSport: 16,
	fieldICMP: 16, fieldFlags: 6, fieldState: 3, fieldDir: 1, fieldDNAT: 1, fieldSNAT: 1, fieldFragment: 1,
	fieldMAC: 48, fieldTOS: 8, fieldTTL: 8, fieldLength: 16, fieldPacketType: 2, fieldMark: 32, fieldConnmark: 32,
	fieldNotrack: 1, fieldTemplate: 1, fieldTranslation: 31, fieldSource: 31, fieldMarkMade: 1, fieldConnmarkMade: 1,
}

// width returns the number of bits of a field.
func (f field) width(v6 bool) int {
	if v6 && (f == fieldSrc || f == fieldDst || f == fieldLocal) {
		return 128
	}
	return widths[f]
}

// limit returns the largest value of a field.
func (f field) limit(v6 bool) value {
	switch f {
	case fieldState:
		return number(states - 1)
	}
	return ones(f.width(v6))
}

// bitwise says that a field's tests and changes are about single bits.
func (f field) bitwise() bool { return f == fieldMark || f == fieldConnmark || f == fieldTOS }

// Protocols that the package knows by number.
const (
	protoICMP, protoTCP, protoUDP, protoDCCP      = 1, 6, 17, 33
	protoICMPv6, protoSCTP, protoUDPLite, protoAH = 58, 132, 136, 51
)
