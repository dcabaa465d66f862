package apply

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// merger collects what a three-way merge finds while it goes through tables
// and sets.
type merger struct {
	base, ours, live *ruleset.Snapshot
	voucher          *voucher
	anew             map[tableKey]bool // native tables that are loaded whatever they are

	kept []Foreign // vouched for, and part of the wanted state
	lost []Foreign // not vouched for, and not part of it
	// keptRules are the xtables rules kept: the sets they name stay as well.
	keptRules []keptRule
}

// keptRule is the text of a kept rule and who vouches for it.
type keptRule struct{ text, keptBy string }

// liveTable is one xtables table of the live firewall, sorted into what is
// known and what is foreign.
type liveTable struct {
	*ruleset.Table
	base, ours *ruleset.Table // nil where there is none
	chains     []liveChain    // in the order of Chains
	index      map[string]int // chain name to index
}

type liveChain struct {
	*ruleset.Chain
	foreign bool   // the chain itself
	keptBy  string // of a foreign chain
	reason  string // why it is not kept although its name is a manager's
	held    bool   // not foreign, but needed by what is kept
	known   []bool // rule by rule: not foreign
	rules   []foreignRule
}

// foreignRule is a foreign rule of a chain.
type foreignRule struct {
	at     int    // index into the chain's rules
	target string // what it jumps to
	keptBy string
	reason string
}

// table merges one xtables table. It returns nil where nothing is left.
func (m *merger) table(base, ours, live *ruleset.Table) *ruleset.Table {
	if live == nil {
		return ours
	}
	lt := sortOut(base, ours, live)
	lt.vouch(m.voucher)
	lt.dangling()
	out := m.build(lt)
	if ours == nil && nothing(out) {
		return nil
	}
	return out
}

// sortOut tells foreign chains and rules from known ones: foreign is what
// neither base nor ours has, each copy of a rule counted.
func sortOut(base, ours, live *ruleset.Table) *liveTable {
	lt := &liveTable{Table: live, base: base, ours: ours, index: make(map[string]int, len(live.Chains))}
	for i := range live.Chains {
		c := &live.Chains[i]
		b, o := chainOf(base, c.Name), chainOf(ours, c.Name)
		lc := liveChain{Chain: c, foreign: !builtin(c) && b == nil && o == nil, known: make([]bool, len(c.Rules))}
		quota := rulesOf(o)
		for text, n := range rulesOf(b) {
			quota[text] = max(quota[text], n)
		}
		for k, r := range c.Rules {
			if quota[r.Text] > 0 {
				quota[r.Text]--
				lc.known[k] = true
				continue
			}
			lc.rules = append(lc.rules, foreignRule{at: k, target: target(r.Text)})
		}
		lt.index[c.Name] = i
		lt.chains = append(lt.chains, lc)
	}
	return lt
}

// dangling finds kept rules whose target goes, and says so in their reason.
func (lt *liveTable) dangling() {
	for i := range lt.chains {
		c := &lt.chains[i]
		for k := range c.rules {
			r := &c.rules[k]
			j, ok := lt.index[r.target]
			if r.keptBy == "" || !ok || lt.stays(j) {
				continue
			}
			r.reason = "it jumps to chain " + r.target + ", which the artifact removes"
		}
	}
}

// stays says whether the wanted table has the live chain i.
func (lt *liveTable) stays(i int) bool {
	c := &lt.chains[i]
	if c.foreign {
		return c.keptBy != ""
	}
	return builtin(c.Chain) || c.held || chainOf(lt.ours, c.Name) != nil ||
		slices.ContainsFunc(c.rules, func(r foreignRule) bool { return r.keptBy != "" && r.reason == "" })
}

// build makes the wanted table and records what was kept and what is lost.
func (m *merger) build(lt *liveTable) *ruleset.Table {
	out := *lt.Table
	out.Chains = nil
	if lt.ours != nil {
		out = *lt.ours
		out.Chains = slices.Clone(lt.ours.Chains)
	}
	for i := range lt.chains {
		c := &lt.chains[i]
		kept := m.record(lt, c)
		policy := m.policy(lt, c)
		o := out.Chain(c.Name)
		if o == nil {
			if len(kept) == 0 && c.keptBy == "" && !c.held && !builtin(c.Chain) {
				continue
			}
			out.Chains = append(out.Chains, ruleset.Chain{Name: c.Name})
			o = &out.Chains[len(out.Chains)-1]
		}
		o.Policy = policy
		o.Rules = place(o.Rules, c.Rules, c.known, kept)
	}
	orderChains(out.Chains)
	return &out
}

// orderChains puts an xtables table's chains in the order of a save.
func orderChains(chains []ruleset.Chain) {
	slices.SortStableFunc(chains, func(a, b ruleset.Chain) int {
		if ab, bb := builtin(&a), builtin(&b); ab || bb {
			if ab && bb {
				return slices.Index(hooks, a.Name) - slices.Index(hooks, b.Name)
			}
			return map[bool]int{true: -1, false: 1}[ab]
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// record notes a chain's foreign content as kept or lost, and returns the
// indices of the kept rules.
func (m *merger) record(lt *liveTable, c *liveChain) []int {
	f := Foreign{Backend: lt.Backend, Family: lt.Family, Table: lt.Name, Chain: c.Name}
	if c.foreign {
		f.Kind, f.Count, f.KeptBy, f.Reason = "chain", len(c.Rules), c.keptBy, c.reason
		m.note(f)
	}
	var kept []int
	for _, r := range c.rules {
		g := f
		g.Kind, g.Text, g.Count, g.KeptBy, g.Reason = "rule", c.Rules[r.at].Text, 0, r.keptBy, r.reason
		if !c.foreign || r.reason != "" { // a chain stands for its rules
			m.note(g)
		}
		if r.keptBy != "" && r.reason == "" {
			kept = append(kept, r.at)
			m.keptRules = append(m.keptRules, keptRule{g.Text, r.keptBy})
		}
	}
	return kept
}

func (m *merger) note(f Foreign) {
	if m.voucher.manager(f.KeptBy) != nil {
		f.Manager = f.KeptBy
	}
	if f.KeptBy != "" && f.Reason == "" {
		m.kept = append(m.kept, f)
	} else {
		m.lost = append(m.lost, f)
	}
}

// policy merges a chain's policy. A live policy that is stricter than ACCEPT
// and that neither side set is somebody's decision, like a rule; a live ACCEPT
// is not: it is ours undone.
func (m *merger) policy(lt *liveTable, c *liveChain) string {
	if !builtin(c.Chain) {
		if o := chainOf(lt.ours, c.Name); o != nil {
			return o.Policy
		}
		return c.Policy
	}
	former, want := "ACCEPT", "ACCEPT"
	if b := chainOf(lt.base, c.Name); b != nil {
		former = b.Policy
	}
	if o := chainOf(lt.ours, c.Name); o != nil {
		want = o.Policy
	}
	if c.Policy == "ACCEPT" || c.Policy == former || c.Policy == want {
		return want
	}
	f := Foreign{Kind: "policy", Backend: lt.Backend, Family: lt.Family, Table: lt.Name, Chain: c.Name, Text: c.Policy, KeptBy: m.voucher.policy(lt, c)}
	m.note(f)
	if f.KeptBy != "" {
		return c.Policy
	}
	return want
}

func chainOf(t *ruleset.Table, name string) *ruleset.Chain {
	if t == nil {
		return nil
	}
	return t.Chain(name)
}

// rulesOf counts the copies of each rule of a chain.
func rulesOf(c *ruleset.Chain) map[string]int {
	n := make(map[string]int)
	if c != nil {
		for _, r := range c.Rules {
			n[r.Text]++
		}
	}
	return n
}
