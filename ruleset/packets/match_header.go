package packets

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// address returns the test of an address with a prefix length or a mask.
func (r *reader) address(f field, s string) (*condition, error) {
	text, mask, hasMask := strings.Cut(s, "/")
	a, err := netip.ParseAddr(text)
	if err != nil {
		return nil, err
	}
	v, width := ofAddress(a), f.width(r.v6)
	if !hasMask {
		return in(f, one(v), r.v6), nil
	}
	if n, err := strconv.Atoi(mask); err == nil {
		if n < 0 || n > width {
			return nil, fmt.Errorf("prefix length %d", n)
		}
		return in(f, network(v, n, width), r.v6), nil
	}
	ma, err := netip.ParseAddr(mask)
	if err != nil {
		return nil, err
	}
	return maskedAddress(f, v, ofAddress(ma), r.v6), nil
}

// network returns the addresses that share the first n bits of v.
func network(v value, n, width int) spans {
	host := ones(width - n)
	return spans{{v.and(host.not()).and(ones(width)), v.or(host)}}
}

// maskedAddress is the test of an address under any mask; where the ones of
// the mask are together, it is one of a range.
func maskedAddress(f field, v, mask value, v6 bool) *condition {
	limit := ones(f.width(v6))
	host := mask.not().and(limit)
	if host.and(host.next()) == (value{}) { // zeros, then ones
		if v.and(mask) != v {
			return no
		}
		return in(f, spans{{v, v.or(host)}}, v6)
	}
	if v.and(mask) != v {
		return no
	}
	if s := maskSpans(v, host); s != nil {
		return in(f, s, v6)
	}
	return bitTest(f, v, mask)
}

// maxMaskSpans is how many ranges a mask may stand for before the address is
// tested bit by bit.
const maxMaskSpans = 1024

// maskSpans returns the ranges of values that differ from v in the bits of
// free, nil if they are too many.
func maskSpans(v, free value) spans {
	low := value{} // the free bits at the end
	for i := 0; free.bit(i); i++ {
		low = low.setBit(i)
	}
	high := free.and(low.not())
	if n := high.bitCount(); n > 62 || 1<<n > maxMaskSpans {
		return nil
	}
	var out spans
	for at := (value{}); ; {
		out = append(out, span{v.or(at), v.or(at).or(low)})
		// The next number of those whose bits are all in high.
		at = at.or(high.not()).next().and(high)
		if at == (value{}) {
			return out
		}
	}
}

func (r *reader) addressRange(m *xtables.Module) (*condition, error) {
	return r.each(m, func(o *xtables.Option) (*condition, error) {
		f := fieldSrc
		if o.Name == "--dst-range" {
			f = fieldDst
		}
		low, high, _ := strings.Cut(o.Value(), "-")
		a, err := netip.ParseAddr(low)
		if err != nil {
			return nil, err
		}
		b, err := netip.ParseAddr(high)
		if err != nil {
			return nil, err
		}
		if b.Less(a) {
			return no, nil
		}
		return in(f, spans{{ofAddress(a), ofAddress(b)}}, r.v6), nil
	})
}

// addressType parts the two sides: only the destination may be translated on
// the way. Of several types IPv4 wants one (match_type of xt_addrtype.c); what
// IPv6 wants of them is no such sum, and stays one unknown.
func (r *reader) addressType(m *xtables.Module) (*condition, error) {
	if m.Option("--limit-iface-in") != nil || m.Option("--limit-iface-out") != nil {
		return r.unknownMatch(moduleText(m), "", m.Option("--dst-type") != nil), nil
	}
	return r.each(m, func(o *xtables.Option) (*condition, error) {
		types := []string{o.Value()}
		if !r.v6 {
			types = strings.Split(o.Value(), ",")
		}
		var any []*condition
		for _, kind := range types {
			any = append(any, r.unknownMatch("-m addrtype "+o.Name+" "+kind, "", o.Name == "--dst-type"))
		}
		return anyOf(any...), nil
	})
}

// mac follows xt_mac.c: a packet that came by no Ethernet, such as lo's, does
// not match, nor what is negated.
func (r *reader) mac(m *xtables.Module) (*condition, error) {
	return allOfOptions(m, func(o *xtables.Option) (*condition, error) {
		n, err := macNumber(o.Value())
		if err != nil {
			return nil, err
		}
		set := one(number(n))
		if o.Negated {
			set = set.invert(fieldMAC.limit(r.v6))
		}
		lo := in(fieldIn, one(ofName("lo")), r.v6)
		return allOf(negate(lo, r.v6), in(fieldMAC, set, r.v6)), nil
	})
}

func macNumber(s string) (uint64, error) {
	n, err := strconv.ParseUint(strings.ReplaceAll(s, ":", ""), 16, 48)
	if err != nil {
		return 0, fmt.Errorf("%q is no hardware address", s)
	}
	return n, nil
}

func (r *reader) packetType(m *xtables.Module) (*condition, error) {
	return r.each(m, func(o *xtables.Option) (*condition, error) {
		for i, name := range packetTypes {
			if name == o.Value() {
				return is(fieldPacketType, uint64(i)), nil
			}
		}
		return nil, fmt.Errorf("packet type %q", o.Value())
	})
}

func (r *reader) ttl(m *xtables.Module) (*condition, error) {
	return r.each(m, func(o *xtables.Option) (*condition, error) {
		n, err := strconv.ParseUint(o.Value(), 0, 8)
		if err != nil {
			return nil, err
		}
		switch {
		case strings.HasSuffix(o.Name, "-lt"):
			if n == 0 {
				return no, nil
			}
			return in(fieldTTL, spans{{number(0), number(n - 1)}}, r.v6), nil
		case strings.HasSuffix(o.Name, "-gt"):
			if n == 255 {
				return no, nil
			}
			return in(fieldTTL, spans{{number(n + 1), number(255)}}, r.v6), nil
		}
		return is(fieldTTL, n), nil
	})
}

func (r *reader) length(m *xtables.Module) (*condition, error) {
	return r.each(m, func(o *xtables.Option) (*condition, error) {
		s, err := numberRange(o.Value(), 16)
		return in(fieldLength, s, r.v6), err
	})
}

// tos is the type of service, or its upper six bits, or its lower two.
func (r *reader) tos(m *xtables.Module) (*condition, error) {
	return r.each(m, func(o *xtables.Option) (*condition, error) {
		switch o.Name {
		case "--tos":
			v, mask, err := maskedNumber(o.Value(), 8)
			return bitTest(fieldTOS, v, mask), err
		case "--dscp":
			n, err := strconv.ParseUint(o.Value(), 0, 6)
			return bitTest(fieldTOS, number(n<<2), number(0xfc)), err
		case "--ecn-ip-ect":
			n, err := strconv.ParseUint(o.Value(), 0, 2)
			return bitTest(fieldTOS, number(n), number(3)), err
		}
		return r.option(m, o), nil
	})
}

// numberRange reads n or low:high.
func numberRange(s string, bits int) (spans, error) {
	low, high, isRange := strings.Cut(s, ":")
	a, err := strconv.ParseUint(low, 0, bits)
	if err != nil {
		return nil, err
	}
	b := a
	if isRange {
		if b, err = strconv.ParseUint(high, 0, bits); err != nil {
			return nil, err
		}
	}
	if b < a {
		return nil, nil // a range that is empty to the kernel too
	}
	return spans{{number(a), number(b)}}, nil
}

// maskedNumber reads a value with or without /mask.
func maskedNumber(s string, width int) (v, mask value, err error) {
	text, maskText, hasMask := strings.Cut(s, "/")
	n, err := strconv.ParseUint(text, 0, width)
	if err != nil {
		return v, mask, err
	}
	k := uint64(1)<<width - 1
	if hasMask {
		if k, err = strconv.ParseUint(maskText, 0, width); err != nil {
			return v, mask, err
		}
	}
	return number(n), number(k), nil
}

// bitCount returns how many bits of v are set.
func (v value) bitCount() int { return bits.OnesCount64(v.hi) + bits.OnesCount64(v.lo) }
