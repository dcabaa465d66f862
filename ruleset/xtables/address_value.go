package xtables

import (
	"fmt"
	"strings"
)

// host is a value: one address.
func host(e *env, s string) (string, error) {
	if e.v6() {
		a, err := ipv6(s)
		if err != nil {
			return hostName(s, "", err)
		}
		return ipv6String(a), nil
	}
	// getaddrinfo(3) takes the forms of inet_aton(3).
	a, err := inetAton(s)
	if err != nil {
		return hostName(s, "", err)
	}
	return ipv4String(a), nil
}

// inetAton reads the address forms of inet(3): a, a.b, a.b.c, a.b.c.d, where
// the last part fills the rest.
func inetAton(s string) (uint32, error) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return 0, fmt.Errorf("bad address %q", s)
	}
	var a uint64
	for i, part := range parts {
		left := 4 - i // bytes that this part may fill
		if i < len(parts)-1 {
			left = 1
		}
		n, ok := parseUint(part, 1<<(8*left)-1)
		if !ok {
			return 0, fmt.Errorf("bad address %q", s)
		}
		a |= n << (8 * (4 - i - left))
	}
	return uint32(a), nil
}

// hostMask is a value: an address with a mask that the save writes only if
// it does not cover the whole. Host bits stay, unless cut says otherwise.
func hostMask(cut, always bool) value {
	return func(e *env, s string) (string, error) {
		address, mask := s, ""
		if i := strings.IndexByte(s, '/'); i >= 0 {
			if address, mask = s[:i], s[i+1:]; mask == "" {
				return "", fmt.Errorf("invalid mask %q", mask)
			}
		}
		if e.v6() {
			return hostMask6(address, mask, cut, always)
		}
		return hostMask4(address, mask, cut, always)
	}
}

func hostMask4(address, mask string, cut, always bool) (string, error) {
	m, err := ipv4Mask(mask)
	if err != nil {
		return "", err
	}
	a, err := ipv4(address)
	if err != nil {
		return hostName(address, mask, err)
	}
	if cut {
		a &= m
	}
	if m == 1<<32-1 && !always {
		return ipv4String(a), nil
	}
	return ipv4String(a) + "/" + ipv4MaskString(m), nil
}

func hostMask6(address, mask string, cut, always bool) (string, error) {
	m, err := ipv6Mask(mask)
	if err != nil {
		return "", err
	}
	a, err := ipv6(address)
	if err != nil {
		return hostName(address, mask, err)
	}
	if cut {
		for i := range a {
			a[i] &= m[i]
		}
	}
	length := ipv6MaskString(m)
	if length == "128" && !always {
		return ipv6String(a), nil
	}
	return ipv6String(a) + "/" + length, nil
}

// addressRange is a value: two addresses parted by a dash, or one that is
// both.
func addressRange(e *env, s string) (string, error) {
	first, last, ok := strings.Cut(s, "-")
	if !ok {
		last = first
	}
	low, err := strictAddress(e, first)
	if err != nil {
		return "", err
	}
	high, err := strictAddress(e, last)
	if err != nil {
		return "", err
	}
	return low + "-" + high, nil
}

func strictAddress(e *env, s string) (string, error) {
	if e.v6() {
		a, err := ipv6(s)
		return ipv6String(a), err
	}
	a, err := ipv4(s)
	return ipv4String(a), err
}

// prefixLength is a value: a prefix length, which may be given as a mask.
func prefixLength(e *env, s string) (string, error) {
	if e.v6() {
		m, err := ipv6Mask(s)
		return ipv6MaskString(m), err
	}
	m, err := ipv4Mask(s)
	return ipv4MaskString(m), err
}
