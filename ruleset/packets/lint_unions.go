package packets

import "sort"

// unions find among the rules of a chain those that have to do with a set of
// packets, without a look at each: they know of neighbours together what any of
// them is about.
type unions struct {
	s     *store
	rules int
	of    func(i int) (node, *condition) // what a rule is about, no more than fits the condition
	at    place
	known [unionLevels + 1]map[int]*ruleRange
}

// ruleRange is what any of 1<<level rules is about.
type ruleRange struct {
	// sketch is a superset of it, packets it exactly if wide is false: what
	// would be a large diagram is not made.
	sketch  sketch
	packets node
	wide    bool
}

// unionLevels bounds the unions: those of thousands of rules are large.
const unionLevels = 9

const (
	unionSpans = 1024 // of a field of a sketch
	unionNodes = 64   // for each rule
)

func newUnions(s *store, rules int, at place, of func(i int) (node, *condition)) *unions {
	u := &unions{s: s, rules: rules, at: at, of: of}
	for i := range u.known {
		u.known[i] = map[int]*ruleRange{}
	}
	return u
}

// union returns the k-th range of a level.
func (u *unions) union(level, k int) *ruleRange {
	if n := u.known[level][k]; n != nil {
		return n
	}
	n := &ruleRange{packets: falseNode}
	if level == 0 {
		if k < u.rules {
			var c *condition
			n.packets, c = u.of(k)
			n.sketch = sketchOf(c, u.at)
		}
	} else if n = u.union(level-1, 2*k); (2*k+1)<<(level-1) < u.rules {
		n = u.join(level, n, u.union(level-1, 2*k+1))
	}
	u.known[level][k] = n
	return n
}

func (u *unions) join(level int, a, b *ruleRange) *ruleRange {
	switch {
	case !a.wide && a.packets == falseNode:
		return b
	case !b.wide && b.packets == falseNode:
		return a
	}
	n := &ruleRange{wide: true}
	for f := range n.sketch {
		if a.sketch[f] == nil || b.sketch[f] == nil {
			continue
		}
		all := normal(append(a.sketch[f][:len(a.sketch[f]):len(a.sketch[f])], b.sketch[f]...))
		if len(all) > unionSpans {
			all = spans{{all[0].low, all[len(all)-1].high}}
		}
		n.sketch[f] = all
	}
	if !a.wide && !b.wide {
		before := len(u.s.nodes)
		n.packets = u.s.or(a.packets, b.packets)
		n.wide = len(u.s.nodes)-before > unionNodes<<level
	}
	return n
}

// next returns the first rule of those in [from, to) that is not apart from a
// sketch and fits, to for none. What fits a rule must fit the unions that it
// is in.
func (u *unions) next(from, to int, near *sketch, fits func(node) bool) int {
	for at := from; at < to; {
		level := 0
		for level < unionLevels && at>>level&1 == 0 && at+2<<level <= to {
			level++
		}
		if i := u.within(level, at>>level, near, fits); i >= 0 {
			return i
		}
		at += 1 << level
	}
	return to
}

// within is the first rule of a range that fits, -1 for none.
func (u *unions) within(level, k int, near *sketch, fits func(node) bool) int {
	n := u.union(level, k)
	if !n.sketch.near(near) || !n.wide && !fits(n.packets) {
		return -1
	}
	if level == 0 {
		return k
	}
	if i := u.within(level-1, 2*k, near, fits); i >= 0 {
		return i
	}
	return u.within(level-1, 2*k+1, near, fits)
}

// near says that a packet may be in both: in one with many values and in one
// with few.
func (s *sketch) near(few *sketch) bool {
	for f := range s {
		if s[f] != nil && few[f] != nil && !anyIn(s[f], few[f]) {
			return false
		}
	}
	return true
}

// anyIn is overlap where few are far fewer.
func anyIn(many, few spans) bool {
	if len(few) > 16 {
		return overlap(many, few)
	}
	for _, s := range few {
		i := sort.Search(len(many), func(i int) bool { return !many[i].high.less(s.low) })
		if i < len(many) && !s.high.less(many[i].low) {
			return true
		}
	}
	return false
}
