package netfilter

import "sort"

// KeepAscending sets to -1 what is not on a longest ascending subsequence of the
// values that are not -1: rules that kept their order, of two lists of which one
// gives the places in the other.
func KeepAscending(v []int) {
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
