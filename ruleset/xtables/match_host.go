package xtables

import (
	"fmt"
	"strconv"
)

// hostMatches are the matches on the host's own state: sockets, processes,
// time, clusters.
var hostMatches = []extension{
	{name: "owner", options: []option{
		{name: "socket-exists", args: none, invert: true},
		{name: "uid-owner", value: owner, invert: true},
		{name: "gid-owner", value: owner, invert: true},
		{name: "suppl-groups", args: none, with: "gid-owner"},
	}, finish: atLeastOne},
	{name: "cgroup", options: []option{
		{name: "path", value: atMost(4095), invert: true, quoting: AsNeeded},
		{name: "cgroup", value: number(0, all32), invert: true},
	}, finish: exactlyOne("--path", "--cgroup")},
	{name: "cluster", options: []option{
		{name: "cluster-local-nodemask", value: formatted("0x%08x", 1, 0xffffffff), invert: true},
		{name: "cluster-local-node", as: "cluster-local-nodemask", value: nodeMask, invert: true},
		{name: "cluster-total-nodes", value: number(1, 32), must: true},
		{name: "cluster-hash-seed", value: formatted("0x%08x", 0, all32), must: true},
	}, finish: exactlyOneOption("--cluster-local-nodemask")},
	{name: "osf", needs: "tcp", options: []option{
		{name: "genre", value: text(31), invert: true, must: true},
		{name: "ttl", value: number(0, 2)},
		{name: "log", value: number(0, 2)},
	}},
	{name: "ipvs", options: []option{
		{name: "ipvs", args: none, invert: true},
		{name: "vproto", value: protocolByNumber, invert: true},
		{name: "vaddr", value: hostMask(false, false), invert: true},
		{name: "vport", value: port, invert: true},
		{name: "vdir", value: choice(sameName, "ORIGINAL", "REPLY")},
		{name: "vmethod", value: choice(sameName, "GATE", "IPIP", "MASQ"), invert: true},
		{name: "vportctl", value: port, invert: true},
	}, finish: ipvs},
	{name: "time", options: timeOptions, finish: timeSpans},
}

// owner is a value: a user or group number or a range of them. A name is
// kept, except the one that means 0 everywhere: the number of any other is
// the business of the host that loads the rule.
func owner(_ *env, s string) (string, error) {
	const limit = all32 - 1
	if s == "root" {
		return "0", nil
	}
	low, rest, ok := scanUint(s, limit)
	if !ok || rest != "" && rest[0] != '-' && rest[0] != ':' {
		if !accountName(s) {
			return "", badNumber(0, limit)
		}
		return s, nil
	}
	high := low
	if rest != "" {
		if high, ok = parseUint(rest[1:], limit); !ok {
			return "", badNumber(0, limit)
		}
	}
	if low == high {
		return strconv.FormatUint(low, 10), nil
	}
	return strconv.FormatUint(low, 10) + "-" + strconv.FormatUint(high, 10), nil
}

func accountName(s string) bool {
	letter := false
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && c != '_' && c != '.' && (c != '-' || i == 0) {
			return false
		}
		letter = letter || s[i] > '9'
	}
	return letter
}

// nodeMask is a value: the mask of one node.
func nodeMask(_ *env, s string) (string, error) {
	n, ok := parseUint(s, 32)
	if !ok || n == 0 {
		return "", badNumber(1, 32)
	}
	return fmt.Sprintf("0x%08x", uint32(1)<<(n-1)), nil
}

// exactlyOneOption demands an option once, under any of its names.
func exactlyOneOption(name string) func(*env, *Module) error {
	return func(_ *env, m *Module) error {
		n := 0
		for _, o := range m.Options {
			if o.Name == name {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("needs %s once", name)
		}
		return nil
	}
}

// ipvs drops --ipvs, which every other option implies.
func ipvs(e *env, m *Module) error {
	if len(m.Options) > 1 && m.Options[0].Name == "--ipvs" && !m.Options[0].Negated {
		m.Options = m.Options[1:]
	}
	return atLeastOne(e, m)
}
