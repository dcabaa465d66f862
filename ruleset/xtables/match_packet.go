package xtables

// packetMatches are the matches on fields of a packet that every protocol
// has, and on what the kernel noted beside it.
var packetMatches = []extension{
	{name: "length", options: []option{{name: "length", value: numbers(65535), invert: true, must: true}}},
	{name: "mark", options: []option{{name: "mark", value: markMask, invert: true, must: true}}},
	{name: "dscp", options: []option{
		{name: "dscp", value: formatted("0x%02x", 0, 63), invert: true},
		{name: "dscp-class", as: "dscp", value: dscpClass, invert: true},
	}, finish: exactlyOneOption("--dscp")},
	{name: "tos", options: []option{{name: "tos", value: tosMask, invert: true, must: true}}},
	{name: "ecn", options: []option{
		{name: "ecn-tcp-ece", args: none, invert: true},
		{name: "ecn-tcp-cwr", args: none, invert: true},
		{name: "ecn-ip-ect", value: number(0, 3), invert: true},
	}, finish: atLeastOne},
}

// ipv4Matches are the matches of iptables alone.
var ipv4Matches = []extension{
	{name: "icmp", needs: "icmp", options: []option{{name: "icmp-type", value: icmp(icmpTypes), invert: true, must: true}}},
	{name: "ah", needs: "ah", options: []option{{name: "ahspi", value: numbers(all32), invert: true, omit: allSPIs}}},
	{name: "realm", options: []option{{name: "realm", value: valueMask, invert: true, must: true}}},
	{name: "ttl", options: []option{
		{name: "ttl-eq", aliases: "ttl", value: number(0, 255), invert: true},
		{name: "ttl-lt", value: number(0, 255)},
		{name: "ttl-gt", value: number(0, 255)},
	}, finish: exactlyOne("--ttl-eq", "--ttl-lt", "--ttl-gt")},
}
