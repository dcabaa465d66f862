package xtables

import (
	"fmt"
	"strconv"
	"strings"
)

// ipv6Matches are the matches of ip6tables alone.
var ipv6Matches = []extension{
	{name: "icmp6", aliases: []string{"icmpv6", "ipv6-icmp"}, needs: "ipv6-icmp", options: []option{
		{name: "icmpv6-type", value: icmp(icmpv6Types), invert: true, must: true},
	}},
	{name: "eui64"},
	{name: "ah", options: []option{
		{name: "ahspi", value: numbers(all32), invert: true, omit: allSPIs},
		{name: "ahlen", value: number(0, all32), invert: true, omit: "0"},
		{name: "ahres", args: none},
	}},
	{name: "frag", options: []option{
		{name: "fragid", value: numbers(all32), invert: true, omit: allSPIs},
		{name: "fraglen", value: number(0, all32), invert: true},
		{name: "fragres", args: none},
		{name: "fragfirst", args: none},
		{name: "fragmore", args: none, not: "fraglast"},
		{name: "fraglast", args: none},
	}},
	{name: "dst", options: extensionHeader("dst")},
	{name: "hbh", options: extensionHeader("hbh")},
	{name: "hl", options: []option{
		{name: "hl-eq", aliases: "hl", value: number(0, 255), invert: true},
		{name: "hl-lt", value: number(0, 255)},
		{name: "hl-gt", value: number(0, 255)},
	}, finish: exactlyOne("--hl-eq", "--hl-lt", "--hl-gt")},
	{name: "ipv6header", options: []option{
		{name: "header", value: headers, invert: true, must: true},
		{name: "soft", args: none},
	}},
	{name: "mh", needs: "mobility-header", options: []option{
		{name: "mh-type", value: mobilityType, invert: true, omit: "0:255"},
	}},
}

// extensionHeader are the options of the destination and hop-by-hop headers.
func extensionHeader(name string) []option {
	return []option{
		{name: name + "-len", value: number(0, all32), invert: true},
		{name: name + "-opts", value: headerOptionList},
	}
}

// headerOptionList is a value: up to 16 options, each with its length if
// that matters.
func headerOptionList(_ *env, s string) (string, error) {
	items := strings.Split(s, ",")
	if len(items) > 16 {
		return "", fmt.Errorf("too many options specified")
	}
	for i, item := range items {
		kind, length, hasLength := strings.Cut(item, ":")
		k, ok := parseUint(kind, 255)
		n := uint64(255)
		if ok && hasLength {
			n, ok = parseUint(length, 255)
		}
		if !ok || hasLength && k == 0 {
			return "", fmt.Errorf("invalid option %q", item)
		}
		items[i] = strconv.FormatUint(k, 10)
		if n != 255 {
			items[i] += ":" + strconv.FormatUint(n, 10)
		}
	}
	return strings.Join(items, ","), nil
}

// headers is a value: the headers that a packet has, by name or number.
func headers(e *env, s string) (string, error) {
	return members(sameName,
		"hop-by-hop hop hopopt 0", "ipv6-opts dst 60", "ipv6-route route 43", "ipv6-frag frag 44",
		"ah auth 51", "esp 50", "ipv6-nonxt none 59", "protocol prot 255")(e, s)
}

var mobilityTypes = []struct {
	name   string
	number uint64
}{
	{"binding-refresh-request", 0}, {"brr", 0}, {"home-test-init", 1}, {"hoti", 1}, {"careof-test-init", 2}, {"coti", 2},
	{"home-test", 3}, {"hot", 3}, {"careof-test", 4}, {"cot", 4}, {"binding-update", 5}, {"bu", 5},
	{"binding-acknowledgement", 6}, {"ba", 6}, {"binding-error", 7}, {"be", 7},
}

// mobilityType is a value: a type of mobility header or a range of them.
func mobilityType(_ *env, s string) (string, error) {
	first, second, isRange := strings.Cut(s, ":")
	low, high := uint64(0), uint64(255)
	var err error
	if first != "" || !isRange {
		if low, err = scanMobility(first); err != nil {
			return "", err
		}
	}
	switch {
	case !isRange:
		high = low
	case second != "":
		if high, err = scanMobility(second); err != nil {
			return "", err
		}
	}
	if high < low {
		return "", fmt.Errorf("invalid MH type range (min > max)")
	}
	return printRange(low, high), nil
}

// scanMobility reads a number or the beginning of a name; the last name
// wins, unless one is whole.
func scanMobility(s string) (uint64, error) {
	found := -1
	for i, t := range mobilityTypes {
		if s != "" && beginsName(t.name, s) && (found < 0 || len(t.name) == len(s)) {
			found = i
		}
	}
	if found >= 0 {
		return mobilityTypes[found].number, nil
	}
	n, ok := parseUint(s, 255)
	if !ok {
		return 0, fmt.Errorf("invalid MH type %q", s)
	}
	return n, nil
}

// routingMatches are the matches on routing headers.
var routingMatches = []extension{
	{name: "rt", options: []option{
		{name: "rt-type", value: number(0, all32), invert: true},
		{name: "rt-segsleft", value: numbers(all32), invert: true, omit: allSPIs},
		{name: "rt-len", value: number(0, all32), invert: true},
		{name: "rt-0-res", args: none},
		{name: "rt-0-addrs", value: hopAddresses},
		{name: "rt-0-not-strict", args: none},
	}},
	{name: "srh", options: segmentOptions()},
}

// hopAddresses is a value: the addresses of a routing header of type 0.
func hopAddresses(_ *env, s string) (string, error) {
	items := strings.Split(s, ",")
	if len(items) > 16 {
		return "", fmt.Errorf("too many addresses specified")
	}
	for i, item := range items {
		a, err := ipv6(item)
		if err != nil {
			return "", err
		}
		items[i] = ipv6String(a)
	}
	return strings.Join(items, ","), nil
}

func segmentOptions() []option {
	var list []option
	for _, name := range []string{"next-hdr", "hdr-len-eq", "hdr-len-gt", "hdr-len-lt", "segs-left-eq", "segs-left-gt", "segs-left-lt", "last-entry-eq", "last-entry-gt", "last-entry-lt"} {
		list = append(list, option{name: "srh-" + name, value: number(0, 255), invert: true})
	}
	list = append(list, option{name: "srh-tag", value: number(0, 65535), invert: true})
	for _, name := range []string{"psid", "nsid", "lsid"} {
		list = append(list, option{name: "srh-" + name, value: hostMask(false, true), invert: true})
	}
	return list
}
