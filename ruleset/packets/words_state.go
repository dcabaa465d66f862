package packets

import (
	"slices"
	"strings"
)

// stateWords names the states that rules speak of; "new" is the rest of a
// ruleset that lets established connections pass.
func (b *Box) stateWords() string {
	var items []string
	for _, s := range b.State {
		if b.spoken == nil || b.spoken[s] || s == StateNew {
			items = append(items, s.String())
		}
	}
	switch {
	case len(items) == 0:
		for _, s := range b.State {
			items = append(items, s.String())
		}
	case len(items) == 1 && items[0] == stateNames[stateNew]:
		return "new"
	case b.spoken != nil:
		// All that are spoken of: nothing is said.
		n := 1
		for s, yes := range b.spoken {
			if yes && s != stateNew {
				n++
			}
		}
		if len(items) == n && slices.Contains(b.State, StateNew) {
			return ""
		}
	}
	return strings.Join(items, ",")
}

// spokenStates are the states that a journey's rules name, or leave out;
// ESTABLISHED and RELATED go without saying.
func spokenStates(stages []stage) *[states]bool {
	out := &[states]bool{stateEstablished: true, stateRelated: true}
	var test func(c *condition)
	test = func(c *condition) {
		if c.op == inSet && c.field == fieldState {
			set := numbers(c.set)
			if len(set) > states/2 {
				set = numbers(c.set.invert(number(states - 1)))
			}
			for _, n := range set {
				out[n] = true
			}
		}
		for _, k := range c.kids {
			test(k)
		}
	}
	seen := map[*chain]bool{nil: true}
	var walk func(c *chain)
	walk = func(c *chain) {
		if seen[c] {
			return
		}
		seen[c] = true
		for i := range c.rules {
			test(c.rules[i].fits)
			walk(c.table.chains[c.rules[i].action.chain])
		}
	}
	for _, s := range stages {
		for _, c := range s.chains {
			walk(c)
		}
	}
	return out
}
