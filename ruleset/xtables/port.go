package xtables

import (
	"fmt"
	"strconv"
	"strings"
)

// scanPort reads a port number or the name of a service.
func scanPort(s string) (uint64, error) {
	if n, ok := parseUint(s, 65535); ok {
		return n, nil
	}
	if n, ok := services()[s]; ok {
		return uint64(n), nil
	}
	return 0, fmt.Errorf("invalid port/service %q specified", s)
}

// port is a value: one port.
func port(_ *env, s string) (string, error) {
	n, err := scanPort(s)
	return strconv.FormatUint(n, 10), err
}

// ports is a value: a port or a range low:high, where a missing end is 0 or
// 65535.
func ports(_ *env, s string) (string, error) {
	first, second, isRange := strings.Cut(s, ":")
	low, high := uint64(0), uint64(65535)
	var err error
	if first != "" || !isRange {
		if low, err = scanPort(first); err != nil {
			return "", err
		}
	}
	switch {
	case !isRange:
		high = low
	case second != "":
		if high, err = scanPort(second); err != nil {
			return "", err
		}
	}
	if high < low {
		return "", fmt.Errorf("invalid portrange (min > max)")
	}
	return printRange(low, high), nil
}

// multiport is a value: up to 15 ports, of which a range takes two.
func multiport(e *env, s string) (string, error) {
	switch protocolName(e.proto) {
	case "tcp", "udp", "udplite", "sctp", "dccp":
	default:
		return "", fmt.Errorf("multiport needs -p tcp, -p udp, -p udplite, -p sctp or -p dccp")
	}
	items := strings.Split(s, ",")
	n := len(items)
	for i, item := range items {
		first, second, isRange := strings.Cut(item, ":")
		low, err := scanPort(first)
		if err != nil {
			return "", err
		}
		items[i] = strconv.FormatUint(low, 10)
		if isRange {
			high, err := scanPort(second)
			if err != nil {
				return "", err
			}
			if low >= high {
				return "", fmt.Errorf("invalid portrange specified")
			}
			items[i] = printRange(low, high)
			n++
		}
	}
	if n > 15 {
		return "", fmt.Errorf("too many ports specified")
	}
	return strings.Join(items, ","), nil
}
