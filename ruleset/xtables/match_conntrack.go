package xtables

import (
	"fmt"
	"strconv"
	"strings"
)

var (
	stateNames  = []string{"INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED"}
	statusNames = []string{"EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"}
)

// conntrackMatches are the matches on connections.
var conntrackMatches = []extension{
	{name: "state", options: []option{{name: "state", value: members(beginsName, stateNames...), invert: true, must: true}}},
	{name: "conntrack", options: []option{
		{name: "ctstate", value: members(beginsName, append(stateNames[:len(stateNames):len(stateNames)], "SNAT", "DNAT")...), invert: true},
		{name: "ctproto", value: protocolByNumber, invert: true},
		{name: "ctorigsrc", value: hostMask(false, false), invert: true},
		{name: "ctorigdst", value: hostMask(false, false), invert: true},
		{name: "ctreplsrc", value: hostMask(false, false), invert: true},
		{name: "ctrepldst", value: hostMask(false, false), invert: true},
		{name: "ctorigsrcport", value: ports, invert: true},
		{name: "ctorigdstport", value: ports, invert: true},
		{name: "ctreplsrcport", value: ports, invert: true},
		{name: "ctrepldstport", value: ports, invert: true},
		{name: "ctstatus", value: statuses, invert: true},
		{name: "ctexpire", value: numbers(all32), invert: true},
		{name: "ctdir", value: choice(sameName, "ORIGINAL", "REPLY")},
	}, finish: atLeastOne},
	{name: "connbytes", options: []option{
		{name: "connbytes", value: byteRange, invert: true, must: true},
		{name: "connbytes-mode", value: oneOf("packets", "bytes", "avgpkt"), must: true},
		{name: "connbytes-dir", value: oneOf("original", "reply", "both"), must: true},
	}},
	{name: "connlabel", options: []option{
		{name: "label", invert: true, must: true, quoting: Always},
		{name: "set", args: none},
	}},
	{name: "connlimit", options: []option{
		{name: "connlimit-upto", value: number(0, all32), invert: true},
		{name: "connlimit-above", value: number(0, all32), invert: true},
		{name: "connlimit-mask", value: prefixLength},
		{name: "connlimit-saddr", args: none},
		{name: "connlimit-daddr", args: none},
	}, finish: connlimit},
	{name: "connmark", options: []option{{name: "mark", value: markMask, invert: true, must: true}}},
	{name: "helper", options: []option{{name: "helper", value: text(29), invert: true, must: true, quoting: AsNeeded}}},
}

// statuses is a value: connection statuses, or NONE.
func statuses(e *env, s string) (string, error) {
	var rest []string
	for item := range strings.SplitSeq(s, ",") {
		if item == "" || !beginsName("NONE", item) {
			rest = append(rest, item)
		}
	}
	if len(rest) == 0 {
		return "NONE", nil
	}
	return members(beginsName, statusNames...)(e, strings.Join(rest, ","))
}

// byteRange is a value: from, or from:to.
func byteRange(_ *env, s string) (string, error) {
	const limit = 1<<64 - 1
	first, second, isRange := strings.Cut(s, ":")
	low, high := uint64(0), uint64(limit)
	ok := true
	if first != "" {
		low, ok = parseUint(first, limit)
	}
	if ok && isRange && second != "" {
		high, ok = parseUint(second, limit)
	}
	if !ok || high < low {
		return "", badNumber(0, limit)
	}
	if high == limit || high == 0 {
		return strconv.FormatUint(low, 10), nil
	}
	return strconv.FormatUint(low, 10) + ":" + strconv.FormatUint(high, 10), nil
}

// connlimit turns a negation into the opposite option, and adds mask and
// side.
func connlimit(e *env, m *Module) error {
	if err := exactlyOne("--connlimit-upto", "--connlimit-above")(e, m); err != nil {
		return err
	}
	limit := m.Options[0]
	if limit.Negated {
		limit.Negated = false
		limit.Name = map[string]string{"--connlimit-upto": "--connlimit-above", "--connlimit-above": "--connlimit-upto"}[limit.Name]
	}
	mask := Option{Name: "--connlimit-mask", Values: []string{"32"}}
	if e.v6() {
		mask.Values[0] = "128"
	}
	if o := m.Option("--connlimit-mask"); o != nil {
		mask = *o
	}
	side := Option{Name: "--connlimit-saddr"}
	if m.Option("--connlimit-daddr") != nil {
		if m.Option("--connlimit-saddr") != nil {
			return fmt.Errorf("--connlimit-saddr cannot be used together with --connlimit-daddr")
		}
		side.Name = "--connlimit-daddr"
	}
	m.Options = []Option{limit, mask, side}
	return nil
}
