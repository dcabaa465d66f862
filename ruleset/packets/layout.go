package packets

import (
	"math/bits"
	"slices"
)

// layout says which levels of a diagram stand for which field. A field's
// values are told apart only where some rule does: its cuts make classes, and
// the levels are the bits of a class's number. A field whose single bits are
// tested has a level for each of those bits.
type layout struct {
	v6     bool
	fields [fields]fieldLayout
	atoms  []int32 // level of each atom
	levels int32
}

type fieldLayout struct {
	used bool
	raw  bool
	// cuts are the first values of the classes, the first one 0.
	cuts []value
	// bits are the tested bits of a raw field, from the highest.
	bits []int
	// levels are those of the class number's bits, or of bits, in their order.
	levels []int32
}

// collector finds what conditions tell apart.
type collector struct {
	v6   bool
	cuts [fields][]value
	bits [fields]value
	raw  [fields]bool
	used [fields]bool
	seen map[*condition]bool
	// order are the conditions as they came.
	order []*condition
}

func (c *collector) add(x *condition) {
	if c.seen[x] {
		return
	}
	c.seen[x], c.order = true, append(c.order, x)
	switch x.op {
	case inSet:
		c.used[x.field] = true
		c.cut(x.field, x.set)
		if x.field == fieldTTL {
			c.cut(x.field, shiftTTL(x.set, 1))
		}
	case masked:
		c.used[x.field] = true
		c.bits[x.field] = c.bits[x.field].or(x.mask)
		if !x.field.bitwise() {
			c.raw[x.field] = true
		}
	}
	for _, k := range x.kids {
		c.add(k)
	}
}

func (c *collector) cut(f field, s spans) {
	limit := f.limit(c.v6)
	for _, r := range s {
		c.cuts[f] = append(c.cuts[f], r.low)
		if r.high != limit {
			c.cuts[f] = append(c.cuts[f], r.high.next())
		}
	}
}

// shiftTTL is what a time to live must have been for it to be in s after n
// hops.
func shiftTTL(s spans, n uint8) spans {
	if n == 0 {
		return s
	}
	var out spans
	for _, r := range s {
		low, high := r.low.lo+uint64(n), r.high.lo+uint64(n)
		if high > 255 {
			out = append(out, span{number(max(low, 256) - 256), number(high - 256)}) // see lifetime.of
		}
		if low <= 255 {
			out = append(out, span{number(low), number(min(high, 255))})
		}
	}
	return normal(out)
}

// layout gives the fields their levels.
func (c *collector) layout(atoms int) *layout {
	l := &layout{v6: c.v6}
	if c.used[fieldConnmark] || c.used[fieldMark] {
		both := c.bits[fieldMark].or(c.bits[fieldConnmark])
		c.bits[fieldMark], c.bits[fieldConnmark] = both, both
		c.used[fieldMark], c.used[fieldConnmark] = true, true
	}
	for f := field(0); f < fields; f++ {
		fl := &l.fields[f]
		if fl.used = c.used[f]; !fl.used {
			continue
		}
		fl.raw = c.raw[f] || f.bitwise()
		n := 0
		if fl.raw {
			mask := c.bits[f]
			if !f.bitwise() {
				mask = ones(f.width(c.v6))
			}
			for i := f.width(c.v6) - 1; i >= 0; i-- {
				if mask.bit(i) {
					fl.bits = append(fl.bits, i)
				}
			}
			n = len(fl.bits)
		} else {
			fl.cuts = append(slices.Clone(c.cuts[f]), value{})
			slices.SortFunc(fl.cuts, value.compare)
			fl.cuts = slices.Compact(fl.cuts)
			n = bits.Len(uint(len(fl.cuts) - 1))
		}
		if f == fieldConnmark {
			continue // between the levels of the mark
		}
		for range n {
			fl.levels = append(fl.levels, l.levels)
			l.levels++
			if f == fieldMark {
				cm := &l.fields[fieldConnmark]
				cm.levels = append(cm.levels, l.levels)
				l.levels++
			}
		}
	}
	for range atoms {
		l.atoms = append(l.atoms, l.levels)
		l.levels++
	}
	return l
}

// class returns the number of the class that a value is in.
func (f *fieldLayout) class(v value) int {
	i, found := slices.BinarySearchFunc(f.cuts, v, value.compare)
	if found {
		return i
	}
	return i - 1
}

// span returns the values of a class.
func (f *fieldLayout) span(class int, limit value) span {
	if class >= len(f.cuts)-1 {
		// Numbers that no class has stand for the last one.
		return span{f.cuts[len(f.cuts)-1], limit}
	}
	return span{f.cuts[class], f.cuts[class+1].previous()}
}

// setBit says whether bit i, counted from the first level, of a value's code is
// set.
func (f *fieldLayout) setBit(v value, i int) bool {
	if f.raw {
		return v.bit(f.bits[i])
	}
	return f.class(v)>>(len(f.levels)-1-i)&1 != 0
}

// encode returns the diagram that is t for values of the set and e for
// others. Both must ask for later levels only.
func (f *fieldLayout) encode(s *store, set spans, limit value, t, e node) node {
	if len(set) == 0 {
		return e
	}
	if f.raw {
		return f.encodeRaw(s, set, t, e)
	}
	codes := make([][2]int, len(set))
	n := len(f.levels)
	for i, r := range set {
		low, high := f.class(r.low), f.class(r.high)
		if r.high == limit {
			high = 1<<n - 1
		}
		codes[i] = [2]int{low, high}
	}
	return f.ranges(s, codes, 0, 0, t, e)
}

// ranges is the diagram of the codes from base on that the bits from at on
// can still make.
func (f *fieldLayout) ranges(s *store, codes [][2]int, at, base int, t, e node) node {
	size := 1 << (len(f.levels) - at)
	for len(codes) > 0 && codes[0][1] < base {
		codes = codes[1:]
	}
	for len(codes) > 0 && codes[len(codes)-1][0] >= base+size {
		codes = codes[:len(codes)-1]
	}
	switch {
	case len(codes) == 0:
		return e
	case codes[0][0] <= base && codes[0][1] >= base+size-1:
		return t
	}
	lo := f.ranges(s, codes, at+1, base, t, e)
	return s.make(f.levels[at], lo, f.ranges(s, codes, at+1, base+size/2, t, e))
}

// encodeRaw does so for a field whose levels are its own bits: all of them.
func (f *fieldLayout) encodeRaw(s *store, set spans, t, e node) node {
	var build func(rest spans, at int, base value) node
	build = func(rest spans, at int, base value) node {
		high := base.or(ones(len(f.levels) - at))
		for len(rest) > 0 && rest[0].high.less(base) {
			rest = rest[1:]
		}
		for len(rest) > 0 && high.less(rest[len(rest)-1].low) {
			rest = rest[:len(rest)-1]
		}
		switch {
		case len(rest) == 0:
			return e
		case !base.less(rest[0].low) && !rest[0].high.less(high):
			return t
		}
		lo := build(rest, at+1, base)
		return s.make(f.levels[at], lo, build(rest, at+1, base.setBit(f.bits[at])))
	}
	return build(set, 0, value{})
}

// encodeBits returns the diagram of a test of single bits.
func (f *fieldLayout) encodeBits(s *store, want, mask value, t, e node) node {
	for i := len(f.bits) - 1; i >= 0; i-- {
		switch b := f.bits[i]; {
		case !mask.bit(b):
		case want.bit(b):
			t = s.make(f.levels[i], e, t)
		default:
			t = s.make(f.levels[i], t, e)
		}
	}
	return t
}
