package packets

import (
	"cmp"
	"slices"
)

// single joins members of one dimension. Of networks the most specific one
// decides, so that exceptions cut holes.
func (r *reader) single(members []member) *membership {
	plain := make(map[field]spans)
	var kids []*condition
	exceptions := false
	for i := range members {
		exceptions = exceptions || members[i].exception
	}
	if exceptions {
		return r.joined(members)
	}
	for i := range members {
		c := members[i].tests[0]
		if c.op == inSet {
			plain[c.field] = append(plain[c.field], c.set...)
			continue
		}
		kids = append(kids, c)
	}
	for f := field(0); f < fields; f++ {
		if s, ok := plain[f]; ok {
			kids = append(kids, in(f, normal(s), r.v6))
		}
	}
	return &membership{anyOf(kids...), no}
}

// joined joins members of any dimensions. The kernel tries the prefix lengths
// from the longest, those of the first network before those of the second
// (mtype_test_cidrs of ip_set_hash_gen.h); the first member that fits decides.
func (r *reader) joined(members []member) *membership {
	slices.SortStableFunc(members, func(a, b member) int { return slices.CompareFunc(b.lengths, a.lengths, cmp.Compare[int]) })
	var match, except []*condition
	var before []*condition // exceptions of longer prefixes
	var matched []*condition
	for at := 0; at < len(members); {
		end := at
		var kids, holes []*condition
		for ; end < len(members) && slices.Equal(members[end].lengths, members[at].lengths); end++ {
			c := allOf(members[end].tests...)
			if members[end].exception {
				holes = append(holes, c)
			} else {
				kids = append(kids, c)
			}
		}
		match = append(match, r.less(anyOf(kids...), before))
		if len(holes) > 0 {
			except = append(except, r.less(anyOf(holes...), append(slices.Clone(before), matched...)))
			before = append(before, holes...)
		}
		matched = append(matched, kids...)
		at = end
	}
	return &membership{anyOf(match...), anyOf(except...)}
}

// less is c without what is in any of the others.
func (r *reader) less(c *condition, others []*condition) *condition {
	if len(others) == 0 {
		return c
	}
	return allOf(c, negate(anyOf(others...), r.v6))
}

// byInterface joins members of a hash:net,iface. The lookup ends at the most
// specific network that holds the address, whatever its interface: a member
// of it that names another one hides the wider networks (the flag multi of
// mtype_test_cidrs).
func (r *reader) byInterface(members []member) *membership {
	type group struct {
		address       *condition
		length        int
		match, except []*condition
	}
	var groups []*group
	index := map[string]*group{}
	var physical []*condition
	for i := range members {
		m := &members[i]
		if m.physical {
			physical = append(physical, allOf(m.tests...))
			continue
		}
		key := conditionKey(m.tests[0])
		g := index[key]
		if g == nil {
			g = &group{address: m.tests[0], length: m.lengths[0]}
			groups, index[key] = append(groups, g), g
		}
		if m.exception {
			g.except = append(g.except, m.tests[1])
		} else {
			g.match = append(g.match, m.tests[1])
		}
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return b.length - a.length })
	var match, except []*condition
	var longer spans // what more specific networks hold
	for at := 0; at < len(groups); {
		var here spans
		var in1, out1 []*condition
		length, f := groups[at].length, groups[at].address.field
		for ; at < len(groups) && groups[at].length == length; at++ {
			g := groups[at]
			in1 = append(in1, allOf(g.address, r.less(anyOf(g.match...), g.except)))
			out1 = append(out1, allOf(g.address, anyOf(g.except...)))
			if g.address.op == inSet {
				here = append(here, g.address.set...)
			} else {
				here = spans{{high: f.limit(r.v6)}}
			}
		}
		rest := in(f, normal(slices.Clone(longer)).invert(f.limit(r.v6)), r.v6)
		match = append(match, allOf(rest, anyOf(in1...)))
		except = append(except, allOf(rest, anyOf(out1...)))
		longer = normal(append(longer, here...))
	}
	return &membership{anyOf(append(match, physical...)...), anyOf(except...)}
}

// conditionKey tells tests of one range apart.
func conditionKey(c *condition) string {
	if c.op != inSet {
		return ""
	}
	b := make([]byte, 0, 32)
	for _, n := range []uint64{c.set[0].low.hi, c.set[0].low.lo, c.set[0].high.hi, c.set[0].high.lo} {
		for i := range 8 {
			b = append(b, byte(n>>(8*i)))
		}
	}
	return string(b)
}
