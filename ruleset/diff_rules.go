package ruleset

// rules adds the difference of two chains' rules.
func (d *differ) rules(a, b []Rule) {
	similar := newSimilarity(a, b, d.at.Native)
	steps := sequence(len(a), len(b),
		func(i int) string { return a[i].Text }, func(i int) string { return b[i].Text },
		similar.pairs)
	for _, s := range steps {
		c := Change{Subject: SubjectRule, Kind: s.kind}
		if s.old >= 0 {
			r := &a[s.old]
			c.Old, c.OldIndex, c.OldLine, c.OldSource = r.Text, s.old+1, r.Line, r.Source
			c.Line, c.Source = r.Line, r.Source
		}
		if s.new >= 0 {
			r := &b[s.new]
			c.New, c.NewIndex, c.Line, c.Source = r.Text, s.new+1, r.Line, r.Source
		}
		d.add(c)
	}
}

// step is one difference of two sequences: indices from 0, -1 for none.
type step struct {
	kind     ChangeKind
	old, new int
}

// sequence returns the differences of two sequences of n and m texts, in the
// order of the second. pairs, if not nil, gets the removed and added indices
// between two neighbours that stay and returns those that are edits of one
// another, both indices increasing.
func sequence(n, m int, a, b func(int) string, pairs func(removed, added []int) [][2]int) []step {
	ids := make(map[string]int32, n)
	number := func(n int, text func(int) string) []int32 {
		out := make([]int32, n)
		for i := range out {
			t := text(i)
			id, ok := ids[t]
			if !ok {
				id = int32(len(ids))
				ids[t] = id
			}
			out[i] = id
		}
		return out
	}
	x, y := number(n, a), number(m, b)
	stay := common(x, y)
	if len(stay) == n && n == m {
		return nil
	}

	// What is on both sides and does not stay has moved.
	oldStays, from := make([]bool, n), make([]int, m)
	for i := range from {
		from[i] = -1
	}
	const stays = -2
	for _, p := range stay {
		oldStays[p[0]], from[p[1]] = true, stays
	}
	left := make(map[int32][]int)
	for i, id := range x {
		if !oldStays[i] {
			left[id] = append(left[id], i)
		}
	}
	moved := make([]bool, n)
	for j, id := range y {
		if q := left[id]; from[j] == -1 && len(q) > 0 {
			left[id], from[j], moved[q[0]] = q[1:], q[0], true
		}
	}

	var steps []step
	i, j := 0, 0
	for k := 0; k <= len(stay); k++ {
		end := [2]int{n, m}
		if k < len(stay) {
			end = stay[k]
		}
		steps = gap(steps, i, j, end, moved, from, pairs)
		i, j = end[0]+1, end[1]+1
	}
	return steps
}

// gap appends the steps between two neighbours that stay: old indices from i
// and new ones from j up to end. Removed steps come before added ones, and
// edits separate what is before them from what is behind.
func gap(steps []step, i, j int, end [2]int, moved []bool, from []int, pairs func(removed, added []int) [][2]int) []step {
	if i >= end[0] && j >= end[1] {
		return steps
	}
	var removed, added []int
	for o := i; o < end[0]; o++ {
		if !moved[o] {
			removed = append(removed, o)
		}
	}
	for n := j; n < end[1]; n++ {
		if from[n] == -1 {
			added = append(added, n)
		}
	}
	var edits [][2]int
	if pairs != nil && len(removed) > 0 && len(added) > 0 {
		edits = pairs(removed, added)
	}
	for e := 0; e <= len(edits); e++ {
		stop := end
		if e < len(edits) {
			stop = edits[e]
		}
		for len(removed) > 0 && removed[0] < stop[0] {
			steps = append(steps, step{Removed, removed[0], -1})
			removed = removed[1:]
		}
		for ; j < stop[1]; j++ {
			if from[j] >= 0 {
				steps = append(steps, step{Moved, from[j], j})
			} else {
				steps = append(steps, step{Added, -1, j})
			}
		}
		if e < len(edits) {
			steps = append(steps, step{Changed, stop[0], stop[1]})
			removed, j = removed[1:], j+1
		}
	}
	return steps
}
