package packets

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// value is a value of a field: a number of up to 128 bits.
type value struct{ hi, lo uint64 }

func number(n uint64) value { return value{0, n} }

func (v value) less(w value) bool { return v.hi < w.hi || v.hi == w.hi && v.lo < w.lo }

func (v value) compare(w value) int {
	switch {
	case v == w:
		return 0
	case v.less(w):
		return -1
	}
	return 1
}

func (v value) next() value {
	lo, carry := bits.Add64(v.lo, 1, 0)
	return value{v.hi + carry, lo}
}

func (v value) previous() value {
	lo, borrow := bits.Sub64(v.lo, 1, 0)
	return value{v.hi - borrow, lo}
}

func (v value) and(w value) value { return value{v.hi & w.hi, v.lo & w.lo} }
func (v value) or(w value) value  { return value{v.hi | w.hi, v.lo | w.lo} }
func (v value) not() value        { return value{^v.hi, ^v.lo} }

// bit returns bit i, 0 the lowest.
func (v value) bit(i int) bool {
	if i >= 64 {
		return v.hi>>(i-64)&1 != 0
	}
	return v.lo>>i&1 != 0
}

func (v value) setBit(i int) value {
	if i >= 64 {
		v.hi |= 1 << (i - 64)
	} else {
		v.lo |= 1 << i
	}
	return v
}

// ones returns the number whose n lowest bits are set.
func ones(n int) value {
	switch {
	case n >= 128:
		return value{^uint64(0), ^uint64(0)}
	case n >= 64:
		return value{1<<(n-64) - 1, ^uint64(0)}
	}
	return value{0, 1<<n - 1}
}

// ofAddress returns an address as a number.
func ofAddress(a netip.Addr) value {
	if !a.IsValid() {
		return value{}
	}
	if a.Is4() {
		b := a.As4()
		return number(uint64(binary.BigEndian.Uint32(b[:])))
	}
	b := a.As16()
	return value{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// address returns the number as an address.
func (v value) address(v6 bool) netip.Addr {
	if !v6 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(v.lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], v.hi)
	binary.BigEndian.PutUint64(b[8:], v.lo)
	return netip.AddrFrom16(b)
}

// ofName returns an interface's name as a number: names that begin alike are
// neighbours. No name is 0.
func ofName(s string) value {
	var b [16]byte
	copy(b[:], s)
	return value{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// name returns the number as an interface's name.
func (v value) name() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], v.hi)
	binary.BigEndian.PutUint64(b[8:], v.lo)
	n := slices.Index(b[:], 0)
	if n < 0 {
		n = len(b)
	}
	return string(b[:n])
}

// span is a range of values, ends included.
type span struct{ low, high value }

func one(v value) spans { return spans{{v, v}} }

// spans is a set of values: ranges in order that neither meet nor touch.
type spans []span

// normal returns the set that any ranges make up; it may reorder s.
func normal(s spans) spans {
	ordered := true
	for i := 1; i < len(s) && ordered; i++ {
		ordered = s[i-1].high.less(s[i].low) && s[i-1].high.next() != s[i].low
	}
	if ordered {
		return s
	}
	slices.SortFunc(s, func(a, b span) int { return a.low.compare(b.low) })
	out := s[:0]
	for _, r := range s {
		if n := len(out); n > 0 && (!out[n-1].high.less(r.low) || out[n-1].high.next() == r.low) {
			if out[n-1].high.less(r.high) {
				out[n-1].high = r.high
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// invert returns all values up to limit that are not in the set.
func (s spans) invert(limit value) spans {
	var out spans
	var at value
	for _, r := range s {
		if at.less(r.low) {
			out = append(out, span{at, r.low.previous()})
		}
		if r.high == limit {
			return out
		}
		at = r.high.next()
	}
	return append(out, span{at, limit})
}

func (s spans) contains(v value) bool {
	i, found := slices.BinarySearchFunc(s, v, func(r span, v value) int {
		switch {
		case r.high.less(v):
			return -1
		case v.less(r.low):
			return 1
		}
		return 0
	})
	_ = i
	return found
}
