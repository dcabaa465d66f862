package xtables

import (
	"fmt"
	"strconv"
	"strings"
)

// icmpType is a named ICMP type with its code, or -1 for all codes. The
// names are those that iptables -p icmp -h lists.
type icmpType struct {
	name       string
	kind, code int
}

var icmpTypes = []icmpType{
	{"any", 255, -1}, {"echo-reply", 0, -1}, {"pong", 0, -1},
	{"destination-unreachable", 3, -1}, {"network-unreachable", 3, 0}, {"host-unreachable", 3, 1},
	{"protocol-unreachable", 3, 2}, {"port-unreachable", 3, 3}, {"fragmentation-needed", 3, 4},
	{"source-route-failed", 3, 5}, {"network-unknown", 3, 6}, {"host-unknown", 3, 7},
	{"network-prohibited", 3, 9}, {"host-prohibited", 3, 10}, {"TOS-network-unreachable", 3, 11},
	{"TOS-host-unreachable", 3, 12}, {"communication-prohibited", 3, 13},
	{"host-precedence-violation", 3, 14}, {"precedence-cutoff", 3, 15},
	{"source-quench", 4, -1}, {"redirect", 5, -1}, {"network-redirect", 5, 0}, {"host-redirect", 5, 1},
	{"TOS-network-redirect", 5, 2}, {"TOS-host-redirect", 5, 3}, {"echo-request", 8, -1}, {"ping", 8, -1},
	{"router-advertisement", 9, -1}, {"router-solicitation", 10, -1}, {"time-exceeded", 11, -1},
	{"ttl-exceeded", 11, -1}, {"ttl-zero-during-transit", 11, 0}, {"ttl-zero-during-reassembly", 11, 1},
	{"parameter-problem", 12, -1}, {"ip-header-bad", 12, 0}, {"required-option-missing", 12, 1},
	{"timestamp-request", 13, -1}, {"timestamp-reply", 14, -1},
	{"address-mask-request", 17, -1}, {"address-mask-reply", 18, -1},
}

var icmpv6Types = []icmpType{
	{"destination-unreachable", 1, -1}, {"no-route", 1, 0}, {"communication-prohibited", 1, 1},
	{"beyond-scope", 1, 2}, {"address-unreachable", 1, 3}, {"port-unreachable", 1, 4},
	{"failed-policy", 1, 5}, {"reject-route", 1, 6}, {"packet-too-big", 2, -1}, {"time-exceeded", 3, -1},
	{"ttl-exceeded", 3, -1}, {"ttl-zero-during-transit", 3, 0}, {"ttl-zero-during-reassembly", 3, 1},
	{"parameter-problem", 4, -1}, {"bad-header", 4, 0}, {"unknown-header-type", 4, 1},
	{"unknown-option", 4, 2}, {"echo-request", 128, -1}, {"ping", 128, -1}, {"echo-reply", 129, -1},
	{"pong", 129, -1}, {"router-solicitation", 133, -1}, {"router-advertisement", 134, -1},
	{"neighbour-solicitation", 135, -1}, {"neighbor-solicitation", 135, -1},
	{"neighbour-advertisement", 136, -1}, {"neighbor-advertisement", 136, -1}, {"redirect", 137, -1},
}

// findICMP finds the type that s is the name of, or the unique beginning of
// the name of.
func findICMP(types []icmpType, s string) (icmpType, error) {
	var found *icmpType
	for i := range types {
		if !beginsName(types[i].name, s) {
			continue
		}
		if len(types[i].name) == len(s) {
			return types[i], nil
		}
		if found != nil {
			return icmpType{}, fmt.Errorf("ambiguous ICMP type %q: %q or %q", s, found.name, types[i].name)
		}
		found = &types[i]
	}
	if found == nil || s == "" {
		return icmpType{}, fmt.Errorf("unknown ICMP type %q", s)
	}
	return *found, nil
}

// icmp is a value: an ICMP type by name or number, with or without a code,
// that the save prints in numbers.
func icmp(types []icmpType) value {
	return func(e *env, s string) (string, error) {
		t, err := findICMP(types, s)
		if err != nil {
			kind, code, hasCode := strings.Cut(s, "/")
			k, ok := parseUint(kind, 255)
			if !ok {
				return "", err
			}
			t = icmpType{kind: int(k), code: -1}
			if hasCode {
				c, ok := parseUint(code, 255)
				if !ok {
					return "", fmt.Errorf("invalid ICMP code %q", code)
				}
				t.code = int(c)
			}
		}
		switch {
		case t.kind == 255 && !e.v6():
			return "any", nil // whatever the code: that is how the kernel takes it
		case t.code >= 0:
			return strconv.Itoa(t.kind) + "/" + strconv.Itoa(t.code), nil
		}
		return strconv.Itoa(t.kind), nil
	}
}
