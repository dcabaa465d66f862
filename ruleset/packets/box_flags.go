package packets

import (
	"math/bits"
	"slices"
)

// flagTest makes what a box wants of TCP flags a test that iptables has, of a
// mask and what is set of it, as a reader knows them: the shortest one that
// leaves out no packet the box is for, or else the one with most of them. It
// is no wider than the box may be, and holds what the box began with.
func (d *differ) flagTest(c *cube, begin, rest node) {
	if c.fields[fieldFlags] == trueNode {
		return
	}
	f := &d.fields[fieldFlags]
	of := func(n node) (set uint64) {
		for _, r := range d.values(fieldFlags, n) {
			for v := r.low.lo; v <= r.high.lo; v++ {
				set |= 1 << v
			}
		}
		return set
	}
	need := d.project(d.and(d.cubeNode(c, fieldFlags, -1), rest), fieldFlags)
	may, must, want := of(c.fields[fieldFlags]), of(begin), of(d.and(need, c.fields[fieldFlags]))
	best, found := uint64(0), false
	better := func(set uint64) bool {
		a, b := bits.OnesCount64(set&want), bits.OnesCount64(best&want)
		return !found || a > b
	}
	for _, t := range flagTests {
		if t&^may == 0 && must&^t == 0 && better(t) {
			best, found = t, true
		}
	}
	if !found {
		return
	}
	var s spans
	for v := range uint64(64) {
		if best>>v&1 == 1 {
			s = append(s, span{number(v), number(v)})
		}
	}
	if n := f.encode(d.store, normal(s), fieldFlags.limit(d.u.v6), trueNode, falseNode); of(n) == best {
		c.fields[fieldFlags] = n
	}
}

// flagTests are the sets of combinations that tests are, those of the fewest
// flags first.
var flagTests = func() (out []uint64) {
	for size := range 7 {
		for mask := range uint64(64) {
			if bits.OnesCount64(mask) != size {
				continue
			}
			for want := uint64(0); want <= mask; want++ {
				if want&^mask != 0 {
					continue
				}
				var set uint64
				for v := range uint64(64) {
					if v&mask == want {
						set |= 1 << v
					}
				}
				out = append(out, set, ^set)
			}
		}
	}
	return out
}()

// narrow takes back what a box gained of states and ICMP types that no packet
// it is for has, unless a rule asks for just that.
func (d *differ) narrow(c *cube, rest node) {
	for _, f := range []field{fieldState, fieldICMP} {
		may := c.fields[f]
		if may == trueNode || d.fields[f].raw || d.asked(f, d.values(f, may)) {
			continue
		}
		c.fields[f] = d.and(may, d.project(d.and(d.cubeNode(c, f, -1), rest), f))
	}
}

// asked says that a rule asks for these values of a field, or for all others.
func (d *differ) asked(f field, s spans) bool {
	other := s.invert(f.limit(d.u.v6))
	return slices.ContainsFunc(d.ruled, func(c *condition) bool {
		return c.op == inSet && c.field == f && (slices.Equal(c.set, s) || slices.Equal(c.set, other))
	})
}

// ruledFlags begins a box with a test of flags that a rule has, where one fits, and says so:
// what it grows by then is not cut short by flags that a state's packets have.
func (d *differ) ruledFlags(c *cube, outside node) bool {
	begin := c.fields[fieldFlags]
	if begin == trueNode {
		return false
	}
	c.fields[fieldFlags] = trueNode
	if d.and(d.cubeNode(c, fields, -1), outside) == falseNode {
		return false
	}
	best := falseNode
	for _, x := range d.ruled {
		if x.op != inSet || x.field != fieldFlags {
			continue
		}
		n := d.fields[fieldFlags].encode(d.store, x.set, fieldFlags.limit(d.u.v6), trueNode, falseNode)
		for _, n := range []node{n, d.not(n)} {
			// Of several the narrowest, which leaves the states most room.
			if d.less(begin, n) != falseNode || best != falseNode && d.less(n, best) != falseNode {
				continue
			}
			c.fields[fieldFlags] = n
			if d.and(d.cubeNode(c, fields, -1), outside) == falseNode {
				best = n
			}
		}
	}
	c.fields[fieldFlags] = begin
	if best != falseNode {
		c.fields[fieldFlags] = best
	}
	return best != falseNode
}
