package xtables

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// verdicts are the targets without options that every family has.
var verdicts = []extension{{name: "ACCEPT"}, {name: "DROP"}, {name: "QUEUE"}, {name: "RETURN"}}

// natTargets are the targets that change addresses and ports.
var natTargets = []extension{
	{name: "SNAT", options: []option{
		{name: "to-source", value: natRange, must: true},
		{name: "random", args: none},
		{name: "random-fully", args: none},
		{name: "persistent", args: none},
	}},
	{name: "DNAT", options: []option{
		{name: "to-destination", value: natRange, must: true},
		{name: "random", args: none},
		{name: "persistent", args: none},
	}},
	{name: "MASQUERADE", options: []option{
		{name: "to-ports", value: natPorts},
		{name: "random", args: none},
		{name: "random-fully", args: none},
	}},
	{name: "REDIRECT", options: []option{
		{name: "to-ports", value: natPorts},
		{name: "random", args: none},
	}},
	{name: "NETMAP", options: []option{{name: "to", value: hostMask(true, true), must: true}}},
	{name: "TPROXY", needs: "tcp udp", options: []option{
		{name: "on-port", value: port, must: true},
		{name: "on-ip", value: host},
		{name: "tproxy-mark", value: xmark, fill: "0x0/0x0"},
	}, finish: tproxy},
}

// natPorts is a value: a port or a range low-high, which may be followed by
// /base, the port that is mapped to low.
func natPorts(e *env, s string) (string, error) {
	switch protocolName(e.proto) {
	case "tcp", "udp", "sctp", "dccp", "icmp":
	default:
		return "", fmt.Errorf("need TCP, UDP, SCTP or DCCP with port specification")
	}
	low, rest, ok := scanUint(s, 65535)
	if !ok {
		n, err := scanPort(s)
		if err != nil {
			return "", err
		}
		low, rest = n, ""
	}
	out := strconv.FormatUint(low, 10)
	if rest == "" {
		return out, nil
	}
	if rest[0] != '-' {
		return "", fmt.Errorf("garbage after port value: %q", rest)
	}
	high, rest, ok := scanUint(rest[1:], 65535)
	if !ok || high < low {
		return "", fmt.Errorf("port range %q not valid", s)
	}
	span := out + "-" + strconv.FormatUint(high, 10)
	if rest == "" {
		if high != low {
			out = span
		}
		return out, nil
	}
	if rest[0] != '/' {
		return "", fmt.Errorf("garbage after port range: %q", rest)
	}
	base, err := scanPort(rest[1:])
	if err != nil || base == 0 {
		return "", fmt.Errorf("port %q not valid", rest[1:])
	}
	return span + "/" + strconv.FormatUint(base, 10), nil
}

// natRange is a value: an address or a range of them, ports or both. IPv6
// addresses stand in brackets before ports.
func natRange(e *env, s string) (string, error) {
	addresses, ports := s, ""
	if inner, ok := strings.CutPrefix(s, "["); ok {
		end := strings.IndexByte(inner, ']')
		if end < 0 || !e.v6() {
			return "", fmt.Errorf("invalid address format")
		}
		addresses = inner[:end]
		if rest := inner[end+1:]; rest != "" {
			if rest[0] != ':' {
				return "", fmt.Errorf("invalid address format")
			}
			ports = rest[1:]
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 && strings.IndexByte(s[i+1:], ':') < 0 {
		addresses, ports = s[:i], s[i+1:]
		if ports == "" {
			return "", fmt.Errorf("port %q not valid", ports)
		}
	}
	if ports != "" {
		var err error
		if ports, err = natPorts(e, ports); err != nil {
			return "", err
		}
		if addresses == "" {
			return ":" + ports, nil
		}
	}
	low, high, isRange := strings.Cut(addresses, "-")
	low, err := plainAddress(e, low)
	if err != nil {
		return "", err
	}
	if isRange {
		if high, err = plainAddress(e, high); err != nil {
			return "", err
		}
		if high != low {
			low += "-" + high
		}
	}
	if ports == "" {
		return low, nil
	}
	if e.v6() {
		low = "[" + low + "]"
	}
	return low + ":" + ports, nil
}

// plainAddress reads an address as inet_pton(3) does.
func plainAddress(e *env, s string) (string, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Is6() != e.v6() || a.Zone() != "" {
		return "", fmt.Errorf("bad IP address %q", s)
	}
	if e.v6() {
		return ipv6String(a.As16()), nil
	}
	return a.String(), nil
}

func tproxy(e *env, m *Module) error {
	if m.Option("--on-ip") == nil {
		any := "0.0.0.0"
		if e.v6() {
			any = "::"
		}
		m.Options = insertBefore(m.Options, Option{Name: "--on-ip", Values: []string{any}}, "--tproxy-mark")
	}
	return nil
}
