package packets

import "github.com/fwc-dev/fwc/ruleset"

// alignment says which rules of two snapshots are one: those of equal text
// that stayed in their order, as ruleset.Diff tells them.
type alignment struct {
	chains map[chainID]*chainAlignment
	none   chainAlignment
	// sets are the ipsets that changed.
	sets map[string]bool
}

type chainID struct {
	family      ruleset.Family
	backend     ruleset.Backend
	table, name string
}

// chainAlignment is the difference of one chain, by rules' places from 0.
type chainAlignment struct {
	old, new map[int]bool // removed, added, moved, changed
	from     map[int]int  // of moved and changed ones: new to old
	policy   bool
	// at and was are the last pair of rules that stayed which was asked for.
	at, was int
}

func align(old, new *ruleset.Snapshot) *alignment {
	a := &alignment{chains: map[chainID]*chainAlignment{}, sets: map[string]bool{}}
	for _, c := range ruleset.Diff(old, new) {
		switch c.Subject {
		case ruleset.SubjectSet, ruleset.SubjectMember:
			a.sets[c.Object] = true
			continue
		case ruleset.SubjectRule, ruleset.SubjectPolicy, ruleset.SubjectChain:
		default:
			continue
		}
		id := chainID{c.Family, c.Backend, c.Table, c.Chain}
		ca := a.chains[id]
		if ca == nil {
			ca = &chainAlignment{old: map[int]bool{}, new: map[int]bool{}, from: map[int]int{}}
			a.chains[id] = ca
		}
		switch {
		case c.Subject != ruleset.SubjectRule:
			ca.policy = true
			continue
		case c.OldIndex > 0 && c.NewIndex > 0:
			ca.from[c.NewIndex-1] = c.OldIndex - 1
		}
		if c.OldIndex > 0 {
			ca.old[c.OldIndex-1] = true
		}
		if c.NewIndex > 0 {
			ca.new[c.NewIndex-1] = true
		}
	}
	a.containers(old)
	a.containers(new)
	return a
}

// containers adds the lists that hold a changed set.
func (a *alignment) containers(s *ruleset.Snapshot) {
	if s == nil || len(a.sets) == 0 {
		return
	}
	for again := true; again; {
		again = false
		for i := range s.Sets {
			t := &s.Sets[i]
			if t.Type != "list:set" || a.sets[t.Name] {
				continue
			}
			for _, m := range t.Members {
				if a.sets[firstWord(m)] {
					a.sets[t.Name], again = true, true
					break
				}
			}
		}
	}
}

func (a *alignment) of(c *chain) *chainAlignment {
	if ca := a.chains[chainID{c.table.family, c.table.backend, c.table.name, c.name}]; ca != nil {
		return ca
	}
	return &a.none
}

// partner returns the old place of a new rule.
func (ca *chainAlignment) partner(j int) (int, bool) {
	if old, ok := ca.from[j]; ok {
		return old, true
	}
	if ca.new[j] {
		return 0, false
	}
	if len(ca.old) == 0 && len(ca.new) == 0 {
		return j, true
	}
	// The n-th that stayed here is the n-th that stayed there.
	at, was := ca.at, ca.was
	if j < at {
		at, was = 0, 0
	}
	for ; ; at++ {
		if ca.new[at] {
			continue
		}
		for ca.old[was] {
			was++
		}
		if at == j {
			ca.at, ca.was = at, was
			return was, true
		}
		was++
	}
}
