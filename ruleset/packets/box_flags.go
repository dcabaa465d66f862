package packets

import "math/bits"

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
