package ipset

import (
	"fmt"
	"strconv"
	"strings"
)

// protocols are the names that Debian 12's /etc/protocols gives the numbers;
// ipset prints a number that has no name as it is.
var protocols = map[string]uint8{
	"icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9, "pup": 12,
	"udp": 17, "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29, "dccp": 33, "xtp": 36, "ddp": 37,
	"idpr-cmtp": 38, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45, "rsvp": 46, "gre": 47,
	"esp": 50, "ah": 51, "skip": 57, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60,
	"rspf": 73, "vmtp": 81, "eigrp": 88, "ospf": 89, "ax.25": 93, "ipip": 94, "etherip": 97, "encap": 98,
	"pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "isis": 124, "sctp": 132, "fc": 133,
	"mobility-header": 135, "udplite": 136, "mpls-in-ip": 137, "manet": 138, "hip": 139, "shim6": 140,
	"wesp": 141, "rohc": 142, "ethernet": 143,
}

// protocolNames prefers the name that getprotobynumber gives.
var protocolNames = func() map[uint8]string {
	m := make(map[uint8]string, len(protocols))
	for name, n := range protocols {
		if name != "icmpv6" {
			m[n] = name
		}
	}
	return m
}()

// parsePorts reads [PROTO:]PORT[-PORT] and returns the protocol and the range.
func parsePorts(s string, v6 bool) (proto uint8, from, to uint16, err error) {
	name, rest, ok := strings.Cut(s, ":")
	if !ok {
		name, rest = "tcp", s
	}
	proto, known := protocols[strings.ToLower(name)]
	if !known {
		n, isNumber := decimal(name, 255)
		if !isNumber || n == 0 {
			return 0, 0, 0, fmt.Errorf("protocol %q is not known", name)
		}
		proto = uint8(n)
	}
	switch proto {
	case 6, 17, 132, 136:
		from, to, err = parsePortRange(rest)
	case 1, 58:
		if v6 != (proto == 58) {
			return 0, 0, 0, fmt.Errorf("protocol %s does not fit the address family", name)
		}
		from, err = parseICMP(rest, v6)
		to = from
	default:
		if rest != "0" {
			err = fmt.Errorf("protocol %s can have port 0 only, not %q", name, rest)
		}
	}
	return proto, from, to, err
}

// parsePortRange reads PORT[-PORT]. Service names are refused: what they stand
// for depends on the host's /etc/services, and ipset save prints numbers.
func parsePortRange(s string) (from, to uint16, err error) {
	lo, hi, isRange := strings.Cut(s, "-")
	if !isRange {
		hi = lo
	}
	a, okA := decimal(lo, 65535)
	b, okB := decimal(hi, 65535)
	if !okA || !okB {
		return 0, 0, fmt.Errorf("%q is no port number", s)
	}
	if a > b {
		a, b = b, a
	}
	return uint16(a), uint16(b), nil
}

// formatPort writes a port as ipset save does.
func formatPort(proto uint8, port uint16) string {
	name, ok := protocolNames[proto]
	if !ok {
		name = strconv.Itoa(int(proto))
	}
	switch proto {
	case 1, 58:
		return name + ":" + formatICMP(port, proto == 58)
	}
	return name + ":" + strconv.Itoa(int(port))
}

// decimal reads a plain decimal number up to limit.
func decimal(s string, limit uint32) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > uint64(limit) || s[0] == '+' {
		return 0, false
	}
	return uint32(n), true
}

// ParsePort reads the port of a set's member, "tcp:80" or "icmp:8/0": the
// protocol's number and the port, which is type<<8 | code of an ICMP.
func ParsePort(s string, v6 bool) (proto uint8, port uint16, err error) {
	proto, port, _, err = parsePorts(s, v6)
	return proto, port, err
}
