package packets

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// fieldWords name fields.
var fieldWords = [fields]string{
	fieldIn: "in", fieldOut: "out", fieldProto: "protocol", fieldDst: "dst", fieldDport: "dport", fieldSrc: "src", fieldLocal: "redirected to",
	fieldSport: "sport", fieldICMP: "icmp", fieldFlags: "flags", fieldState: "ctstate", fieldMAC: "mac", fieldTOS: "tos",
	fieldTTL: "ttl", fieldLength: "length", fieldMark: "mark", fieldConnmark: "connmark",
}

func describeTOS(keep, flip uint8) string {
	switch {
	case keep == 255 && flip == 0:
		return ""
	case flip&keep == 0:
		return fmt.Sprintf("tos 0x%02x/0x%02x", flip, ^keep)
	}
	return fmt.Sprintf("tos&0x%02x^0x%02x", keep, flip)
}

// spansText returns a set of values of a field in words.
func spansText(f field, s spans, v6 bool) string {
	if f == fieldSrc || f == fieldDst || f == fieldLocal {
		return addressWords(prefixes(s, v6))
	}
	return rangeWords(ranges(s))
}

// shown is how many of a list's items a line of words has.
const shown = 4

// some joins the first items of a list and counts the others.
func some(items []string) string {
	if len(items) <= shown {
		return strings.Join(items, ",")
	}
	return strings.Join(items[:shown-1], ",") + fmt.Sprintf(" and %d more", len(items)-shown+1)
}

func rangeWords(list []Range) string {
	items := make([]string, len(list))
	for i, r := range list {
		items[i] = strconv.FormatUint(r.Low, 10)
		if r.High != r.Low {
			items[i] += "-" + strconv.FormatUint(r.High, 10)
		}
	}
	return some(items)
}

// without returns the ranges up to limit that are not in the list, and whether
// they are fewer.
func without(list []Range, limit uint64) ([]Range, bool) {
	var s spans
	for _, r := range list {
		s = append(s, span{number(r.Low), number(r.High)})
	}
	rest := ranges(s.invert(number(limit)))
	return rest, len(rest) < len(list) || len(rest) == 1 && rest[0].Low == rest[0].High && len(list) > 1
}

func portWords(list []Range) string {
	if rest, fewer := without(list, 65535); fewer && len(list) > 1 {
		return "!" + rangeWords(rest)
	}
	return rangeWords(list)
}

func addressWords(list []netip.Prefix) string {
	switch {
	case list == nil:
		return "any"
	case len(list) == 0:
		return "none"
	}
	items, rest := addressItems(list), addressItems(complement(list))
	// What begins and ends where all addresses do is all but something.
	width := list[0].Addr().BitLen()
	open := list[0].Addr() == (value{}).address(list[0].Addr().Is6()) && ofAddress(lastOf(list[len(list)-1])) == ones(width)
	fewer := len(rest) > 0 && (len(rest) < len(items) || open)
	if whole := cover(list); !(fewer && len(rest) <= shown) && len(list) > shown && whole.Bits() >= whole.Addr().BitLen()/4 {
		missing := addressItems(outside(whole, list))
		switch {
		case len(missing) <= shown && len(missing) < len(items):
			return whole.String() + " without " + some(missing)
		case len(items) > shown:
			return "part of " + whole.String()
		}
	}
	if fewer {
		return "not " + some(rest)
	}
	return some(items)
}

// addressItems are networks and single addresses; neighbours that make no
// network are a range.
func addressItems(list []netip.Prefix) []string {
	var items []string
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Addr() == lastOf(list[n-1]).Next() {
			n++
		}
		if n > 2 {
			items = append(items, list[0].Addr().String()+"-"+lastOf(list[n-1]).String())
		} else {
			for _, p := range list[:n] {
				items = append(items, networkText(p))
			}
		}
		list = list[n:]
	}
	return items
}

func networkText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// lastOf is the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	a := ofAddress(p.Addr())
	return a.or(ones(p.Addr().BitLen() - p.Bits())).address(p.Addr().Is6())
}

// outside is what a network has beside a list's.
func outside(whole netip.Prefix, list []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range complement(list) {
		switch {
		case whole.Contains(p.Addr()) && p.Bits() >= whole.Bits():
			out = append(out, p)
		case p.Contains(whole.Addr()) && p.Bits() <= whole.Bits():
			out = append(out, whole)
		}
	}
	return out
}

// cover is the smallest network that holds all of a list.
func cover(list []netip.Prefix) netip.Prefix {
	if len(list) == 0 {
		return netip.Prefix{}
	}
	for bits := list[0].Bits(); ; bits-- {
		p := netip.PrefixFrom(list[0].Addr(), bits).Masked()
		if !slices.ContainsFunc(list, func(o netip.Prefix) bool { return o.Bits() < bits || !p.Contains(o.Addr()) }) {
			return p
		}
	}
}

func complement(list []netip.Prefix) []netip.Prefix {
	if len(list) == 0 {
		return nil
	}
	v6 := list[0].Addr().Is6()
	width := list[0].Addr().BitLen()
	var s spans
	for _, p := range list {
		s = append(s, network(ofAddress(p.Addr()), p.Bits(), width)...)
	}
	return prefixes(normal(s).invert(ones(width)), v6)
}

// endpoint is an address with ports.
func endpoint(addresses []netip.Prefix, ports []Range) string {
	a := addressWords(addresses)
	if ports == nil {
		return a
	}
	if len(addresses) > 0 && addresses[0].Addr().Is6() {
		a = "[" + a + "]"
	}
	return a + ":" + portWords(ports)
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

// Words returns the box in one line: "tcp  any → 192.0.2.5:8800  in eth0".
func (b *Box) Words() string {
	parts := []string{"any"}
	if b.Proto != nil {
		parts[0] = protoWords(b.Proto)
	}
	parts = append(parts, endpoint(b.Src, b.SPort)+" → "+endpoint(b.Dst, b.DPort))
	add := func(format string, a ...any) { parts = append(parts, fmt.Sprintf(format, a...)) }
	if b.SrcMask != nil {
		add("src %s/%s", b.SrcMask.Value, b.SrcMask.Mask)
	}
	if b.DstMask != nil {
		add("dst %s/%s", b.DstMask.Value, b.DstMask.Mask)
	}
	if b.ICMP != nil {
		add("type %s", icmpWords(b.ICMP, b.Proto))
	}
	if b.In != nil {
		add("in %s", some(b.In))
	}
	if b.Out != nil {
		add("out %s", some(b.Out))
	}
	if b.State != nil {
		if text := b.stateWords(); text != "" {
			add("%s", text)
		}
	}
	if b.Reply != nil {
		add("%s", map[bool]string{true: "reply", false: "original direction"}[*b.Reply])
	}
	for _, t := range b.Translated {
		add("%s", t)
	}
	if b.Flags != nil {
		add("%s", flagWords(b.Flags))
	}
	if b.Fragment != nil {
		add("%s", map[bool]string{true: "fragment", false: "no fragment"}[*b.Fragment])
	}
	if b.MAC != nil {
		add("mac %s", macWords(b.MAC))
	}
	if b.TTL != nil {
		add("ttl %s", rangeWords(b.TTL))
	}
	if b.Length != nil {
		add("length %s", rangeWords(b.Length))
	}
	for _, t := range b.Type {
		add("%s", packetTypes[t&3])
	}
	if b.TOS != nil {
		add("tos %s", maskWords(b.TOS))
	}
	if b.Mark != nil {
		add("mark %s", markWords(b.Mark, b.notMark))
	}
	if b.Connmark != nil {
		add("connmark %s", markWords(b.Connmark, b.notConnmark))
	}
	if b.Local != nil {
		add("redirected to %s", addressWords(b.Local))
	}
	if b.LocalMask != nil {
		add("redirected to %s/%s", b.LocalMask.Value, b.LocalMask.Mask)
	}
	for _, c := range b.Conditions {
		add("%s", c.String())
	}
	return strings.Join(parts, "  ")
}

// stateWords names the states that rules speak of; "new" is the rest of a
// ruleset that lets established connections pass.
func (b *Box) stateWords() string {
	var items []string
	for _, s := range b.State {
		if b.spoken == nil || b.spoken[s] || s == StateNew {
			items = append(items, s.String())
		}
	}
	switch {
	case len(items) == 0:
		for _, s := range b.State {
			items = append(items, s.String())
		}
	case len(items) == 1 && items[0] == stateNames[stateNew]:
		return "new"
	case b.spoken != nil:
		// All that are spoken of: nothing is said.
		n := 1
		for s, yes := range b.spoken {
			if yes && s != stateNew {
				n++
			}
		}
		if len(items) == n && slices.Contains(b.State, StateNew) {
			return ""
		}
	}
	return strings.Join(items, ",")
}

// spokenStates are the states that a journey's rules name, or leave out;
// ESTABLISHED and RELATED go without saying.
func spokenStates(stages []stage) *[states]bool {
	out := &[states]bool{stateEstablished: true, stateRelated: true}
	var test func(c *condition)
	test = func(c *condition) {
		if c.op == inSet && c.field == fieldState {
			set := numbers(c.set)
			if len(set) > states/2 {
				set = numbers(c.set.invert(number(states - 1)))
			}
			for _, n := range set {
				out[n] = true
			}
		}
		for _, k := range c.kids {
			test(k)
		}
	}
	seen := map[*chain]bool{nil: true}
	var walk func(c *chain)
	walk = func(c *chain) {
		if seen[c] {
			return
		}
		seen[c] = true
		for i := range c.rules {
			test(c.rules[i].fits)
			walk(c.table.chains[c.rules[i].action.chain])
		}
	}
	for _, s := range stages {
		for _, c := range s.chains {
			walk(c)
		}
	}
	return out
}

// String returns "if" or "unless" and the unknown.
func (c Condition) String() string {
	if c.Holds {
		return "if " + withoutDefaults(c.Atom.String())
	}
	return "unless " + withoutDefaults(c.Atom.String())
}

// withoutDefaults drops what iptables-save prints of recent, connlimit and time
// though nobody wrote it: the whole address, the source, the end of 32 bits.
var withoutDefaults = strings.NewReplacer(" --mask 255.255.255.255", "", " --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", " --rsource", "",
	" --connlimit-mask 32 --connlimit-saddr", "", " --connlimit-mask 128 --connlimit-saddr", "", " --datestop 2038-01-19T03:14:07", "").Replace

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

// boxesWords joins the boxes of a region.
func boxesWords(list []Box, cut bool) string {
	var items []string
	for i := range list {
		items = append(items, list[i].Words())
		if i == shown-1 && len(list) > shown {
			items = append(items, fmt.Sprintf("and %d more", len(list)-shown))
			break
		}
	}
	if cut {
		items = append(items, "and others")
	}
	return strings.Join(items, "; ")
}
