package ruleset

import "slices"

// common returns the pairs of indices of a common subsequence of a and b, both
// indices increasing. It is a longest one unless a and b repeat few texts very
// often and differ in very many places: the exact methods then cost more than
// they are worth, and the result is a long one.
func common(a, b []int32) [][2]int {
	c := commons{budget: 20_000_000}
	c.solve(a, b, 0, 0, 0)
	return c.pairs
}

type commons struct {
	pairs [][2]int
	// budget is how many steps the exact methods may still take.
	budget int
}

// solve appends the pairs of a and b, whose first elements have the indices i
// and j, in order.
func (c *commons) solve(a, b []int32, i, j, depth int) {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		c.pairs = append(c.pairs, [2]int{i + head, j + head})
		head++
	}
	a, b, i, j = a[head:], b[head:], i+head, j+head
	tail := 0
	for tail < len(a) && tail < len(b) && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	if a, b := a[:len(a)-tail], b[:len(b)-tail]; len(a) > 0 && len(b) > 0 {
		c.middle(a, b, i, j, depth)
	}
	for k := tail; k > 0; k-- {
		c.pairs = append(c.pairs, [2]int{i + len(a) - k, j + len(b) - k})
	}
}

func (c *commons) middle(a, b []int32, i, j, depth int) {
	at := make(map[int32][]int32, len(b)) // where b has an element
	for k, id := range b {
		at[id] = append(at[id], int32(k))
	}
	candidates := 0
	times := make(map[int32]int, len(a))
	for _, id := range a {
		candidates += len(at[id])
		times[id]++
	}
	var found [][2]int
	switch {
	case candidates == 0:
		return
	case candidates*8 <= c.budget:
		c.budget -= candidates * 8
		found = longest(a, func(k int) []int32 { return at[a[k]] })
	default:
		var ok bool
		if found, ok = c.shortest(a, b); ok {
			break
		}
		// Hold on to what is there once on both sides, and look between.
		once := longest(a, func(k int) []int32 {
			if q := at[a[k]]; len(q) == 1 && times[a[k]] == 1 {
				return q
			}
			return nil
		})
		if len(once) > 0 && depth < 8 {
			x, y := 0, 0
			for _, p := range once {
				c.solve(a[x:p[0]], b[y:p[1]], i+x, j+y, depth+1)
				c.pairs = append(c.pairs, [2]int{i + p[0], j + p[1]})
				x, y = p[0]+1, p[1]+1
			}
			c.solve(a[x:], b[y:], i+x, j+y, depth+1)
			return
		}
		// The first of equals with the first, the second with the second.
		found = longest(a, func(k int) []int32 {
			q := at[a[k]]
			if len(q) == 0 {
				return nil
			}
			at[a[k]] = q[1:]
			return q[:1]
		})
	}
	for _, p := range found {
		c.pairs = append(c.pairs, [2]int{i + p[0], j + p[1]})
	}
}

// longest returns the longest sequence of pairs (k, one of partners(k)) in
// which both grow, by the method of Hunt and Szymanski (1977): a longest
// increasing subsequence over the partners of each k in falling order.
// partners is asked once for each k and returns rising indices.
func longest(a []int32, partners func(k int) []int32) [][2]int {
	type node struct{ a, b, before int32 }
	var nodes []node
	var ends []int32 // ends[l] is the node that ends the best sequence of l+1 pairs
	for k := range a {
		q := partners(k)
		for n := len(q) - 1; n >= 0; n-- {
			l, _ := slices.BinarySearchFunc(ends, q[n], func(e, b int32) int { return int(nodes[e].b) - int(b) })
			if l < len(ends) && nodes[ends[l]].b == q[n] {
				continue
			}
			before := int32(-1)
			if l > 0 {
				before = ends[l-1]
			}
			nodes = append(nodes, node{int32(k), q[n], before})
			if l == len(ends) {
				ends = append(ends, 0)
			}
			ends[l] = int32(len(nodes) - 1)
		}
	}
	out := make([][2]int, len(ends))
	if len(ends) > 0 {
		n := ends[len(ends)-1]
		for l := len(ends) - 1; l >= 0; l-- {
			out[l] = [2]int{int(nodes[n].a), int(nodes[n].b)}
			n = nodes[n].before
		}
	}
	return out
}

// shortest returns the longest common subsequence by the greedy method of
// Myers (1986), whose cost grows with the number of differences and not with
// the number of equal elements. It gives up when the budget or 1000
// differences are exhausted.
func (c *commons) shortest(a, b []int32) ([][2]int, bool) {
	const most = 1000
	var trace [][]int32        // trace[d] has the furthest a index on diagonals -d…d
	at := func(d, k int) int { // on diagonal k after d differences
		if d < 0 || k < -d || k > d {
			return -1
		}
		return int(trace[d][k+d])
	}
	for d := 0; d <= most && c.budget > 0; d++ {
		row := make([]int32, 2*d+1)
		trace = append(trace, row)
		for k := -d; k <= d; k += 2 {
			x := 0
			if d > 0 {
				x = at(d-1, k+1)
				if right := at(d-1, k-1) + 1; k > -d && right > x {
					x = right
				}
			}
			y := x - k
			from := x
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			c.budget -= x - from + 1
			row[k+d] = int32(x)
			if x == len(a) && y == len(b) {
				return c.walkBack(a, b, d, at), true
			}
		}
	}
	return nil, false
}

// walkBack returns the equal pairs on the way that shortest found.
func (c *commons) walkBack(a, b []int32, d int, at func(d, k int) int) [][2]int {
	x, y := len(a), len(b)
	var out [][2]int
	for ; d >= 0; d-- {
		k := x - y
		start := 0
		down := false
		if d > 0 {
			start = at(d-1, k+1)
			down = true
			if right := at(d-1, k-1) + 1; k > -d && right > start {
				start, down = right, false
			}
		}
		for x > start {
			x, y = x-1, y-1
			out = append(out, [2]int{x, y})
		}
		if down {
			y--
		} else if d > 0 {
			x--
		}
	}
	slices.Reverse(out)
	return out
}
