package xtables

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// anyAddress stands for an address that the save leaves out.
const anyAddress = ""

// ipv4List reads the addresses of -s or -d: each with a prefix length or a
// mask, its host bits cut, several parted by commas.
// arptables does not write the length of a whole address.
func ipv4List(s string, negated, arp bool) ([]string, error) {
	return addressList(s, func(address, mask string) (string, error) {
		m, err := ipv4Mask(mask)
		if err != nil {
			return "", err
		}
		if m == 0 {
			if !negated {
				return anyAddress, nil
			}
			return "0.0.0.0/0", nil // with a null mask the name does not count
		}
		a, err := ipv4(address)
		if err != nil {
			return hostName(address, mask, err)
		}
		if arp && m == 1<<32-1 {
			return ipv4String(a), nil
		}
		return ipv4String(a&m) + "/" + ipv4MaskString(m), nil
	})
}

// ipv6List does for ip6tables what ipv4List does for iptables.
func ipv6List(s string, negated bool) ([]string, error) {
	return addressList(s, func(address, mask string) (string, error) {
		m, err := ipv6Mask(mask)
		if err != nil {
			return "", err
		}
		if m == ([16]byte{}) {
			if !negated {
				return anyAddress, nil
			}
			return "::/0", nil
		}
		a, err := ipv6(address)
		if err != nil {
			return hostName(address, mask, err)
		}
		for i := range a {
			a[i] &= m[i]
		}
		return ipv6String(a) + "/" + ipv6MaskString(m), nil
	})
}

func addressList(s string, convert func(address, mask string) (string, error)) ([]string, error) {
	list := make([]string, 0, 1)
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimLeft(item, " \t")
		address, mask := item, ""
		if i := strings.LastIndexByte(item, '/'); i >= 0 {
			if address, mask = item[:i], item[i+1:]; mask == "" {
				return nil, fmt.Errorf("invalid mask %q", mask)
			}
		}
		v, err := convert(address, mask)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// hostName keeps a name that iptables would look up when it loads the rule:
// what it will mean cannot be known here. Anything else is err.
func hostName(name, mask string, err error) (string, error) {
	letter := false
	for i := range len(name) {
		c := name[i]
		if !alphanumeric(c) && c != '-' && c != '.' && c != '_' {
			return "", err
		}
		letter = letter || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	if !letter || name[0] == '-' || name[0] == '.' {
		return "", err
	}
	if mask != "" {
		name += "/" + mask
	}
	return name, nil
}

// ipv4 reads a dotted address. A number with fewer than four parts is a
// network: 10 is 10.0.0.0, as iptables has it.
func ipv4(s string) (uint32, error) {
	a, parts, ok := dotted(s)
	if !ok || parts < 1 {
		return 0, fmt.Errorf("host/network %q not found", s)
	}
	return a, nil
}

func dotted(s string) (a uint32, parts int, ok bool) {
	for ; parts < 4; parts++ {
		part, rest, more := strings.Cut(s, ".")
		if parts == 3 {
			part, more = s, false
		}
		n, ok := parseUint(part, 255)
		if !ok {
			return 0, 0, false
		}
		a |= uint32(n) << (24 - 8*parts)
		if !more {
			return a, parts + 1, true
		}
		s = rest
	}
	return 0, 0, false
}

// ipv4Mask reads a mask, a prefix length or "", which is all 32 bits.
func ipv4Mask(s string) (uint32, error) {
	if s == "" {
		return 1<<32 - 1, nil
	}
	if m, parts, ok := dotted(s); ok && parts == 4 {
		return m, nil
	}
	n, ok := parseUint(s, 32)
	if !ok {
		return 0, fmt.Errorf("invalid mask %q", s)
	}
	return uint32(uint64(1<<32-1) << (32 - n)), nil
}

func ipv4String(a uint32) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], a)
	return netip.AddrFrom4(b).String()
}

// ipv4MaskString returns the prefix length, or the mask where its ones are
// not together.
func ipv4MaskString(m uint32) string {
	if n := bits.LeadingZeros32(^m); m<<n == 0 {
		return strconv.Itoa(n)
	}
	return ipv4String(m)
}

func ipv6(s string) ([16]byte, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return [16]byte{}, fmt.Errorf("host/network %q not found", s)
	}
	return a.As16(), nil
}

func ipv6Mask(s string) (m [16]byte, err error) {
	n := uint64(128)
	if s != "" {
		if m, err := ipv6(s); err == nil {
			return m, nil
		}
		var ok bool
		if n, ok = parseUint(s, 128); !ok {
			return m, fmt.Errorf("invalid mask %q", s)
		}
	}
	for i := range m {
		switch {
		case n >= 8:
			m[i], n = 0xff, n-8
		default:
			m[i], n = byte(0xff<<(8-n)), 0
		}
	}
	return m, nil
}

// ipv6String prints as inet_ntop(3) does, which writes an address of the
// form ::a.b.c.d with dots.
func ipv6String(a [16]byte) string {
	address := netip.AddrFrom16(a)
	low := binary.BigEndian.Uint32(a[12:])
	if [12]byte(a[:12]) == ([12]byte{}) && low > 0xffff {
		return "::" + ipv4String(low)
	}
	return address.String()
}

func ipv6MaskString(m [16]byte) string {
	n, ones := 0, true
	for _, b := range m {
		if !ones && b != 0 {
			return ipv6String(m)
		}
		k := bits.LeadingZeros8(^b)
		if b<<k != 0 {
			return ipv6String(m)
		}
		if n += k; k < 8 {
			ones = false
		}
	}
	return strconv.Itoa(n)
}
