package ci

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// hooks are the columns of the matrix, and hookTables its rows in the order in
// which a packet meets them (the NF_IP_PRI_ constants of
// linux/netfilter_ipv4.h), with the hooks that each table is on, see
// iptables(8).
var (
	hooks      = []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}
	hookTables = []struct{ name, hooks string }{
		{"raw", "PREROUTING OUTPUT"},
		{"mangle", "PREROUTING INPUT FORWARD OUTPUT POSTROUTING"},
		{"nat", "PREROUTING INPUT OUTPUT POSTROUTING"},
		{"filter", "INPUT FORWARD OUTPUT"},
		{"security", "INPUT FORWARD OUTPUT"},
	}
)

// hookedTable is a table's row, or one past the last.
func hookedTable(name string) int {
	for i, t := range hookTables {
		if t.name == name {
			return i
		}
	}
	return len(hookTables)
}

// pageMatrix is hooks × tables of one family and backend.
type pageMatrix struct {
	Name, Kind string
	Hooks      []pageHook
	Rows       []pageRow
}

// pageHook is a hook's name in two parts, to break a line between.
type pageHook struct{ Head, Tail string }

type pageRow struct {
	Table string
	Bare  bool // no side has the table
	Cells []pageCell
}

// pageCell is a base chain. One that is not Possible is no hook of the table.
type pageCell struct {
	Possible, Present bool
	Policy, OldPolicy string
	Rules             string
	Counts            []pageCount
	// Called are the changes in the chains that it calls, in words.
	Called []pageCount
	ID     string
	Label  string
}

// pagePlace is what has no cell: a table of another kind, the sets, the
// sysctls.
type pagePlace struct {
	Name, Kind, ID string
	Counts         []pageCount
}

// changesByChain counts the structure by chain, and finds changed policies.
func (r *Report) changesByChain() (counts map[where]Counts, policies map[where]*Item) {
	counts, policies = map[where]Counts{}, map[where]*Item{}
	for i := range r.Structure {
		it := &r.Structure[i]
		if it.Chain == "" {
			continue
		}
		c := counts[place(it)]
		c.add(it.Kind, it.count())
		counts[place(it)] = c
		if it.Subject == ruleset.SubjectPolicy && it.Kind == ruleset.Changed {
			policies[place(it)] = it
		}
	}
	return counts, policies
}

// matrices returns a matrix for each family and backend with IP tables, and
// what changed elsewhere.
func (r *Report) matrices(list []section, ids map[where]string) (out []pageMatrix, others []pagePlace) {
	counts, policies := r.changesByChain()
	for i := range r.Chart {
		t := &r.Chart[i]
		if !inMatrix(t) {
			continue
		}
		name, kind := string(t.Family), fmt.Sprintf("%s on %s", t.Family.XTables(), t.Backend)
		if n := len(out); n == 0 || out[n-1].Kind != kind {
			out = append(out, newMatrix(name, kind))
		}
		row := &out[len(out)-1].Rows[hookedTable(t.Table)]
		for j := range t.Chains {
			c := &t.Chains[j]
			for k, hook := range hooks {
				if c.Name == hook && row.Cells[k].Possible {
					row.Bare, row.Cells[k] = false, t.cell(j, counts, policies, ids)
				}
			}
		}
	}
	for i, s := range list {
		if s.name == artifactName || len(s.places) == 0 {
			continue
		}
		at := s.places[0].at
		family, table, _ := strings.Cut(s.name, " ")
		if at.table != "" && inMatrix(&ChartTable{Family: ruleset.Family(family), Table: table, Native: at.native}) && len(out) > 0 {
			continue
		}
		others = append(others, pagePlace{shown(s.name, mostName), shown(s.kind, mostName), fmt.Sprintf("s%d", i), pageCounts(s.counts)})
	}
	return out, others
}

func inMatrix(t *ChartTable) bool {
	return !t.Native && (t.Family == ruleset.IPv4 || t.Family == ruleset.IPv6) && hookedTable(t.Table) < len(hookTables)
}

func newMatrix(name, kind string) pageMatrix {
	m := pageMatrix{Name: name, Kind: kind}
	for _, h := range hooks {
		x := pageHook{Head: h}
		if head, ok := strings.CutSuffix(h, "ROUTING"); ok {
			x = pageHook{head, "ROUTING"}
		}
		m.Hooks = append(m.Hooks, x)
	}
	for _, t := range hookTables {
		row := pageRow{Table: t.name, Bare: true}
		for _, h := range hooks {
			row.Cells = append(row.Cells, pageCell{Possible: strings.Contains(" "+t.hooks+" ", " "+h+" ")})
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}

func (t *ChartTable) cell(i int, counts map[where]Counts, policies map[where]*Item, ids map[where]string) pageCell {
	c := &t.Chains[i]
	at := t.place(c.Name)
	own := counts[at]
	x := pageCell{Possible: true, Present: true, Policy: shown(c.Policy, 20), Rules: ruleWords(c), Counts: pageCounts(own), ID: ids[at]}
	if p := policies[at]; p != nil {
		x.OldPolicy = shown(p.Old, 20)
	}
	var called Counts
	first := ""
	for _, j := range t.reached(i) {
		n := counts[t.place(t.Chains[j].Name)]
		called.Added += n.Added
		called.Removed += n.Removed
		called.Moved += n.Moved
		called.Changed += n.Changed
		if n.total() > 0 && first == "" {
			first = ids[t.place(t.Chains[j].Name)]
		}
	}
	x.Called = pageCounts(called)
	if x.ID == "" {
		x.ID = first
	}
	x.Label = fmt.Sprintf("%s %s %s", t.Family, t.Table, c.Name)
	for _, part := range []struct {
		n    Counts
		tail string
	}{{own, ""}, {called, " in chains that it calls"}} {
		if part.n.total() > 0 {
			x.Label += ", " + countWords(part.n) + part.tail
		}
	}
	return x
}

// ruleCount is "12", or "12 → 14".
func ruleCount(c *ChartChain) string {
	if c.Old && c.New && c.OldRules != c.Rules {
		return grouped(c.OldRules) + " → " + grouped(c.Rules)
	}
	return grouped(max(c.Rules, mayBeInt(!c.New, c.OldRules)))
}

// ruleWords is ruleCount with its noun.
func ruleWords(c *ChartChain) string {
	n := max(c.Rules, mayBeInt(!c.New, c.OldRules))
	if n == 0 && (!c.Old || c.OldRules == 0) {
		return "no rules"
	}
	return ruleCount(c) + plural(n, " rule", " rules")
}

func mayBeInt(condition bool, n int) int {
	if condition {
		return n
	}
	return 0
}

// reached returns the chains that a chain calls, and those that they call.
func (t *ChartTable) reached(from int) (out []int) {
	seen := map[int]bool{from: true}
	for todo := []int{from}; len(todo) > 0; {
		at := todo[0]
		todo = todo[1:]
		for _, j := range t.Chains[at].Jumps {
			if !seen[j.To] {
				seen[j.To] = true
				out = append(out, j.To)
				todo = append(todo, j.To)
			}
		}
	}
	return out
}
