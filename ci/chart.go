package ci

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// ChartTable is the shape of a table of either side: its chains, and which of
// them calls which.
type ChartTable struct {
	Family  ruleset.Family
	Backend ruleset.Backend
	Table   string
	Native  bool
	Chains  []ChartChain
}

// ChartChain is a chain of either side.
type ChartChain struct {
	Name string
	// Policy and Hook are those of the new side, of the old one for a chain
	// that is gone.
	Policy, Hook    string
	Old, New        bool // the side has it
	OldRules, Rules int
	Jumps           []Jump
}

// Jump says that a chain calls another.
type Jump struct {
	To       int // index among the table's chains
	Goto     bool
	Old, New bool // the side has it
}

func (t *ChartTable) place(chain string) where {
	return where{t.Family, t.Backend, t.Table, t.Native, chain}
}

// AddChart adds to the report the shape of both firewalls, which HTML draws.
// Without it a page has no matrix of hooks and no graph of chains.
func (r *Report) AddChart(old, new Side) {
	index := map[where]int{}
	r.Chart = nil
	for i, s := range []*ruleset.Snapshot{old.Snapshot, new.Snapshot} {
		if s == nil {
			continue
		}
		for j := range s.Tables {
			t := &s.Tables[j]
			key := where{t.Family, t.Backend, valid(t.Name), t.Native, ""}
			at, ok := index[key]
			if !ok {
				at = len(r.Chart)
				index[key] = at
				r.Chart = append(r.Chart, ChartTable{Family: t.Family, Backend: t.Backend, Table: key.table, Native: t.Native})
			}
			r.Chart[at].add(t, i == 1)
		}
	}
	slices.SortStableFunc(r.Chart, func(a, b ChartTable) int {
		return cmp.Or(cmp.Compare(boolean(a.Native), boolean(b.Native)), cmp.Compare(a.Family, b.Family),
			cmp.Compare(a.Backend, b.Backend), cmp.Compare(hookedTable(a.Table), hookedTable(b.Table)), cmp.Compare(a.Table, b.Table))
	})
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// add merges one side's table.
func (t *ChartTable) add(from *ruleset.Table, isNew bool) {
	index := make(map[string]int, len(t.Chains)+len(from.Chains))
	for i := range t.Chains {
		index[t.Chains[i].Name] = i
	}
	for i := range from.Chains {
		c := &from.Chains[i]
		name := valid(c.Name)
		at, ok := index[name]
		if !ok {
			at = len(t.Chains)
			index[name] = at
			t.Chains = append(t.Chains, ChartChain{Name: name})
		}
		x := &t.Chains[at]
		x.Policy, x.Hook = valid(c.Policy), valid(c.Hook)
		if isNew {
			x.New, x.Rules = true, len(c.Rules)
		} else {
			x.Old, x.OldRules = true, len(c.Rules)
		}
	}
	for i := range from.Chains {
		c := &from.Chains[i]
		x := &t.Chains[index[valid(c.Name)]]
		for j := range c.Rules {
			calls(c.Rules[j].Text, from.Native, func(name string, isGoto bool) {
				if to, ok := index[valid(name)]; ok {
					x.jump(to, isGoto, isNew)
				}
			})
		}
	}
}

func (c *ChartChain) jump(to int, isGoto, isNew bool) {
	for i := range c.Jumps {
		if j := &c.Jumps[i]; j.To == to && j.Goto == isGoto {
			j.Old, j.New = j.Old || !isNew, j.New || isNew
			return
		}
	}
	c.Jumps = append(c.Jumps, Jump{To: to, Goto: isGoto, Old: !isNew, New: isNew})
}

// calls finds what a rule may jump to. A chain as a target has no options, so
// it ends a rule of the xtables programs; in nft it may stand in a map.
func calls(text string, native bool, found func(name string, isGoto bool)) {
	if !native {
		at := strings.LastIndexByte(text, ' ')
		if at < 2 || at > 2 && text[at-3] != ' ' {
			return
		}
		switch text[at-2 : at] {
		case "-j", "-g":
			found(text[at+1:], text[at-1] == 'g')
		}
		return
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '{' || r == '}' })
	for i := 0; i+1 < len(words); i++ {
		if words[i] == "jump" || words[i] == "goto" {
			found(words[i+1], words[i] == "goto")
		}
	}
}
