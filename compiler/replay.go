package compiler

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// history is what the recorded calls of the iptables programs make when they
// are executed in memory. It tells two things that a save cannot: what the
// rules were before a tool lost a part of them, and which call made each.
type history struct {
	programs map[program]*past
}

// past is the history of one program.
type past struct {
	program
	tables  map[string]*ruleset.Table // what the calls make
	origins []origin                  // Line of their rules counts them from 1
	added   []addition
	// chains are all that users' chains of each table were ever called.
	chains map[string]map[string]bool
	// doubts are the tables in which a call did what is not understood; "" is
	// all of them.
	doubts map[string]bool
	// policies are the last ones that were set, by table and chain.
	policies map[[2]string]policySet
	// unkept are the restores whose input is not there.
	unkept []int
}

// policySet is a call that set a policy.
type policySet struct {
	call   int
	policy string
}

// origin is where a rule came from.
type origin struct {
	call int // index of the record
	line int // of what a restore read, or 0
}

// addition is a call, or a line of a restore's input, that adds rules.
type addition struct {
	origin
	table, chain string
	// rules are canonical; of a call that was not understood there are none,
	// but its words.
	rules  []string
	words  []string
	failed bool // the restore failed; it may have loaded other tables of its input
}

// certain says whether the calls alone decide what is in a table.
func (p *past) certain(table string) bool { return !p.doubts[""] && !p.doubts[table] }

// readHistory executes the calls.
func (s *stage) readHistory(calls []Call) *history {
	h := &history{map[program]*past{}}
	machines := map[program]*xtables.Replay{}
	for i := range calls {
		c := &calls[i]
		prog, restore, ok := s.programOf(c)
		if !ok || c.Status != 0 && !restore {
			continue
		}
		p := h.programs[prog]
		if p == nil {
			p = &past{program: prog, chains: map[string]map[string]bool{}, doubts: map[string]bool{}, policies: map[[2]string]policySet{}}
			h.programs[prog], machines[prog] = p, xtables.NewReplay(prog.kind, prog.backend)
		}
		if restore {
			p.restore(machines[prog], i, c, func() ([]byte, error) {
				text, cut, err := readUpTo(filepath.Join(stagingRoot, shimIn, c.input), s.Limits.File)
				if err == nil && cut {
					err = fmt.Errorf("it is too long")
				}
				return text, err
			})
			continue
		}
		p.origins = append(p.origins, origin{call: i})
		e, err := machines[prog].Call(c.Args, len(p.origins))
		p.note(origin{call: i}, e, err, c.Args)
	}
	for prog, m := range machines {
		p := h.programs[prog]
		p.tables = map[string]*ruleset.Table{}
		tables := m.Tables()
		for i := range tables {
			p.tables[tables[i].Name] = &tables[i]
		}
	}
	return h
}

// restore executes the input of one restore. One that failed may have loaded
// tables all the same, those before its mistake.
func (p *past) restore(m *xtables.Replay, index int, c *Call, input func() ([]byte, error)) {
	args := parseRestore(p.kind, c.Args)
	if args.idle {
		return
	}
	text, err := []byte(nil), error(nil)
	if c.input != "" {
		text, err = input()
	}
	if err != nil || c.input == "" {
		if c.Status == 0 {
			p.unkept = append(p.unkept, index)
		}
		p.doubts[""] = true
		return
	}
	if c.Status != 0 {
		m = xtables.NewReplay(p.kind, p.backend)
		p.doubts[""] = true
	}
	first := len(p.origins)
	table := ""
	lines := strings.Split(string(text), "\n")
	for n, line := range lines {
		p.origins = append(p.origins, origin{index, n + 1})
		switch {
		case strings.HasPrefix(line, "*"):
			table, _, _ = strings.Cut(strings.TrimSpace(line[1:]), " ")
		case strings.HasPrefix(line, ":"):
			name, rest, _ := strings.Cut(line[1:], " ")
			p.chain(table, name)
			if policy, _, _ := strings.Cut(rest, " "); c.Status == 0 && (args.table == "" || args.table == table) {
				p.policies[[2]string{table, name}] = policySet{index, policy}
			}
		}
	}
	err = m.Restore(text, xtables.RestoreOptions{
		NoFlush: args.noFlush, Table: args.table,
		Mark: func(line int) int { return first + line },
		Note: func(line int, e xtables.Effect, err error) {
			var words []string
			if err != nil {
				words, _ = xtables.Words(strings.TrimRight(lines[line-1], "\r"))
			}
			k := len(p.added)
			p.note(origin{index, line}, e, err, words)
			for k < len(p.added) {
				p.added[k].failed = c.Status != 0
				k++
			}
		},
	})
	if err != nil {
		p.doubts[""] = true
	}
}

func (p *past) chain(table, name string) {
	if p.chains[table] == nil {
		p.chains[table] = map[string]bool{}
	}
	p.chains[table][name] = true
}

// note keeps what a call or a line does.
func (p *past) note(from origin, e xtables.Effect, err error, words []string) {
	switch {
	case err != nil && (e.Command == 0 || e.Changes()):
		p.doubts[e.Table] = true
	case e.Command == 'N':
		p.chain(e.Table, e.Chain)
	case e.Command == 'E':
		p.chain(e.Table, e.Name)
	case err == nil && e.Command == 'P':
		p.policies[[2]string{e.Table, e.Chain}] = policySet{from.call, e.Name}
	}
	a := addition{origin: from, table: e.Table, chain: e.Chain}
	switch {
	case len(e.Rules) > 0 && strings.IndexByte("AIR", e.Command) >= 0:
		a.rules = e.Rules
	case err != nil && strings.IndexByte("\x00AIR", e.Command) >= 0:
		a.words = words
	default:
		return
	}
	p.added = append(p.added, a)
}

// of returns the history of the program that owns a table of a snapshot, nil
// for a native one and for those that no call was of.
func (h *history) of(t *ruleset.Table) *past {
	if t.Native {
		return nil
	}
	return h.programs[program{t.Family.XTables(), t.Backend}]
}

// matched pairs the rules of a captured chain with those that the calls made:
// for each captured rule the index of its counterpart, or -1, and the indices
// of those without. Rules are counterparts if they are the same, in order.
func matched(captured, made []ruleset.Rule) (counterpart, missing []int) {
	counterpart = make([]int, len(captured))
	places := map[string][]int{}
	for i := range made {
		if len(captured) == len(made) && captured[i].Text == made[i].Text {
			continue
		}
		places[made[i].Text] = append(places[made[i].Text], i)
	}
	for i := range captured {
		if len(captured) == len(made) && captured[i].Text == made[i].Text {
			counterpart[i] = i
			continue
		}
		counterpart[i] = -1
		if list := places[captured[i].Text]; len(list) > 0 {
			counterpart[i] = list[0]
			places[captured[i].Text] = list[1:]
		}
	}
	for i := range made {
		if list := places[made[i].Text]; len(list) > 0 && list[0] == i {
			missing = append(missing, i)
			places[made[i].Text] = list[1:]
		}
	}
	return counterpart, missing
}

// makers returns for each rule of a captured chain the call that made it, and
// the line of its input if that was a restore. It knows only rules that came
// out as they were made; the call of others is -1.
func (h *history) makers(t *ruleset.Table, chain *ruleset.Chain) []origin {
	makers := make([]origin, len(chain.Rules))
	for i := range makers {
		makers[i].call = -1
	}
	p := h.of(t)
	if p == nil {
		return makers
	}
	made := p.rules(t.Name, chain.Name)
	counterpart, _ := matched(chain.Rules, made)
	for i, k := range counterpart {
		if k >= 0 {
			makers[i] = p.origin(&made[k])
		}
	}
	return makers
}

// origin returns where a rule of the history came from.
func (p *past) origin(r *ruleset.Rule) origin {
	if r.Line < 1 || r.Line > len(p.origins) {
		return origin{call: -1}
	}
	return p.origins[r.Line-1]
}

// rules returns what the calls made of a chain.
func (p *past) rules(table, chain string) []ruleset.Rule {
	t := p.tables[table]
	if t == nil {
		return nil
	}
	for i := range t.Chains {
		if t.Chains[i].Name == chain {
			return t.Chains[i].Rules
		}
	}
	return nil
}
