package packets

import (
	"net/netip"
	"slices"
	"strings"
)

// Contains says whether a packet is in the box.
func (b *Box) Contains(p *Packet) bool {
	number := func(list []Range, f field) bool {
		return list == nil || slices.ContainsFunc(list, func(r Range) bool {
			v := p.valueOf(f).lo
			return r.Low <= v && v <= r.High
		})
	}
	network := func(list []netip.Prefix, a netip.Addr) bool {
		return list == nil || slices.ContainsFunc(list, func(x netip.Prefix) bool { return x.Contains(a) })
	}
	bits := func(list []Masked, n uint32) bool {
		return list == nil || slices.ContainsFunc(list, func(m Masked) bool { return n&m.Mask == m.Value })
	}
	is := func(want *bool, have bool) bool { return want == nil || *want == have }
	for _, t := range b.Translated {
		name, no := strings.CutPrefix(t, "!")
		if have := map[string]bool{"DNAT": p.DNAT, "SNAT": p.SNAT}[name]; have == no {
			return false
		}
	}
	for m, a := range map[*AddressMask]netip.Addr{b.SrcMask: p.Src, b.DstMask: p.Dst, b.LocalMask: p.Local} {
		if m != nil && ofAddress(a).and(ofAddress(m.Mask)) != ofAddress(m.Value) {
			return false
		}
	}
	for _, c := range b.Conditions {
		if p.Holds[c.Atom.String()] != c.Holds {
			return false
		}
	}
	return network(b.Src, p.Src) && network(b.Dst, p.Dst) && network(b.Local, p.Local) && number(b.Proto, fieldProto) &&
		number(b.SPort, fieldSport) && number(b.DPort, fieldDport) && number(b.ICMP, fieldICMP) &&
		hasName(b.In, p.In) && hasName(b.Out, p.Out) &&
		(b.State == nil || slices.Contains(b.State, p.State)) && is(b.Reply, p.Reply) &&
		(b.Flags == nil || slices.Contains(b.Flags, p.Flags)) && is(b.Fragment, p.Fragment) &&
		number(b.MAC, fieldMAC) && number(b.TTL, fieldTTL) && number(b.Length, fieldLength) &&
		(b.Type == nil || slices.Contains(b.Type, p.Type)) &&
		bits(b.TOS, uint32(p.TOS)) && bits(b.Mark, p.Mark) && bits(b.Connmark, p.Connmark)
}

// hasName says whether a list of interface names means one: the longest that
// fits decides. Where none does, the list means the others if it begins with
// one that it does not mean.
func hasName(list []string, name string) bool {
	if list == nil {
		return true
	}
	best := -1
	for _, item := range list {
		pattern := strings.TrimPrefix(item, "!")
		if nameSpans(pattern).contains(ofName(name)) {
			best = max(best, nameRank(pattern))
		}
	}
	if best < 0 {
		return strings.HasPrefix(list[0], "!")
	}
	for _, item := range list {
		pattern, no := strings.CutPrefix(item, "!")
		if nameRank(pattern) == best && nameSpans(pattern).contains(ofName(name)) {
			return !no
		}
	}
	return false
}

// nameRank orders patterns by how much of a name they tell.
func nameRank(pattern string) int {
	prefix, open := strings.CutSuffix(pattern, "+")
	if open {
		return 2 * len(prefix)
	}
	return 2*len(prefix) + 1
}
