package netfilter

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
	KeepAscending(pair[head : len(wanted)-tail])
	return pair
}
