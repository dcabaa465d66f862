package netfilter

import "github.com/fwc-dev/fwc/ruleset"

// Mark stands for all that matters of a rule in one process: two rules with the
// same mark treat packets alike and have the same comment.
type Mark = mark

// Marks returns those of the rules of a chain of nf_tables in their order, nil
// where there is no such chain.
func (s *State) Marks(family ruleset.Family, table, chain string) []Mark {
	for i := range s.whole {
		if t := &s.whole[i]; t.family == family && t.name == table {
			c := chainOf(t, chain)
			if c == nil {
				return nil
			}
			m := &marks{}
			out := make([]Mark, len(c.rules))
			for i := range c.rules {
				out[i] = m.of(&c.rules[i])
			}
			return out
		}
	}
	return nil
}
