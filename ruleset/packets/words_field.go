package packets

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func describeTOS(keep, flip uint8) string {
	switch {
	case keep == 255 && flip == 0:
		return ""
	case flip&keep == 0:
		return fmt.Sprintf("tos 0x%02x/0x%02x", flip, ^keep)
	}
	return fmt.Sprintf("tos&0x%02x^0x%02x", keep, flip)
}

func portWords(list []Range) string {
	if rest, fewer := without(list, 65535); fewer && len(list) > 1 {
		return "!" + rangeWords(rest)
	}
	return rangeWords(list)
}

var protoNames = map[uint64]string{1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 33: "dccp", 47: "gre", 50: "esp", 51: "ah",
	58: "icmpv6", 89: "ospf", 112: "vrrp", 132: "sctp", 136: "udplite"}

func protoWords(list []Range) string {
	prefix := ""
	if rest, fewer := without(list, 255); fewer && len(list) > 1 || len(rest) == 1 && rest[0].Low == rest[0].High {
		list, prefix = rest, "!"
	}
	var items []string
	for _, r := range list {
		if r.High-r.Low > 3 {
			items = append(items, fmt.Sprintf("protocols %d-%d", r.Low, r.High))
			continue
		}
		for n := r.Low; n <= r.High; n++ {
			name, ok := protoNames[n]
			if !ok {
				name = "protocol " + strconv.FormatUint(n, 10)
			}
			items = append(items, name)
		}
	}
	return prefix + some(items)
}

func macWords(list []Range) string {
	prefix := ""
	if rest, fewer := without(list, 1<<48-1); fewer {
		prefix, list = "!", rest
	}
	var items []string
	for _, r := range list {
		items = append(items, macText(r.Low))
		if r.High != r.Low {
			items[len(items)-1] += "-" + macText(r.High)
		}
	}
	return prefix + some(items)
}

func macText(n uint64) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", n>>40&255, n>>32&255, n>>24&255, n>>16&255, n>>8&255, n&255)
}

// icmpNames are what types are called, of ICMP and of ICMPv6 (RFC 792, RFC 4443,
// RFC 4861, RFC 2710).
var icmpNames = map[uint64]map[[2]uint64]string{
	protoICMP: {{0, 0}: "echo-reply", {3, 3}: "unreachable", {5, 5}: "redirect", {8, 8}: "echo-request", {11, 11}: "time-exceeded"},
	protoICMPv6: {{1, 1}: "unreachable", {2, 2}: "packet-too-big", {1, 4}: "errors", {3, 3}: "time-exceeded", {128, 128}: "echo-request",
		{129, 129}: "echo-reply", {128, 129}: "echo", {130, 132}: "multicast listeners", {133, 133}: "router-solicitation",
		{134, 134}: "router-advertisement", {135, 135}: "neighbour-solicitation", {136, 136}: "neighbour-advertisement",
		{135, 136}: "neighbours", {133, 134}: "routers", {133, 136}: "neighbours and routers"},
}

func icmpWords(list, protocol []Range) string {
	var items []string
	for _, r := range list {
		low, high := r.Low>>8, r.High>>8
		if len(protocol) == 1 && protocol[0].Low == protocol[0].High && r.Low&255 == 0 && r.High&255 == 255 {
			if name := icmpNames[protocol[0].Low][[2]uint64{low, high}]; name != "" {
				text := fmt.Sprintf("%d-%d (%s)", low, high, name)
				if low == high {
					text = fmt.Sprintf("%d (%s)", low, name)
				}
				items = append(items, text)
				continue
			}
		}
		switch {
		case r.Low == r.High:
			items = append(items, fmt.Sprintf("%d/%d", low, r.Low&255))
		case r.Low&255 == 0 && r.High&255 == 255 && low == high:
			items = append(items, fmt.Sprint(low))
		case r.Low&255 == 0 && r.High&255 == 255:
			items = append(items, fmt.Sprintf("%d-%d", low, high))
		default:
			items = append(items, fmt.Sprintf("%d/%d-%d/%d", low, r.Low&255, high, r.High&255))
		}
	}
	return some(items)
}

func maskWords(list []Masked) string {
	var items []string
	for _, m := range list {
		text := fmt.Sprintf("0x%x/0x%x", m.Value, m.Mask)
		if m.Mask == 1<<32-1 {
			text = fmt.Sprintf("0x%x", m.Value)
		}
		items = append(items, text)
	}
	return some(items)
}

func markWords(list []Masked, denied *Masked) string {
	if denied != nil {
		return "!" + maskWords([]Masked{*denied})
	}
	return maskWords(list)
}

// flagWords finds the test of flags that a list of combinations is, or names
// the combinations.
func flagWords(list []uint8) string {
	for mask := range uint64(64) {
		for want := uint64(0); want <= mask; want++ {
			if want&mask != want {
				continue
			}
			for _, negated := range []bool{false, true} {
				s := flagSpans(mask, want)
				if negated {
					s = s.invert(number(63))
				}
				if slices.EqualFunc(numbers(s), list, func(a uint64, b uint8) bool { return a == uint64(b) }) {
					text := "flags " + flagList(want) + "/" + flagList(mask)
					if mask == 0x17 && want == 2 {
						text = "--syn"
					}
					if negated {
						text = "not " + text
					}
					return text
				}
			}
		}
	}
	var items []string
	for _, f := range list {
		items = append(items, flagList(uint64(f)))
	}
	return "flags " + some(items)
}

func flagList(n uint64) string {
	var items []string
	for i, name := range flagNames {
		if n>>i&1 == 1 {
			items = append(items, name)
		}
	}
	if items == nil {
		return "NONE"
	}
	return strings.Join(items, ",")
}
