package ci

import "github.com/fwc-dev/fwc/ruleset"

// Context is a chain with changed rules: its policy now, and the unchanged
// rules next to changed ones.
type Context struct {
	Family  ruleset.Family  `json:"family"`
	Backend ruleset.Backend `json:"backend"`
	Table   string          `json:"table"`
	Native  bool            `json:"native,omitempty"`
	Chain   string          `json:"chain"`
	// Policy is the chain's, the old one's for a chain that is gone; "" for a
	// user chain.
	Policy string `json:"policy"`
	// Rules and OldRules are the numbers of rules of both sides.
	Rules    int        `json:"rules"`
	OldRules int        `json:"oldRules"`
	Near     []NearRule `json:"near"`
}

// NearRule is an unchanged rule with its positions from 1.
type NearRule struct {
	OldIndex int    `json:"oldIndex"`
	NewIndex int    `json:"newIndex"`
	Text     string `json:"text"`
}

func (c *Context) place() where { return where{c.Family, c.Backend, c.Table, c.Native, c.Chain} }

// around is how many unchanged rules are kept on each side of a change.
const around = 2

// contexts returns the context of each chain that changes name, in their
// order.
func contexts(old, new *ruleset.Snapshot, changes []ruleset.Change) []Context {
	oldChains, newChains := chains(old), chains(new)
	out := []Context{}
	for i := 0; i < len(changes); {
		c := changes[i]
		at := chainOf(c)
		end := i + 1
		for end < len(changes) && chainOf(changes[end]) == at {
			end++
		}
		if c.Chain != "" {
			a, b := oldChains[at], newChains[at]
			var none ruleset.Chain
			policy := ""
			if b != nil {
				policy = b.Policy
			} else if b = &none; a != nil {
				policy = a.Policy
			}
			if a == nil {
				a = &none
			}
			out = append(out, Context{c.Family, c.Backend, valid(c.Table), c.Native, valid(c.Chain), valid(policy),
				len(b.Rules), len(a.Rules), near(a.Rules, b.Rules, changes[i:end])})
		}
		i = end
	}
	return out
}

func chainOf(c ruleset.Change) where { return where{c.Family, c.Backend, c.Table, c.Native, c.Chain} }

func chains(s *ruleset.Snapshot) map[where]*ruleset.Chain {
	m := map[where]*ruleset.Chain{}
	if s == nil {
		return m
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		for j := range t.Chains {
			m[where{t.Family, t.Backend, t.Name, t.Native, t.Chains[j].Name}] = &t.Chains[j]
		}
	}
	return m
}

// near returns the rules that stay, next to the changes of their chain.
func near(old, new []ruleset.Rule, changes []ruleset.Change) []NearRule {
	touchedOld, touchedNew := make([]bool, len(old)+1), make([]bool, len(new)+1)
	for _, c := range changes {
		if c.Subject == ruleset.SubjectRule {
			touchedOld[c.OldIndex], touchedNew[c.NewIndex] = true, true
		}
	}
	// Those that stay, in order, and how many of them are before each index.
	beforeOld, beforeNew := make([]int, len(old)+1), make([]int, len(new)+1)
	var stay []NearRule
	for i := 1; i <= len(old); i++ {
		beforeOld[i] = len(stay)
		if !touchedOld[i] {
			stay = append(stay, NearRule{OldIndex: i})
		}
	}
	n := 0
	for j := 1; j <= len(new); j++ {
		beforeNew[j] = n
		if !touchedNew[j] && n < len(stay) {
			stay[n].NewIndex, stay[n].Text = j, valid(new[j-1].Text)
			n++
		}
	}
	wanted := make([]bool, len(stay))
	for _, c := range changes {
		if c.Subject != ruleset.SubjectRule {
			continue
		}
		at := beforeOld[c.OldIndex]
		if c.NewIndex > 0 {
			at = beforeNew[c.NewIndex]
		}
		for k := max(0, at-around); k < min(len(stay), at+around); k++ {
			wanted[k] = true
		}
	}
	out := []NearRule{}
	for k, r := range stay {
		if wanted[k] {
			out = append(out, r)
		}
	}
	return out
}
