package xtables

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// bridgeMatches are the matches and watchers of ebtables.
var bridgeMatches = []extension{
	{name: "802_3", needs: "Length", options: []option{
		{name: "802_3-sap", value: bridgeHex("0x%02x", 255), invert: true},
		{name: "802_3-type", value: bridgeHex("0x%04x", 65535), invert: true},
	}},
	{name: "among", options: []option{
		{name: "among-src", value: among, invert: true},
		{name: "among-dst", value: among, invert: true},
	}},
	{name: "arp", needs: "ARP RARP", options: []option{
		{name: "arp-op", aliases: "arp-opcode", value: bridgeOpcode, invert: true},
		{name: "arp-htype", value: decimalOr("Ethernet", 1), invert: true},
		{name: "arp-ptype", value: etherTypeNumber("0x%x"), invert: true},
		{name: "arp-ip-src", value: hostMask(true, false), invert: true},
		{name: "arp-ip-dst", value: hostMask(true, false), invert: true},
		{name: "arp-mac-src", value: macMask, invert: true},
		{name: "arp-mac-dst", value: macMask, invert: true},
		{name: "arp-gratuitous", args: none, invert: true},
	}},
	{name: "ip", needs: "IPv4", options: []option{
		{name: "ip-src", aliases: "ip-source", value: hostMask(true, false), invert: true},
		{name: "ip-dst", aliases: "ip-destination", value: hostMask(true, false), invert: true},
		{name: "ip-tos", value: formatted("0x%02X", 0, 255), invert: true},
		{name: "ip-proto", aliases: "ip-protocol", value: protocolByName, invert: true},
		{name: "ip-sport", aliases: "ip-source-port", value: ports, invert: true},
		{name: "ip-dport", aliases: "ip-destination-port", value: ports, invert: true},
		{name: "ip-icmp-type", value: bridgeICMP(icmpTypes), invert: true},
		{name: "ip-igmp-type", value: igmpType, invert: true},
	}},
	{name: "ip6", needs: "IPv6", options: []option{
		{name: "ip6-src", aliases: "ip6-source", value: bridgeIPv6, invert: true},
		{name: "ip6-dst", aliases: "ip6-destination", value: bridgeIPv6, invert: true},
		{name: "ip6-tclass", value: formatted("0x%02X", 0, 255), invert: true},
		{name: "ip6-proto", aliases: "ip6-protocol", value: protocolByName, invert: true},
		{name: "ip6-sport", aliases: "ip6-source-port", value: ports, invert: true},
		{name: "ip6-dport", aliases: "ip6-destination-port", value: ports, invert: true},
		{name: "ip6-icmp-type", value: bridgeICMP(icmpv6Types), invert: true},
	}},
	{name: "limit", options: []option{
		{name: "limit", value: limitRate, fill: "3/hour"},
		{name: "limit-burst", value: number(0, 10000), fill: "5"},
	}},
	{name: "log", options: []option{
		{name: "log", args: none},
		{name: "log-level", value: bridgeLogLevel, fill: "notice"},
		{name: "log-prefix", value: atMost(29), quoting: Always},
		{name: "log-ip", args: none},
		{name: "log-arp", args: none},
		{name: "log-ip6", args: none},
	}, finish: without("--log", "--log-prefix")},
	{name: "mark_m", options: []option{{name: "mark", value: bridgeMark, invert: true}}},
	{name: "nflog", options: []option{
		{name: "nflog", args: none},
		{name: "nflog-prefix", value: atMost(63), quoting: Always},
		{name: "nflog-group", value: number(1, 65535), fill: "1"},
		{name: "nflog-range", value: number(0, all32), omit: "0"},
		{name: "nflog-threshold", value: number(0, 65535), omit: "1"},
	}, finish: without("--nflog", "--nflog-prefix")},
	{name: "pkttype", options: []option{{name: "pkttype-type", value: packetType, invert: true}}},
	{name: "stp", options: []option{
		{name: "stp-type", value: decimal(255, map[string]uint64{"config": 0, "tcn": 128}), invert: true},
		{name: "stp-flags", value: decimal(255, map[string]uint64{"topology-change": 1, "topology-change-ack": 128}), invert: true},
		{name: "stp-root-prio", value: decimals(65535), invert: true},
		{name: "stp-root-addr", value: macMask, invert: true},
		{name: "stp-root-cost", value: decimals(all32), invert: true},
		{name: "stp-sender-prio", value: decimals(65535), invert: true},
		{name: "stp-sender-addr", value: macMask, invert: true},
		{name: "stp-port", value: decimals(65535), invert: true},
		{name: "stp-msg-age", value: decimals(65535), invert: true},
		{name: "stp-max-age", value: decimals(65535), invert: true},
		{name: "stp-hello-time", value: decimals(65535), invert: true},
		{name: "stp-forward-delay", value: decimals(65535), invert: true},
	}},
	{name: "vlan", needs: "802_1Q", options: []option{
		{name: "vlan-id", value: decimals(4094), invert: true},
		{name: "vlan-prio", value: decimals(7), invert: true},
		{name: "vlan-encap", value: etherTypeNumber("%04X"), invert: true},
	}},
}

// bridgeHex is a value: a number in hexadecimal, with or without 0x.
func bridgeHex(format string, limit uint64) value {
	return func(_ *env, s string) (string, error) {
		n, rest, ok := scanHex(s, limit)
		if !ok || rest != "" {
			return "", badNumber(0, limit)
		}
		return fmt.Sprintf(format, n), nil
	}
}

// without drops the option that only names the watcher, and an empty prefix.
func without(name, prefix string) func(*env, *Module) error {
	return func(e *env, m *Module) error {
		var options []Option
		for _, o := range m.Options {
			if o.Name != name {
				options = append(options, o)
			}
		}
		m.Options = options
		return dropEmpty(prefix)(e, m)
	}
}

// among is a value: hardware addresses, each with an IP address if that must
// fit too, in the order of their bytes and printed without leading zeros.
func among(e *env, s string) (string, error) {
	type pair struct {
		mac [6]byte
		ip  netip.Addr
	}
	var pairs []pair
	for item := range strings.SplitSeq(strings.Trim(s, ","), ",") {
		address, ip, hasIP := strings.Cut(item, "=")
		p := pair{ip: netip.AddrFrom4([4]byte{})}
		var ok bool
		if p.mac, ok = scanMAC(address); !ok {
			return "", fmt.Errorf("invalid MAC address %q", address)
		}
		if hasIP {
			var err error
			if p.ip, err = netip.ParseAddr(ip); err != nil || !p.ip.Is4() {
				return "", fmt.Errorf("bad IP address %q", ip)
			}
		}
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(bytes.Compare(a.mac[:], b.mac[:]), a.ip.Compare(b.ip))
	})
	list := make([]string, len(pairs))
	for i, p := range pairs {
		m := p.mac
		list[i] = fmt.Sprintf("%x:%x:%x:%x:%x:%x", m[0], m[1], m[2], m[3], m[4], m[5])
		if !p.ip.IsUnspecified() {
			list[i] += "=" + p.ip.String()
		}
	}
	return strings.Join(list, ","), nil
}

// bridgeOpcode is a value: an ARP operation by number or name, printed by
// name.
func bridgeOpcode(_ *env, s string) (string, error) {
	for i, name := range arpOpcodes {
		if sameName(name, s) || s == strconv.Itoa(i+1) {
			return name, nil
		}
	}
	n, ok := parseDecimal(s, 65535)
	if !ok {
		return "", fmt.Errorf("unknown ARP opcode")
	}
	return strconv.FormatUint(n, 10), nil
}

// decimalOr is a value: a decimal number, or the name of one.
func decimalOr(name string, number uint64) value {
	return func(_ *env, s string) (string, error) {
		n, ok := parseDecimal(s, 65535)
		if sameName(name, s) {
			n, ok = number, true
		}
		if !ok {
			return "", badNumber(0, 65535)
		}
		return strconv.FormatUint(n, 10), nil
	}
}

// bridgeIPv6 is a value: an IPv6 address with its mask.
func bridgeIPv6(_ *env, s string) (string, error) {
	return hostMask(true, false)(&env{kind: ruleset.IP6Tables}, s)
}

// bridgeICMP is a value: a type or range of types, with a code or range of
// codes. What has a name is printed by it.
func bridgeICMP(types []icmpType) value {
	return func(e *env, s string) (string, error) {
		kinds, codes, hasCodes := strings.Cut(s, "/")
		if t, err := findICMP(types, s); err == nil {
			kinds, codes, hasCodes = strconv.Itoa(t.kind), strconv.Itoa(t.code), t.code >= 0
		}
		k, err := decimals(255)(e, kinds)
		if err != nil {
			return "", fmt.Errorf("unknown ICMP type %q", s)
		}
		c := "0:255"
		if hasCodes {
			if c, err = decimals(255)(e, codes); err != nil {
				return "", fmt.Errorf("unknown ICMP code %q", codes)
			}
		}
		for _, t := range types {
			code := "0:255"
			if t.code >= 0 {
				code = strconv.Itoa(t.code)
			}
			if k == strconv.Itoa(t.kind) && c == code {
				return t.name, nil
			}
		}
		return k + "/" + c, nil
	}
}

// igmpType is a value: an IGMP type or a range of them.
func igmpType(e *env, s string) (string, error) {
	types := []icmpType{{"membership-query", 0x11, -1}, {"membership-report-v1", 0x12, -1}, {"membership-report-v2", 0x16, -1},
		{"leave-group", 0x17, -1}, {"membership-report-v3", 0x22, -1}}
	if t, err := findICMP(types, s); err == nil {
		return t.name, nil
	}
	v, err := numbers(255)(e, s)
	if err != nil {
		return "", err
	}
	for _, t := range types {
		if v == strconv.Itoa(t.kind) {
			return t.name, nil
		}
	}
	return v, nil
}

var bridgeLevels = []string{"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"}

// bridgeLogLevel is a value: a level by number or name, printed by name.
func bridgeLogLevel(_ *env, s string) (string, error) {
	if n, rest, ok := scanHex(s, 7); ok && rest == "" {
		return bridgeLevels[n], nil
	}
	return oneOf(bridgeLevels...)(nil, s)
}

// bridgeMark is a value: a mark with a mask, or /mask for any of its bits.
func bridgeMark(_ *env, s string) (string, error) {
	if mask, ok := strings.CutPrefix(s, "/"); ok {
		n, ok := parseUint(mask, all32)
		if !ok {
			return "", badNumber(0, all32)
		}
		return fmt.Sprintf("/0x%x", n), nil
	}
	return markMask(nil, s)
}

var packetTypes = []string{"host", "broadcast", "multicast", "otherhost", "outgoing", "loopback", "fastroute"}

// packetType is a value: a class of packets by name, or by number in
// hexadecimal. The save prints such a number in decimal, and so it is read
// back as another one: what is printed here means the same wherever it is
// read.
func packetType(_ *env, s string) (string, error) {
	for _, name := range packetTypes {
		if sameName(name, s) {
			return name, nil
		}
	}
	n, rest, ok := scanHex(s, 255)
	if !ok || rest != "" {
		return "", fmt.Errorf("unknown class of packets")
	}
	if n < uint64(len(packetTypes)) {
		return packetTypes[n], nil
	}
	return fmt.Sprintf("0x%x", n), nil
}
