package xtables

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// protocolList are the names of protocols(5), number first, then the name
// that a save prints and others that mean the same. iptables looks in a list
// of its own before that file; where they differ its names stand here.
const protocolList = `0 all ip hopopt|1 icmp|2 igmp|3 ggp|4 ipencap ip-encap|5 st|6 tcp|8 egp|9 igp|12 pup|17 udp
20 hmp|22 xns-idp|27 rdp|29 iso-tp4|33 dccp|36 xtp|37 ddp|38 idpr-cmtp|41 ipv6|43 ipv6-route|44 ipv6-frag
45 idrp|46 rsvp|47 gre|50 esp ipsec-esp|51 ah ipsec-ah|57 skip|58 ipv6-icmp icmpv6|59 ipv6-nonxt|60 ipv6-opts
73 rspf cphb|81 vmtp|88 eigrp|89 ospf ospfigp|93 ax.25|94 ipip|97 etherip|98 encap|103 pim|108 ipcomp|112 vrrp
115 l2tp|124 isis|132 sctp|133 fc|135 mobility-header ipv6-mh mh|136 udplite|137 mpls-in-ip|138 manet|139 hip
140 shim6|141 wesp|142 rohc|143 ethernet`

var protocolNumbers, protocolNames = parseProtocols(protocolList)

func parseProtocols(list string) (map[string]int, [256]string) {
	numbers, names := make(map[string]int), [256]string{}
	for _, entry := range strings.FieldsFunc(list, func(r rune) bool { return r == '|' || r == '\n' }) {
		fields := strings.Fields(entry)
		n, err := strconv.Atoi(fields[0])
		if err != nil {
			panic("xtables: protocols: " + err.Error())
		}
		names[n] = fields[1]
		for _, name := range fields[1:] {
			numbers[name] = n
		}
	}
	return numbers, names
}

// protocolNumber returns the number of a protocol given by number or name in
// lower case.
func protocolNumber(s string) (int, error) {
	if n, ok := parseUint(s, 255); ok {
		return int(n), nil
	}
	if n, ok := protocolNumbers[s]; ok {
		return n, nil
	}
	return 0, fmt.Errorf("unknown protocol %q", s)
}

// protocolName returns the name that a save prints: the number where there
// is none.
func protocolName(n int) string {
	if name := protocolNames[n]; name != "" {
		return name
	}
	return strconv.Itoa(n)
}

// protocolMatch returns the name of the match that belongs to a protocol.
func protocolMatch(kind ruleset.Kind, proto int) string {
	switch name := protocolName(proto); {
	case name == "ipv6-icmp" && kind == ruleset.IP6Tables:
		return "icmp6"
	case name == "mobility-header":
		return "mh"
	default:
		return name
	}
}

// protocolByNumber is a value: a protocol that the save writes as a number.
func protocolByNumber(_ *env, s string) (string, error) {
	n, err := protocolNumber(strings.ToLower(s))
	return strconv.Itoa(n), err
}

// protocolByName is a value: a protocol that the save writes by name.
func protocolByName(_ *env, s string) (string, error) {
	n, err := protocolNumber(strings.ToLower(s))
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "ip", nil // protocols(5), without iptables' own list
	}
	return protocolName(n), nil
}

// ProtocolNumber returns the number of a protocol that the text of a rule
// gives by number or name.
func ProtocolNumber(s string) (uint8, error) {
	n, err := protocolNumber(strings.ToLower(s))
	return uint8(n), err
}
