package xtables

import "fmt"

var addressTypes = []string{"UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW", "NAT", "XRESOLVE"}

// addressMatches are the matches on where a packet comes from and goes to.
var addressMatches = []extension{
	{name: "addrtype", options: []option{
		{name: "src-type", value: members(beginsName, addressTypes...), invert: true},
		{name: "dst-type", value: members(beginsName, addressTypes...), invert: true},
		{name: "limit-iface-in", args: none, not: "limit-iface-out"},
		{name: "limit-iface-out", args: none},
	}, finish: addressType},
	{name: "iprange", options: []option{
		{name: "src-range", value: addressRange, invert: true},
		{name: "dst-range", value: addressRange, invert: true},
	}, finish: atLeastOne},
	{name: "mac", options: []option{{name: "mac-source", value: mac, invert: true, must: true}}},
	{name: "devgroup", options: []option{
		{name: "src-group", value: valueMask, invert: true},
		{name: "dst-group", value: valueMask, invert: true},
	}, finish: atLeastOne},
	{name: "physdev", options: []option{
		{name: "physdev-is-in", args: none, invert: true},
		{name: "physdev-in", value: atMost(15), invert: true},
		{name: "physdev-is-out", args: none, invert: true},
		{name: "physdev-out", value: atMost(15), invert: true},
		{name: "physdev-is-bridged", args: none, invert: true},
	}, finish: atLeastOne},
	{name: "pkttype", options: []option{
		{name: "pkt-type", value: choice(sameName, "unicast host", "broadcast bcast", "multicast mcast", "otherhost"), invert: true, must: true},
	}},
	{name: "rpfilter", options: []option{
		{name: "loose", args: none},
		{name: "validmark", args: none},
		{name: "accept-local", args: none},
		{name: "invert", args: none},
	}},
	{name: "socket", options: []option{
		{name: "transparent", args: none},
		{name: "nowildcard", args: none},
		{name: "restore-skmark", args: none},
	}},
}

func addressType(_ *env, m *Module) error {
	if m.Option("--src-type") == nil && m.Option("--dst-type") == nil {
		return fmt.Errorf("needs --src-type or --dst-type")
	}
	return nil
}
