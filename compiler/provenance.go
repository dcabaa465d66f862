package compiler

import (
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// makers tell which call made what was captured.
type makers struct {
	Chains []chainMakers
	Sets   map[string]int
}

// chainMakers has for each rule of a chain the index of its call in the
// record, or -1.
type chainMakers struct {
	Kind         ruleset.Kind
	Backend      ruleset.Backend
	Table, Chain string
	Calls        []int
	// Policy is the index of the call that set the policy, counted from 1; 0
	// for none.
	Policy int
}

// provenance says of each rule and set of a snapshot which call made it, as
// far as that is certain: no line is better than a wrong one.
func (h *history) provenance(snap *ruleset.Snapshot, calls []Call) makers {
	m := makers{Sets: setMakers(snap, calls)}
	for i := range snap.Tables {
		t := &snap.Tables[i]
		p := h.of(t)
		if p == nil {
			continue
		}
		for j := range t.Chains {
			c := &t.Chains[j]
			row := chainMakers{Kind: t.Family.XTables(), Backend: t.Backend, Table: t.Name, Chain: c.Name, Policy: p.policyOf(t.Name, c)}
			if len(c.Rules) == 0 && row.Policy == 0 {
				continue
			}
			twins := map[string]int{}
			if !p.certain(t.Name) {
				// A call that is not understood may have taken one of two
				// equal rules away.
				for _, r := range p.rules(t.Name, c.Name) {
					twins[r.Text]++
				}
			}
			for k, o := range h.makers(t, c) {
				if twins[c.Rules[k].Text] > 1 {
					o.call = -1
				}
				row.Calls = append(row.Calls, o.call)
			}
			m.Chains = append(m.Chains, row)
		}
	}
	return m
}

// policyOf is the call that set a chain's policy, counted from 1; 0 for none, and
// where another may have set it.
func (p *past) policyOf(table string, c *ruleset.Chain) int {
	last, ok := p.policies[[2]string{table, c.Name}]
	if !ok || !p.certain(table) || last.policy != c.Policy {
		return 0
	}
	return last.call + 1
}

// setMakers follows the names of sets through the calls. What a restore made is
// not known; of a set that no other call made it is the restore if there is
// but one.
func setMakers(snap *ruleset.Snapshot, calls []Call) map[string]int {
	made := map[string]int{}
	restore := -1
	for i := range calls {
		c := &calls[i]
		if c.Tool != "ipset" || c.Status != 0 {
			continue
		}
		args := slices.DeleteFunc(slices.Clone(c.Args), func(a string) bool {
			return a == "-exist" || a == "-!" || a == "--exist" || a == "-q" || a == "-quiet"
		})
		if len(args) == 0 {
			continue
		}
		arg := func(n int) string {
			if n < len(args) {
				return args[n]
			}
			return ""
		}
		switch args[0] {
		case "create", "new", "n", "-N", "--create":
			if _, ok := made[arg(1)]; !ok { // with -exist it may be there
				made[arg(1)] = i
			}
		case "destroy", "x", "-X", "--destroy":
			if len(args) == 1 {
				clear(made)
			}
			delete(made, arg(1))
		case "rename", "e", "-E", "--rename":
			if at, ok := made[arg(1)]; ok {
				made[arg(2)] = at
			}
			delete(made, arg(1))
		case "swap", "w", "-W", "--swap":
			from, okFrom := made[arg(1)]
			to, okTo := made[arg(2)]
			delete(made, arg(1))
			delete(made, arg(2))
			if okFrom && okTo {
				made[arg(1)], made[arg(2)] = to, from
			}
		case "add", "-A", "--add", "del", "-D", "--del", "flush", "-F", "--flush", "list", "-L", "--list", "save", "-S", "--save", "test", "-T", "--test":
		default: // a restore, by whatever options
			if restore != -1 {
				restore = -2
			} else {
				restore = i
			}
			clear(made)
		}
	}
	sets := map[string]int{}
	for _, s := range snap.Sets {
		if at, ok := made[s.Name]; ok {
			sets[s.Name] = at
		} else if restore >= 0 {
			sets[s.Name] = restore
		}
	}
	return sets
}

// sources gives the rules and sets of the result the places of their calls.
func (b *build) sources() {
	snap := b.result.Snapshot
	at := func(call int) ruleset.Position {
		if call < 0 || call >= len(b.calls) {
			return ruleset.Position{}
		}
		return b.src.place(b.calls[call].Pos)
	}
	for _, row := range b.rep.Makers.Chains {
		t := snap.Table(row.Backend, row.Kind.Family(), row.Table)
		if t == nil {
			continue
		}
		for i := range t.Chains {
			c := &t.Chains[i]
			if c.Name != row.Chain || len(c.Rules) != len(row.Calls) {
				continue
			}
			for k := range c.Rules {
				c.Rules[k].Source = at(row.Calls[k])
			}
			c.PolicySource = at(row.Policy - 1)
		}
	}
	for i := range snap.Sets {
		if call, ok := b.rep.Makers.Sets[snap.Sets[i].Name]; ok {
			snap.Sets[i].Source = at(call)
		}
	}
}
