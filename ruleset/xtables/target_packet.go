package xtables

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// packetTargets are the targets that change, copy or hand over a packet.
var packetTargets = []extension{
	{name: "NFQUEUE", options: []option{
		{name: "queue-num", value: number(0, 65535)},
		{name: "queue-balance", value: queueRange},
		{name: "queue-bypass", args: none},
		{name: "queue-cpu-fanout", args: none},
	}, finish: nfqueue},
	{name: "TEE", options: []option{
		{name: "gateway", value: host, must: true},
		{name: "oif", value: text(15)},
	}},
	{name: "TCPMSS", needs: "tcp", options: []option{
		{name: "set-mss", value: number(0, 65535)},
		{name: "clamp-mss-to-pmtu", args: none},
	}, finish: exactlyOne("--set-mss", "--clamp-mss-to-pmtu")},
	{name: "TCPOPTSTRIP", needs: "tcp", options: []option{{name: "strip-options", value: tcpOptions}}},
	{name: "CHECKSUM", options: []option{{name: "checksum-fill", args: none, must: true}}},
	{name: "SYNPROXY", needs: "tcp", options: []option{
		{name: "sack-perm", args: none},
		{name: "timestamp", args: none},
		{name: "wscale", value: number(0, all32)},
		{name: "mss", value: number(0, all32)},
		{name: "ecn", args: none},
	}},
}

// nfqueue makes no queue number 0.
func nfqueue(_ *env, m *Module) error {
	number, balance := m.Option("--queue-num"), m.Option("--queue-balance")
	switch {
	case number != nil && balance != nil:
		return fmt.Errorf("--queue-num cannot be used together with --queue-balance")
	case number == nil && balance == nil:
		m.Options = append([]Option{{Name: "--queue-num", Values: []string{"0"}}}, m.Options...)
	}
	if m.Option("--queue-cpu-fanout") != nil && balance == nil {
		return fmt.Errorf("--queue-cpu-fanout also requires --queue-balance")
	}
	return nil
}

var tcpOptionNumbers = map[string]uint64{"mss": 2, "wscale": 3, "sack-permitted": 4, "sack": 5, "timestamp": 8, "md5": 19}

// tcpOptions is a value: TCP options by name or number, printed in numbers.
func tcpOptions(_ *env, s string) (string, error) {
	var list []int
	for item := range strings.SplitSeq(s, ",") {
		n, ok := tcpOptionNumbers[item]
		if !ok {
			if n, ok = parseUint(item, 255); !ok || n < 2 {
				return "", fmt.Errorf("bad TCP option value %q", item)
			}
		}
		list = append(list, int(n))
	}
	sort.Ints(list)
	parts := make([]string, len(list))
	for i, n := range list {
		if i > 0 && list[i-1] == n {
			return "", fmt.Errorf("option %d already specified", n)
		}
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, ","), nil
}

// conntrackTargets are the targets that rule connection tracking.
var conntrackTargets = []extension{
	{name: "NOTRACK"},
	{name: "CT", options: []option{
		{name: "notrack", args: none},
		{name: "helper", value: text(15)},
		{name: "timeout", value: text(31)},
		{name: "ctevents", value: members(sameName, "new", "related", "destroy", "reply", "assured", "protoinfo", "helper", "mark", "natseqinfo", "secmark")},
		{name: "expevents", value: members(sameName, "new")},
		{name: "zone-orig", value: zone},
		{name: "zone-reply", value: zone},
		{name: "zone", value: zone, omit: "0"},
	}},
}

// rejectReset refuses to reset what is not a TCP connection.
func rejectReset(e *env, m *Module) error {
	if m.Options[0].Value() == "tcp-reset" && protocolName(e.proto) != "tcp" {
		return fmt.Errorf("tcp-reset needs -p tcp")
	}
	return nil
}

// zone is a value: a zone number, or mark.
func zone(e *env, s string) (string, error) {
	if sameName("mark", s) {
		return "mark", nil
	}
	return number(0, 65535)(e, s)
}

// ipv4Targets are the targets of iptables alone.
var ipv4Targets = []extension{
	{name: "REJECT", options: []option{{name: "reject-with", fill: "icmp-port-unreachable", value: choice(beginsName,
		"icmp-net-unreachable net-unreach", "icmp-host-unreachable host-unreach", "icmp-proto-unreachable proto-unreach",
		"icmp-port-unreachable port-unreach", "icmp-net-prohibited net-prohib", "icmp-host-prohibited host-prohib",
		"tcp-reset tcp-rst", "icmp-admin-prohibited admin-prohib")}}, finish: rejectReset},
	{name: "TTL", options: hopOptions("ttl"), finish: exactlyOne("--ttl-set", "--ttl-dec", "--ttl-inc")},
	{name: "ECN", options: []option{
		{name: "ecn-tcp-remove", args: none},
		{name: "ecn-tcp-ece", value: number(0, 1)},
		{name: "ecn-tcp-cwr", value: number(0, 1)},
		{name: "ecn-ip-ect", value: number(0, 3)},
	}, finish: atLeastOne},
	{name: "ULOG", options: ulogOptions},
	{name: "CLUSTERIP", options: []option{
		{name: "new", args: none},
		{name: "hashmode", with: "new", value: oneOf("sourceip", "sourceip-sourceport", "sourceip-sourceport-destport")},
		{name: "clustermac", value: clusterMAC},
		{name: "total-nodes", value: number(0, 16)},
		{name: "local-node", value: number(0, 16)},
		{name: "hash-init", value: number(0, all32), fill: "0"},
	}},
}

// ipv6Targets are the targets of ip6tables alone.
var ipv6Targets = []extension{
	{name: "REJECT", options: []option{{name: "reject-with", fill: "icmp6-port-unreachable", value: choice(beginsName,
		"icmp6-no-route no-route", "icmp6-adm-prohibited adm-prohibited", "icmp6-addr-unreachable addr-unreach",
		"icmp6-port-unreachable port-unreach", "tcp-reset", "icmp6-policy-fail policy-fail", "icmp6-reject-route reject-route")}}, finish: rejectReset},
	{name: "HL", options: hopOptions("hl"), finish: exactlyOne("--hl-set", "--hl-dec", "--hl-inc")},
	{name: "DNPT", options: prefixOptions},
	{name: "SNPT", options: prefixOptions},
}

func hopOptions(name string) []option {
	return []option{
		{name: name + "-set", value: number(0, 255)},
		{name: name + "-dec", value: number(1, 255)},
		{name: name + "-inc", value: number(1, 255)},
	}
}

var prefixOptions = []option{
	{name: "src-pfx", value: hostMask(false, true), must: true},
	{name: "dst-pfx", value: hostMask(false, true), must: true},
}

// clusterMAC is a value: a hardware address in capitals.
func clusterMAC(e *env, s string) (string, error) {
	v, err := mac(e, s)
	return strings.ToUpper(v), err
}
