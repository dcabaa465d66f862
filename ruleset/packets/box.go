package packets

import (
	"net/netip"
	"slices"
)

// Range is a range of numbers, ends included.
type Range struct{ Low, High uint64 }

// Box is a set of packets: those that fit every list. A nil list is any.
type Box struct {
	Src, Dst []netip.Prefix
	// SrcMask and the like are tests of address bits that no list of networks
	// can tell.
	SrcMask, DstMask, LocalMask *AddressMask
	// Local are addresses that a REDIRECT may give.
	Local []netip.Prefix
	Proto []Range
	SPort []Range
	DPort []Range
	ICMP  []Range // type<<8 | code
	// In and Out are names; one with + stands for all that begin so, one with !
	// is left out of what the others hold, or of everything.
	In, Out    []string
	State      []State
	Reply      *bool // with or against the connection's direction
	Translated []string
	Flags      []uint8  // of TCP, all combinations that are meant
	Fragment   *bool    // a fragment that is not the first
	MAC        []Range  // source
	TOS        []Masked // any of them
	TTL        []Range
	Length     []Range
	Type       []uint8
	Mark       []Masked
	// notMark and notConnmark are the one test that does not hold, where that is
	// shorter to say.
	notMark, notConnmark *Masked
	Connmark             []Masked
	// spoken are the states that rules name.
	spoken     *[states]bool
	Conditions []Condition
}

// Masked is a test of the bits of a mask.
type Masked struct{ Value, Mask uint32 }

// AddressMask is a test of an address under a mask of any form.
type AddressMask struct{ Value, Mask netip.Addr }

// Condition is an unknown that holds, or does not.
type Condition struct {
	Atom  Atom
	Holds bool
}

// cube is a box in the making: for each field the values as a diagram of its
// levels, trueNode for any, and the atoms.
type cube struct {
	fields [fields]node
	atoms  map[int]node
}

// boxes covers a set with few boxes. A box may reach into what is outside of
// the domain, packets that cannot be: it is the shorter for it.
func (d *differ) boxes(where, domain node) ([]Box, bool) {
	list, cut := d.cubes(where, domain)
	out := make([]Box, len(list))
	for i := range list {
		out[i] = d.box(&list[i])
	}
	return out, cut
}

func (d *differ) cubes(where, domain node) ([]cube, bool) {
	outside := d.less(domain, where)
	rest := d.and(where, domain)
	begun := d.store.steps
	states := d.project(domain, fieldState)
	var out []cube
	for rest != falseNode {
		if len(out) == d.opts.MaxBoxes || len(out) > 0 && d.store.steps-begun > boxWork {
			return out, true
		}
		c := d.path(rest)
		ruled := d.ruledFlags(&c, outside)
		begin := c.fields[fieldFlags]
		d.widen(&c, outside, ruled)
		if !ruled {
			d.flagTest(&c, begin, rest)
		}
		d.narrow(&c, rest)
		if s := d.and(c.fields[fieldState], states); s == states {
			c.fields[fieldState] = trueNode
		} else {
			c.fields[fieldState] = s
		}
		rest = d.less(rest, d.cubeNode(&c, fields, -1))
		out = append(out, c)
	}
	return out, false
}

// boxWork bounds the work for the boxes of one region, in steps.
const boxWork = 300_000

// loosen drops as many bits from a pattern as keep it in what may be.
func (d *differ) loosen(f field, pattern, may node) node {
	levels := d.fields[f].levels
	for i := len(levels) - 1; i >= 0; i-- {
		if p := d.exists(pattern, levels[i], levels[i]); d.less(p, may) == falseNode {
			pattern = p
		}
	}
	return pattern
}

// levelField returns the field of each level, and the atom.
func (d *differ) levelField(level int32) (field, int) {
	for f := range fields {
		if slices.Contains(d.fields[f].levels, level) {
			return f, -1
		}
	}
	return fields, slices.Index(d.atoms, level)
}

// path returns the box of one way through a diagram to true.
func (d *differ) path(n node) cube {
	c := cube{atoms: map[int]node{}}
	for f := range c.fields {
		c.fields[f] = trueNode
	}
	for n != trueNode {
		b := d.nodes[n]
		v, next := d.variable(b.level), b.hi
		if b.lo != falseNode {
			v, next = d.not(v), b.lo
		}
		if f, atom := d.levelField(b.level); atom >= 0 {
			c.atoms[atom] = v
		} else {
			c.fields[f] = d.and(c.fields[f], v)
		}
		n = next
	}
	return c
}

// cubeNode is the diagram of a box without the limit on one field or atom.
func (d *differ) cubeNode(c *cube, but field, butAtom int) node {
	n := trueNode
	for f := range fields {
		if f != but {
			n = d.and(n, c.fields[f])
		}
	}
	for a := range d.atoms {
		if v, ok := c.atoms[a]; ok && a != butAtom {
			n = d.and(n, v)
		}
	}
	return n
}

// widenOrder is the order in which a box grows: what a reader is glad not to
// read about goes first.
var widenOrder = []field{fieldPacketType, fieldLength, fieldTTL, fieldTOS, fieldMAC, fieldFragment, fieldSNAT, fieldDNAT,
	fieldLocal, fieldDir, fieldConnmark, fieldMark, fieldFlags, fieldState, fieldOut, fieldIn, fieldSport, fieldICMP, fieldSrc,
	fieldDport, fieldDst, fieldProto}

// widen gives each field all the values that keep the box off what is outside,
// but for flags that are to stay.
func (d *differ) widen(c *cube, outside node, flagsStay bool) {
	for a := range d.atoms {
		if _, ok := c.atoms[a]; ok && d.and(d.cubeNode(c, fields, a), outside) == falseNode {
			delete(c.atoms, a)
		}
	}
	for _, f := range widenOrder {
		if c.fields[f] == trueNode || f == fieldFlags && flagsStay {
			continue
		}
		bad := d.and(d.cubeNode(c, f, -1), outside)
		may := d.not(d.project(bad, f))
		if d.fields[f].raw && !f.bitwise() {
			if _, ok := d.rawValues(f, may); !ok {
				may = d.loosen(f, c.fields[f], may)
			}
		}
		c.fields[f] = may
	}
}

// project is which values of a field a diagram holds packets of.
func (d *differ) project(n node, keep field) node {
	first, last := int32(0), d.levels-1
	levels := d.fields[keep].levels
	if len(levels) == 0 {
		return d.exists(n, first, last)
	}
	low, high := levels[0], levels[len(levels)-1]
	n = d.exists(d.exists(n, high+1, last), first, low-1)
	if int(high-low)+1 == len(levels) {
		return n
	}
	// The levels of marks lie between one another.
	for l := high; l >= low; l-- {
		if !slices.Contains(levels, l) {
			n = d.exists(n, l, l)
		}
	}
	return n
}

// values returns the values that a diagram of one field's levels holds, of a
// field with classes.
func (d *differ) values(f field, n node) spans {
	fl := &d.fields[f]
	limit := f.limit(d.u.v6)
	if n == trueNode {
		return spans{{high: limit}}
	}
	var out spans
	var walk func(n node, at, base int)
	walk = func(n node, at, base int) {
		if n == falseNode || base >= len(fl.cuts) {
			return
		}
		size := 1 << (len(fl.levels) - at)
		if n == trueNode {
			last := min(base+size, len(fl.cuts)) - 1
			out = append(out, span{fl.span(base, limit).low, fl.span(last, limit).high})
			return
		}
		lo, hi := d.cofactors(n, fl.levels[at])
		walk(lo, at+1, base)
		walk(hi, at+1, base+size/2)
	}
	walk(n, 0, 0)
	return normal(out)
}

// patterns returns the values that a diagram of one field's bits holds, as
// tests of some of them; at most limit.
func (d *differ) patterns(f field, n node, limit int) []pattern {
	fl := &d.fields[f]
	var out []pattern
	var walk func(n node, at int, m pattern)
	walk = func(n node, at int, m pattern) {
		if n == falseNode || len(out) == limit {
			return
		}
		if n == trueNode {
			out = append(out, m)
			return
		}
		lo, hi := d.cofactors(n, fl.levels[at])
		if lo == hi {
			walk(lo, at+1, m)
			return
		}
		m.mask = m.mask.setBit(fl.bits[at])
		walk(lo, at+1, m)
		m.want = m.want.setBit(fl.bits[at])
		walk(hi, at+1, m)
	}
	walk(n, 0, pattern{})
	return out
}

// pattern is a test of some bits of a field.
type pattern struct{ want, mask value }

// maxRawSpans is how many ranges of a field of single bits are told as such.
const maxRawSpans = 256

// rawValues returns the values that a diagram of an address's bits holds, if
// they are ranges of no great number.
func (d *differ) rawValues(f field, n node) (spans, bool) {
	fl := &d.fields[f]
	var out spans
	var walk func(n node, at int, base value) bool
	walk = func(n node, at int, base value) bool {
		switch {
		case n == falseNode:
			return true
		case n == trueNode:
			r := span{base, base.or(ones(len(fl.levels) - at))}
			if k := len(out); k > 0 && out[k-1].high.next() == r.low {
				out[k-1].high = r.high
			} else {
				out = append(out, r)
			}
			return len(out) <= maxRawSpans
		}
		lo, hi := d.cofactors(n, fl.levels[at])
		return walk(lo, at+1, base) && walk(hi, at+1, base.setBit(fl.bits[at]))
	}
	if !walk(n, 0, value{}) {
		return nil, false
	}
	return out, true
}
