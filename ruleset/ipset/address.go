package ipset

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// span is a range of addresses of one family, ends included. bits is the
// prefix length that was written, or -1.
type span struct {
	from, to netip.Addr
	bits     int
}

// parseSpan reads ADDR, ADDR/BITS, ADDR-ADDR of the family. Host names are
// refused: what they stand for is not in the dump.
func parseSpan(s string, v6 bool) (span, error) {
	// ipset takes [ ] around a name that holds a dash.
	if i := strings.IndexByte(s, '-'); i >= 0 {
		from, err := parseAddr(s[:i], v6)
		if err != nil {
			return span{}, err
		}
		to, err := parseAddr(s[i+1:], v6)
		if err != nil {
			return span{}, err
		}
		if to.Less(from) {
			from, to = to, from // as the kernel does
		}
		return span{from, to, -1}, nil
	}
	i := strings.IndexByte(s, '/')
	if i < 0 {
		a, err := parseAddr(s, v6)
		return span{a, a, -1}, err
	}
	a, err := parseAddr(s[:i], v6)
	if err != nil {
		return span{}, err
	}
	bits, ok := decimal(s[i+1:], uint32(a.BitLen()))
	if !ok {
		return span{}, fmt.Errorf("%q is no prefix length", s[i+1:])
	}
	p := netip.PrefixFrom(a, int(bits)).Masked()
	return span{p.Addr(), lastOf(p), int(bits)}, nil
}

func parseAddr(s string, v6 bool) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is no address", s)
	}
	if a.Is4() == v6 {
		return netip.Addr{}, fmt.Errorf("%s is of the other address family", s)
	}
	return a, nil
}

// lastOf returns the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func v4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func addr4(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// networks returns the fewest networks that make up an IPv4 range, in order:
// how the kernel stores a range in a hash:net (hash_net4_uadt).
func networks(from, to uint32) []netip.Prefix {
	var out []netip.Prefix
	for at, end := uint64(from), uint64(to); at <= end; {
		size, bits := uint64(1), 32
		for bits > 0 && at&(size*2-1) == 0 && at+size*2-1 <= end {
			size *= 2
			bits--
		}
		out = append(out, netip.PrefixFrom(addr4(uint32(at)), bits))
		at += size
	}
	return out
}

// masked applies a netmask in bits, or a bit mask, to an address.
func masked(a netip.Addr, bits int, mask netip.Addr) netip.Addr {
	if mask.IsValid() {
		b, m := a.AsSlice(), mask.AsSlice()
		for i := range b {
			b[i] &= m[i]
		}
		a, _ = netip.AddrFromSlice(b)
	}
	if bits >= 0 {
		a = netip.PrefixFrom(a, bits).Masked().Addr()
	}
	return a
}
