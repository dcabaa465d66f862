package packets

import (
	"net/netip"
	"slices"
)

func addressWords(list []netip.Prefix) string {
	switch {
	case list == nil:
		return "any"
	case len(list) == 0:
		return "none"
	}
	items, rest := addressItems(list), addressItems(complement(list))
	// What begins and ends where all addresses do is all but something.
	width := list[0].Addr().BitLen()
	open := list[0].Addr() == (value{}).address(list[0].Addr().Is6()) && ofAddress(lastOf(list[len(list)-1])) == ones(width)
	fewer := len(rest) > 0 && (len(rest) < len(items) || open)
	if whole := cover(list); !(fewer && len(rest) <= shown) && len(list) > shown && whole.Bits() >= whole.Addr().BitLen()/4 {
		missing := addressItems(outside(whole, list))
		switch {
		case len(missing) <= shown && len(missing) < len(items):
			return whole.String() + " without " + some(missing)
		case len(items) > shown:
			return "part of " + whole.String()
		}
	}
	if fewer {
		return "not " + some(rest)
	}
	return some(items)
}

// addressItems are networks and single addresses; neighbours that make no
// network are a range.
func addressItems(list []netip.Prefix) []string {
	var items []string
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Addr() == lastOf(list[n-1]).Next() {
			n++
		}
		if n > 2 {
			items = append(items, list[0].Addr().String()+"-"+lastOf(list[n-1]).String())
		} else {
			for _, p := range list[:n] {
				items = append(items, networkText(p))
			}
		}
		list = list[n:]
	}
	return items
}

func networkText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// lastOf is the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	a := ofAddress(p.Addr())
	return a.or(ones(p.Addr().BitLen() - p.Bits())).address(p.Addr().Is6())
}

// outside is what a network has beside a list's.
func outside(whole netip.Prefix, list []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range complement(list) {
		switch {
		case whole.Contains(p.Addr()) && p.Bits() >= whole.Bits():
			out = append(out, p)
		case p.Contains(whole.Addr()) && p.Bits() <= whole.Bits():
			out = append(out, whole)
		}
	}
	return out
}

// cover is the smallest network that holds all of a list.
func cover(list []netip.Prefix) netip.Prefix {
	if len(list) == 0 {
		return netip.Prefix{}
	}
	for bits := list[0].Bits(); ; bits-- {
		p := netip.PrefixFrom(list[0].Addr(), bits).Masked()
		if !slices.ContainsFunc(list, func(o netip.Prefix) bool { return o.Bits() < bits || !p.Contains(o.Addr()) }) {
			return p
		}
	}
}

func complement(list []netip.Prefix) []netip.Prefix {
	if len(list) == 0 {
		return nil
	}
	v6 := list[0].Addr().Is6()
	width := list[0].Addr().BitLen()
	var s spans
	for _, p := range list {
		s = append(s, network(ofAddress(p.Addr()), p.Bits(), width)...)
	}
	return prefixes(normal(s).invert(ones(width)), v6)
}

// endpoint is an address with ports.
func endpoint(addresses []netip.Prefix, ports []Range) string {
	a := addressWords(addresses)
	if ports == nil {
		return a
	}
	if len(addresses) > 0 && addresses[0].Addr().Is6() {
		a = "[" + a + "]"
	}
	return a + ":" + portWords(ports)
}
