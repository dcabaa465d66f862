package netfilter

import "sort"

// align pairs the elements of two lists of rules, given by keys, so that what
// is paired stands in the same order in both: for each of wanted the index of
// its counterpart in live, or -1. Copies of one rule are paired in order. Where
// all keys differ no longer pairing exists.
func align[K comparable](live, wanted []K) []int {
	pair := make([]int, len(wanted))
	head := 0
	for head < len(live) && head < len(wanted) && live[head] == wanted[head] {
		pair[head] = head
		head++
	}
	tail := 0
	for tail < min(len(live), len(wanted))-head && live[len(live)-1-tail] == wanted[len(wanted)-1-tail] {
		tail++
		pair[len(wanted)-tail] = len(live) - tail
	}
	at := map[K][]int{}
	for i := head; i < len(live)-tail; i++ {
		at[live[i]] = append(at[live[i]], i)
	}
	for i := head; i < len(wanted)-tail; i++ {
		pair[i] = -1
		if q := at[wanted[i]]; len(q) > 0 {
			pair[i], at[wanted[i]] = q[0], q[1:]
		}
	}
	ascending(pair[head : len(wanted)-tail])
	return pair
}

// ascending sets to -1 what is not on a longest ascending subsequence of the
// values that are not -1.
func ascending(v []int) {
	var tails []int // index of the smallest last value of a run of each length
	before := make([]int, len(v))
	for i, x := range v {
		if x < 0 {
			continue
		}
		n := sort.Search(len(tails), func(k int) bool { return v[tails[k]] >= x })
		before[i] = -1
		if n > 0 {
			before[i] = tails[n-1]
		}
		if n == len(tails) {
			tails = append(tails, i)
		} else {
			tails[n] = i
		}
	}
	on := make([]bool, len(v))
	if len(tails) > 0 {
		for i := tails[len(tails)-1]; i >= 0; i = before[i] {
			on[i] = true
		}
	}
	for i := range v {
		if !on[i] {
			v[i] = -1
		}
	}
}
