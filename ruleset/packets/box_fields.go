package packets

import (
	"net/netip"
	"slices"
	"strings"
)

// box turns a cube into what is reported.
func (d *differ) box(c *cube) Box {
	b := Box{spoken: d.spoken}
	for f := range fields {
		if n := c.fields[f]; n != trueNode {
			d.boxField(&b, f, n)
		}
	}
	for a := range d.atoms {
		if v, ok := c.atoms[a]; ok {
			b.Conditions = append(b.Conditions, Condition{d.u.atoms[a], v == d.variable(d.atoms[a])})
		}
	}
	return b
}

func (d *differ) boxField(b *Box, f field, n node) {
	if d.fields[f].raw {
		d.boxBits(b, f, n)
		return
	}
	s := d.values(f, n)
	if len(s) == 1 && s[0] == (span{high: f.limit(d.u.v6)}) {
		return
	}
	flag := func() *bool {
		set := s.contains(number(1))
		return &set
	}
	switch f {
	case fieldSrc:
		b.Src = prefixes(s, d.u.v6)
	case fieldDst:
		b.Dst = prefixes(s, d.u.v6)
	case fieldLocal:
		b.Local = prefixes(s, d.u.v6)
	case fieldProto:
		b.Proto = ranges(s)
	case fieldSport:
		b.SPort = ranges(s)
	case fieldDport:
		b.DPort = ranges(s)
	case fieldICMP:
		b.ICMP = ranges(s)
	case fieldIn:
		b.In = names(s, d.names128)
	case fieldOut:
		b.Out = names(s, d.names128)
	case fieldState:
		for _, v := range numbers(s) {
			b.State = append(b.State, State(v))
		}
	case fieldDir:
		b.Reply = flag()
	case fieldDNAT:
		b.Translated = append(b.Translated, not1(*flag(), "DNAT"))
	case fieldSNAT:
		b.Translated = append(b.Translated, not1(*flag(), "SNAT"))
	case fieldFlags:
		for _, v := range numbers(s) {
			b.Flags = append(b.Flags, uint8(v))
		}
	case fieldFragment:
		b.Fragment = flag()
	case fieldMAC:
		b.MAC = ranges(s)
	case fieldTTL:
		b.TTL = ranges(s)
	case fieldLength:
		b.Length = ranges(s)
	case fieldPacketType:
		for _, v := range numbers(s) {
			b.Type = append(b.Type, uint8(v))
		}
	}
}

// boxBits is boxField for fields of single bits.
func (d *differ) boxBits(b *Box, f field, n node) {
	list := d.patterns(f, n, 64)
	switch f {
	case fieldMark, fieldConnmark, fieldTOS:
		var out []Masked
		for _, p := range list {
			out = append(out, Masked{uint32(p.want.lo), uint32(p.mask.lo)})
		}
		var denied *Masked
		if rest := d.patterns(f, d.not(n), 2); len(rest) == 1 && len(out) > 1 {
			denied = &Masked{uint32(rest[0].want.lo), uint32(rest[0].mask.lo)}
		}
		switch f {
		case fieldMark:
			b.Mark, b.notMark = out, denied
		case fieldConnmark:
			b.Connmark, b.notConnmark = out, denied
		default:
			b.TOS = out
		}
		return
	case fieldSrc, fieldDst, fieldLocal:
	default:
		return
	}
	if s, ok := d.rawValues(f, n); ok {
		*map[field]*[]netip.Prefix{fieldSrc: &b.Src, fieldDst: &b.Dst, fieldLocal: &b.Local}[f] = prefixes(s, d.u.v6)
		return
	}
	// One pattern: see widen.
	*map[field]**AddressMask{fieldSrc: &b.SrcMask, fieldDst: &b.DstMask, fieldLocal: &b.LocalMask}[f] =
		&AddressMask{list[0].want.address(d.u.v6), list[0].mask.address(d.u.v6)}
}

func not1(yes bool, s string) string {
	if yes {
		return s
	}
	return "!" + s
}

func ranges(s spans) []Range {
	out := make([]Range, len(s))
	for i, r := range s {
		out[i] = Range{r.low.lo, r.high.lo}
	}
	return out
}

// numbers returns the values of a set of few.
func numbers(s spans) []uint64 {
	var out []uint64
	for _, r := range s {
		for n := r.low.lo; n <= r.high.lo; n++ {
			out = append(out, n)
		}
	}
	return out
}

// prefixes returns the networks that ranges of addresses are made of.
func prefixes(s spans, v6 bool) []netip.Prefix {
	width := 32
	if v6 {
		width = 128
	}
	var out []netip.Prefix
	for _, r := range s {
		for at := r.low; ; {
			n := 0 // host bits
			for n < width {
				host := ones(n + 1)
				if at.and(host) != (value{}) || r.high.less(at.or(host)) {
					break
				}
				n++
			}
			out = append(out, netip.PrefixFrom(at.address(v6), width-n))
			last := at.or(ones(n))
			if last == r.high {
				break
			}
			at = last.next()
		}
	}
	return out
}

// pattern names that rules have: whole names and beginnings.
type interfaceName struct {
	text string
	set  span
}

// names returns interface names as a list of those that are meant and those
// that are not: the longest that fits a name decides.
func names(s spans, known []interfaceName) []string {
	var out []string
	everything := s.contains(ofName("\x01")) // a name that no rule knows
	for i, k := range known {
		in := s.contains(witness(known, i))
		if in == outer(known, i, s, everything) {
			continue
		}
		if in {
			out = append(out, k.text)
		} else {
			out = append(out, "!"+k.text)
		}
	}
	return out
}

// witness is a name that this pattern fits and no longer one.
func witness(known []interfaceName, i int) value {
	k := known[i]
	if k.set.low == k.set.high {
		return k.set.low
	}
	prefix := strings.TrimSuffix(k.text, "+")
	for _, more := range witnesses {
		if v := ofName(prefix + more); len(prefix+more) < 16 && !slices.ContainsFunc(known, func(o interfaceName) bool {
			return nameRank(o.text) > nameRank(k.text) && !v.less(o.set.low) && !o.set.high.less(v)
		}) {
			return v
		}
	}
	return k.set.low
}

var witnesses = []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "x", "y", "z", "q0", "q1", "q2", "~", "~~", "\x01"}

// outer says what holds for names of the next shorter pattern.
func outer(known []interfaceName, i int, s spans, everything bool) bool {
	best := -1
	for j, o := range known {
		if j != i && o.set.low != o.set.high && !known[i].set.low.less(o.set.low) && !o.set.high.less(known[i].set.high) &&
			(best < 0 || nameRank(o.text) > nameRank(known[best].text)) {
			best = j
		}
	}
	if best < 0 {
		return everything
	}
	return s.contains(witness(known, best))
}
