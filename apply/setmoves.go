package apply

import (
	"maps"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
)

// setMoves is how sets change around a transaction of rules, so that at every
// instant a packet meets the former sets with the former rules or the new ones
// with the new.
//
// A rule holds a set by its index, under which a swap puts other content at
// once. Before the transaction there is a stand-in with the new content for each
// set that both the former and the new rules use; the transaction switches the
// rules to those. No rule uses the set under its own name then: it gets its new
// content, and a second transaction switches the rules back.
type setMoves struct {
	// create are sets to make ahead of the first transaction, in order.
	create []ruleset.Set
	// early are swaps ahead of the first transaction: of sets that its rules
	// use and the former rules do not, or of the one set that changes.
	early [][2]string
	// stand are the sets that the first transaction uses by a stand-in, of
	// which affected are all.
	stand    map[string]string
	affected []ruleset.Set
	// gone are sets to destroy between the transactions, then rebuild are to be
	// made, then copies, and late are swaps of copies, then come lines for ipset.
	gone, rebuild, copies []ruleset.Set
	late                  [][2]string
	update                []string
	// destroy are the sets to drop at the end, in that order.
	destroy []ruleset.Set
	// reserved are all names that sets may have for the time being.
	reserved []string
}

// moves plans how the sets change around a transaction from one state to the
// other.
func (p *setPlan) moves(from, to *ruleset.Snapshot) *setMoves {
	m := &setMoves{stand: map[string]string{}, update: p.update}
	swaps, clash := map[string]bool{}, map[string]bool{}
	for _, s := range p.swap {
		swaps[s[1]] = true
	}
	for _, s := range p.clash {
		clash[s.Name] = true
	}
	first, second := m.reserve(from, to, func(s *ruleset.Set) bool {
		return swaps[s.Name] || clash[s.Name] || s.Type == "list:set"
	})
	before, after := inRules(from), inRules(to)
	for _, s := range to.Sets {
		holds := slices.ContainsFunc(listed(&s), func(n string) bool { return m.stand[n] != "" })
		if after[s.Name] && (clash[s.Name] || holds || swaps[s.Name] && before[s.Name]) {
			m.stand[s.Name] = first[s.Name]
			m.affected = append(m.affected, s)
		}
	}
	alone := ""
	if len(m.affected) == 1 && swaps[m.affected[0].Name] && !p.changes(from, to) {
		alone = m.affected[0].Name
		m.stand, m.affected = map[string]string{}, nil
	}
	var spare []ruleset.Set
	renamed := func(s ruleset.Set, name string, stand map[string]string) ruleset.Set {
		s = (&setPlan{stand: stand}).renamed(s, name)
		spare = append(spare, s)
		return s
	}
	for _, s := range to.Sets {
		if setOf(from, s.Name) == nil && !clash[s.Name] {
			m.create = append(m.create, s)
		}
		if n := m.stand[s.Name]; n != "" {
			m.create = append(m.create, renamed(s, n, m.stand))
		}
		switch {
		case clash[s.Name]:
			m.rebuild = append(m.rebuild, s)
			if f := setOf(from, s.Name); f != nil {
				m.gone = append(m.gone, *f)
			}
		case !swaps[s.Name]:
		case s.Name == alone || !before[s.Name]:
			m.create = append(m.create, renamed(s, first[s.Name], nil))
			m.early = append(m.early, [2]string{first[s.Name], s.Name})
		default:
			m.copies = append(m.copies, renamed(s, second[s.Name], nil))
			m.late = append(m.late, [2]string{second[s.Name], s.Name})
		}
	}
	var dropped []ruleset.Set
	for _, f := range from.Sets {
		if setOf(to, f.Name) == nil {
			dropped = append(dropped, f)
		}
	}
	if len(m.gone) > 0 { // a list that goes for good may hold one of them
		m.gone, dropped = append(m.gone, dropped...), nil
	}
	m.gone = listsFirst(m.gone)
	m.destroy = listsFirst(append(dropped, spare...))
	return m
}

// reserve gives the sets that may need it two names for the time being. They
// depend on the sets only, so that who recovers knows them.
func (m *setMoves) reserve(from, to *ruleset.Snapshot, want func(*ruleset.Set) bool) (first, second map[string]string) {
	first, second = map[string]string{}, map[string]string{}
	name := freshNames(from, to)
	for i := range to.Sets {
		if s := &to.Sets[i]; want(s) {
			first[s.Name], second[s.Name] = name(), name()
			m.reserved = append(m.reserved, first[s.Name], second[s.Name])
		}
	}
	return first, second
}

// changes says whether anything but the content of sets changes.
func (p *setPlan) changes(from, to *ruleset.Snapshot) bool {
	t := changedTables(from, to, p.clash)
	return !t.empty()
}

// inRules returns the sets that rules of nf_tables name, directly or by a list.
func inRules(s *ruleset.Snapshot) map[string]bool { return setUsers(s, ruleset.NFT) }

func setUsers(s *ruleset.Snapshot, backend ruleset.Backend) map[string]bool {
	out := map[string]bool{}
	for i := range s.Tables {
		if t := &s.Tables[i]; t.Backend == backend && !t.Native {
			for _, c := range t.Chains {
				for _, r := range c.Rules {
					for _, n := range setsOf(r.Text) {
						out[n] = true
					}
				}
			}
		}
	}
	for i := range s.Sets {
		if l := &s.Sets[i]; out[l.Name] {
			for _, n := range listed(l) {
				out[n] = true
			}
		}
	}
	return out
}

// legacyUses says whether a legacy table uses a set that cannot change without
// its rules.
func (m *setMoves) legacyUses(states ...*ruleset.Snapshot) bool {
	for _, s := range states {
		users := setUsers(s, ruleset.Legacy)
		for _, list := range [][]ruleset.Set{m.affected, m.rebuild} {
			if slices.ContainsFunc(list, func(s ruleset.Set) bool { return users[s.Name] }) {
				return true
			}
		}
	}
	return false
}

// names are the sets that change with the rules.
func (m *setMoves) names() []string { return slices.Sorted(maps.Keys(m.stand)) }

// createSets makes sets.
func (c *change) createSets(sets []ruleset.Set) error {
	return c.ipset(ipset.Format(orderSets(slices.Clone(sets))))
}

// swapSets exchanges the content of pairs of sets.
func (c *change) swapSets(pairs [][2]string) error {
	var b strings.Builder
	for _, s := range pairs {
		b.WriteString("swap " + s[0] + " " + quoted(s[1]) + "\n")
	}
	if err := c.ipset([]byte(b.String())); err != nil {
		return err
	}
	c.out.Transactions += len(pairs)
	return nil
}

// rebuildSets brings the sets that no rule uses now to their new content, under
// their own names.
func (s *oneStep) rebuildSets() error {
	m := s.moves
	if err := s.destroySets(m.gone); err != nil {
		return err
	}
	if err := s.createSets(slices.Concat(m.rebuild, m.copies)); err != nil {
		return err
	}
	var lines strings.Builder
	for _, p := range m.late {
		lines.WriteString("swap " + p[0] + " " + quoted(p[1]) + "\n")
	}
	for _, l := range m.update {
		lines.WriteString(l + "\n")
	}
	s.out.Transactions += len(m.update)
	return s.ipset([]byte(lines.String()))
}
