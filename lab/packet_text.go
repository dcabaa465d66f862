package lab

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ParsePacket reads a packet from words:
//
//	tcp 203.0.113.9:40000 > 172.16.200.1:8800 in eth0
//	icmp 192.0.2.1 > 192.0.2.2 type 8/0 in eth0 ttl 1
//	udp [2001:db8::1]:53 > [2001:db8::2]:40000 mark 0x1
//	tcp 192.0.2.1 > 192.0.2.2:22 in eth0 flags SYN,ACK length 1500
//
// Words that may follow the addresses, in any order: in NAME, type T or T/C,
// flags LIST (SYN if there is none, NONE for none), ttl N, tos N, length N,
// mark N, mac ADDRESS, broadcast, multicast, badsum, payload TEXT or 0xHEX. A
// port that is left out is 40000 of the sender and 80 of the receiver; an ICMP
// type is that of an echo request.
func ParsePacket(text string) (Packet, error) {
	words := strings.Fields(strings.ReplaceAll(strings.ReplaceAll(text, "→", " > "), ">", " > "))
	if len(words) < 4 || words[2] != ">" {
		return Packet{}, fmt.Errorf("%q is no packet: want PROTOCOL SOURCE[:PORT] > DESTINATION[:PORT] [in INTERFACE]", text)
	}
	p := Packet{Flags: synFlag}
	var err error
	if p.Proto, err = parseProtocol(words[0]); err != nil {
		return Packet{}, err
	}
	if p.Src, p.SPort, err = parseEnd(words[1], 40000); err != nil {
		return Packet{}, err
	}
	if p.Dst, p.DPort, err = parseEnd(words[3], 80); err != nil {
		return Packet{}, err
	}
	switch {
	case p.Src.Is6() != p.Dst.Is6():
		return Packet{}, fmt.Errorf("%s and %s are of two families", p.Src, p.Dst)
	case p.V6() && p.Proto == ICMP:
		p.Proto = ICMPv6
	}
	switch p.Proto {
	case ICMP:
		p.ICMPType = echoRequest
	case ICMPv6:
		p.ICMPType = echoRequestV6
	}
	if !Ports(p.Proto) {
		p.SPort, p.DPort = 0, 0
	}
	if p.Proto != TCP {
		p.Flags = 0
	}
	for rest := words[4:]; len(rest) > 0; {
		n, err := p.word(rest)
		if err != nil {
			return Packet{}, err
		}
		rest = rest[n:]
	}
	return p, nil
}

// valueForms say what the words take that take no plain number.
var valueForms = map[string]string{
	"type":    "a number, or TYPE/CODE such as 8/0",
	"flags":   "some of FIN,SYN,RST,PSH,ACK,URG",
	"mac":     "six bytes such as 02:00:00:00:00:01",
	"payload": "hexadecimal digits behind 0x",
	"ttl":     "a number up to 255",
	"tos":     "a number up to 255",
}

// word reads one word with its value and returns how many words that were.
func (p *Packet) word(rest []string) (int, error) {
	switch rest[0] {
	case "broadcast":
		p.Cast = Broadcast
		return 1, nil
	case "multicast":
		p.Cast = Multicast
		return 1, nil
	case "badsum":
		p.BadSum = true
		return 1, nil
	}
	if len(rest) < 2 {
		return 0, fmt.Errorf("%q wants a value, or is no word of a packet", rest[0])
	}
	var err error
	number := func(text string, bits int) uint64 {
		n, nerr := strconv.ParseUint(text, 0, bits)
		err = errors.Join(err, nerr)
		return n
	}
	switch v := rest[1]; rest[0] {
	case "in":
		p.In = v
	case "ttl":
		p.TTL = uint8(number(v, 8))
	case "tos":
		p.TOS = uint8(number(v, 8))
	case "length":
		p.Length = uint16(number(v, 16))
	case "mark":
		p.Mark = uint32(number(v, 32))
	case "type":
		kind, code, both := strings.Cut(v, "/")
		p.ICMPType, p.ICMPCode = uint8(number(kind, 8)), 0
		if both {
			p.ICMPCode = uint8(number(code, 8))
		}
	case "flags":
		p.Flags, err = parseFlags(v)
	case "mac":
		var m net.HardwareAddr
		if m, err = net.ParseMAC(v); err == nil {
			if len(m) != 6 {
				return 0, fmt.Errorf("%s %q is no value: want %s", rest[0], v, valueForms["mac"])
			}
			p.MAC = [6]byte(m)
		}
	case "payload":
		p.Payload = []byte(v)
		if h, ok := strings.CutPrefix(v, "0x"); ok {
			p.Payload, err = hex.DecodeString(h)
		}
	default:
		return 0, fmt.Errorf("%q is no word of a packet", rest[0])
	}
	if err != nil {
		return 0, fmt.Errorf("%s %q is no value: want %s", rest[0], rest[1], cmp.Or(valueForms[rest[0]], "a number"))
	}
	return 2, nil
}

func parseProtocol(s string) (uint8, error) {
	for _, p := range protocolNames {
		if p.name == strings.ToLower(s) {
			return p.number, nil
		}
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("%q is no protocol such as tcp, udp, icmp, icmpv6, sctp, gre or 47", s)
	}
	return uint8(n), nil
}

func parseEnd(s string, port uint16) (netip.Addr, uint16, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && a.Zone() == "" {
		return a.Unmap(), port, nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Addr().Zone() != "" {
		return netip.Addr{}, 0, fmt.Errorf("%q is no address or ADDRESS:PORT", s)
	}
	return a.Addr().Unmap(), a.Port(), nil
}

func parseFlags(s string) (uint8, error) {
	var flags uint8
	for name := range strings.SplitSeq(strings.ToUpper(s), ",") {
		i := slices.Index(flagNames, name)
		switch {
		case name == "NONE":
		case i < 0:
			return 0, fmt.Errorf("%q is no TCP flag", name)
		default:
			flags |= 1 << i
		}
	}
	return flags, nil
}
