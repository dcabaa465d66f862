package packets

import (
	"fmt"
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
