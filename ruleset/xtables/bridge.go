package xtables

import (
	"fmt"
	"strconv"
	"strings"
)

// bridgeOptions are the matches of ebtables by the names of their options.
var bridgeOptions = make(map[string]*extension)

func indexBridge() {
	for i := range bridgeMatches {
		for name := range bridgeMatches[i].byName {
			bridgeOptions[name] = &bridgeMatches[i]
		}
	}
}

var bridgeVerdict = oneOf("ACCEPT", "DROP", "CONTINUE", "RETURN")

// bridgeTargets are the targets of ebtables.
var bridgeTargets = []extension{
	{name: "CONTINUE"},
	{name: "arpreply", options: []option{
		{name: "arpreply-mac", value: mac, fill: "00:00:00:00:00:00"},
		{name: "arpreply-target", value: bridgeVerdict, omit: "DROP"},
	}},
	{name: "dnat", options: []option{
		{name: "to-dst", aliases: "to-destination", value: mac, must: true},
		{name: "dnat-target", value: bridgeVerdict, fill: "ACCEPT"},
	}},
	{name: "snat", options: []option{
		{name: "to-src", aliases: "to-source", value: mac, must: true},
		{name: "snat-arp", args: none},
		{name: "snat-target", value: bridgeVerdict, fill: "ACCEPT"},
	}},
	{name: "redirect", options: []option{{name: "redirect-target", value: bridgeVerdict, omit: "ACCEPT"}}},
	{name: "mark", options: []option{
		{name: "mark-set", aliases: "set-mark", value: formatted("0x%x", 0, all32)},
		{name: "mark-or", value: formatted("0x%x", 0, all32)},
		{name: "mark-xor", value: formatted("0x%x", 0, all32)},
		{name: "mark-and", value: formatted("0x%x", 0, all32)},
		{name: "mark-target", value: bridgeVerdict, fill: "ACCEPT"},
	}, finish: exactlyOne("--mark-set", "--mark-or", "--mark-xor", "--mark-and")},
}

// ethernetTypes are the names of ethertypes(5), the one that is printed
// first.
var ethernetTypes = []struct {
	number uint64
	names  string
}{
	{0x0800, "IPv4 ip ip4"}, {0x0805, "X25"}, {0x0806, "ARP ether-arp"}, {0x0808, "FR_ARP"}, {0x08ff, "BPQ"},
	{0x22f3, "TRILL"}, {0x22f4, "L2-IS-IS"}, {0x6558, "TEB"}, {0x6559, "RAW_FR"}, {0x8035, "RARP"}, {0x809b, "ATALK"},
	{0x80f3, "AARP"}, {0x8100, "802_1Q 8021q 1q 802.1q dot1q"}, {0x8137, "IPX"}, {0x8191, "NetBEUI"}, {0x86dd, "IPv6 ip6"},
	{0x880b, "PPP"}, {0x8847, "MPLS"}, {0x8848, "MPLS_MULTI"}, {0x884c, "ATMMPOA"}, {0x8863, "PPP_DISC"}, {0x8864, "PPP_SES"},
	{0x8884, "ATMFATE"}, {0x888e, "EAPOL"}, {0x88a8, "S-TAG"}, {0x88c7, "EAP_PREAUTH"}, {0x88cc, "LLDP"}, {0x88e5, "MACSEC"},
	{0x88e7, "PBB macinmac"}, {0x88f5, "MVRP"}, {0x88f7, "PTP"}, {0x8906, "FCOE"}, {0x8914, "FIP"}, {0x8915, "ROCE"},
	{0xa0ed, "LoWPAN"},
}

func scanEthernetType(s string) (uint64, bool) {
	if n, rest, ok := scanHex(s, 65535); ok && rest == "" {
		return n, true
	}
	for _, t := range ethernetTypes {
		for name := range strings.SplitSeq(t.names, " ") {
			if sameName(name, s) {
				return t.number, true
			}
		}
	}
	return 0, false
}

// ethernetType is a value: the protocol of a frame, printed by name.
func ethernetType(_ *env, s string) (string, error) {
	if sameName("Length", s) {
		return "Length", nil
	}
	n, ok := scanEthernetType(s)
	if !ok {
		return "", fmt.Errorf("unknown Ethernet protocol %q", s)
	}
	if n < 0x600 {
		return "", fmt.Errorf("protocols have values above or equal to 0x0600")
	}
	for _, t := range ethernetTypes {
		if t.number == n {
			name, _, _ := strings.Cut(t.names, " ")
			return name, nil
		}
	}
	return fmt.Sprintf("0x%x", n), nil
}

// etherTypeNumber is a value: the protocol of a frame in a format.
func etherTypeNumber(format string) value {
	return func(_ *env, s string) (string, error) {
		n, ok := scanEthernetType(s)
		if !ok {
			return "", fmt.Errorf("unknown Ethernet protocol %q", s)
		}
		return fmt.Sprintf(format, n), nil
	}
}

// decimals is a value: a decimal number or a range low:high of them.
func decimals(limit uint64) value {
	return func(_ *env, s string) (string, error) {
		first, second, isRange := strings.Cut(s, ":")
		low, high := uint64(0), limit
		ok := true
		if first != "" || !isRange {
			low, ok = parseDecimal(first, limit)
		}
		if !isRange {
			high = low
		} else if ok && second != "" {
			high, ok = parseDecimal(second, limit)
		}
		if !ok || high < low {
			return "", badNumber(0, limit)
		}
		return printRange(low, high), nil
	}
}

func parseDecimal(s string, limit uint64) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= limit
}

// decimal is a value: a decimal number, or one of the names that stand for
// some.
func decimal(limit uint64, names map[string]uint64) value {
	return func(_ *env, s string) (string, error) {
		n, ok := parseUint(s, limit)
		for name, number := range names {
			if sameName(name, s) {
				n, ok = number, true
			}
		}
		if !ok {
			return "", badNumber(0, limit)
		}
		for name, number := range names {
			if number == n {
				return name, nil
			}
		}
		return strconv.FormatUint(n, 10), nil
	}
}
