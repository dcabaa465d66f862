package xtables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// command executes one command line on the current table.
func (r *restorer) command(n int, text string) error {
	rest, err := ruleCounters(text)
	if err != nil {
		return err
	}
	if r.words, err = split(r.words[:0], rest); err != nil {
		return err
	}
	c := &r.parsed
	*c = command{kind: r.kind, loaded: c.loaded[:0]}
	if err := c.parse(r.words); err != nil {
		return err
	}
	switch {
	case c.foreign:
		return nil
	case c.op == 0:
		return fmt.Errorf("no command specified")
	case len(c.chain) >= maxName:
		return fmt.Errorf("chain name %q too long (must be under %d chars)", c.chain, maxName)
	}
	r.current.used = true
	if c.rule() {
		return r.rule(c, n, text)
	}
	return r.chainCommand(c)
}

// ruleCounters cuts the counters "[packets:bytes]" before a rule.
func ruleCounters(text string) (string, error) {
	if text[0] != '[' {
		return text, nil
	}
	counters, rest, ok := strings.Cut(text[1:], "]")
	packets, bytes, both := strings.Cut(counters, ":")
	if !ok || !both || !digits(packets) || !digits(bytes) {
		return "", fmt.Errorf("bad counters %q", abridge(text))
	}
	return rest, nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// chain returns a chain that must be there.
func (r *restorer) chain(name string) (*chain, error) {
	if c := r.current.chains[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no chain %q in table %s", name, r.current.name)
}

// rule executes -A, -I, -R, -C and -D with a rule.
func (r *restorer) rule(c *command, n int, raw string) error {
	chain, err := r.chain(c.chain)
	if err != nil {
		return err
	}
	jump, err := r.resolve(c)
	if err != nil {
		return err
	}
	at := c.number - 1
	if (c.op == 'I' && at > chain.rules.length) || (c.op == 'R' && at >= chain.rules.length) {
		return fmt.Errorf("no rule %d in chain %s", c.number, chain.name)
	}
	sources, destinations := c.expansion()
	if r.expanded += sources*destinations - 1; r.expanded > maxExpanded {
		return fmt.Errorf("more than %d rules from lists of addresses", maxExpanded)
	}
	for i := range sources {
		for j := range destinations {
			s := c.spec(i, j)
			e := entry{text: s.String(), raw: raw, line: n, jump: jump}
			if err := chain.execute(c.op, at, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// execute changes the chain by one rule.
func (c *chain) execute(op byte, at int, e entry) error {
	switch op {
	case 'A':
		c.rules.append(e)
		return nil
	case 'I':
		c.rules.insert(at, e)
		return nil
	case 'R':
		*c.rules.at(at) = e
		return nil
	}
	i := c.rules.find(e.text)
	if i < 0 {
		return fmt.Errorf("no such rule in chain %s", c.name)
	}
	if op == 'D' {
		c.rules.remove(i)
	}
	return nil
}

// resolve returns the user's chain that the rule goes to, if it does. A
// target that is neither chain nor known extension must be one that others
// made: it has options, or its name is known.
func (r *restorer) resolve(c *command) (string, error) {
	if c.target == nil || c.target.ext != nil {
		if c.target != nil && r.current.name == "nat" && r.needsCommit() && c.target.module.Name == "DROP" {
			return "", fmt.Errorf("the nat table is not intended for filtering, the use of DROP is therefore inhibited")
		}
		return "", nil
	}
	m := &c.target.module
	to := r.current.chains[m.Name]
	switch {
	case to != nil && to.builtin:
		return "", fmt.Errorf("cannot jump to base chain %s", m.Name)
	case to != nil && m.Opaque:
		return "", fmt.Errorf("unknown option %s", m.Options[0].Name)
	case to != nil:
		return m.Name, nil
	case !c.goTo && (m.Opaque || slices.Contains(foreignTargets, m.Name)):
		m.Opaque = true
		return "", nil
	}
	return "", fmt.Errorf("no chain or target %q in table %s", m.Name, r.current.name)
}

// foreignTargets are targets without mandatory options that are not part of
// iptables: those of xtables-addons and of systems that add their own.
var foreignTargets = []string{
	"ACCOUNT", "CHAOS", "DELUDE", "DHCPMAC", "DNETMAP", "ECHO", "FLOWOFFLOAD", "FULLCONENAT", "IMQ", "IPMARK", "LOGMARK",
	"MIRROR", "PROTO", "ROUTE", "SYSRQ", "STEAL", "TARPIT",
}

// chainCommand executes the commands that have no rule.
func (r *restorer) chainCommand(c *command) error {
	switch c.op {
	case 'L', 'S', 'Z':
		return nil // shows, or clears counters, which are not kept
	case 'N':
		_, err := r.current.create(r.kind, c.chain)
		return err
	case 'X':
		return r.deleteChains(c.chain)
	case 'F':
		return r.flush(c.chain)
	}
	chain, err := r.chain(c.chain)
	if err != nil {
		return err
	}
	switch c.op {
	case 'D':
		if c.last > chain.rules.length {
			return fmt.Errorf("no rule %d in chain %s", c.last, chain.name)
		}
		for i := c.number; i <= c.last; i++ {
			chain.rules.remove(c.number - 1)
		}
		return nil
	case 'P':
		if r.needsCommit() && r.current.name == "nat" && c.name == "DROP" {
			return fmt.Errorf("the nat table is not intended for filtering, the use of DROP is therefore inhibited")
		}
		return r.setPolicy(chain, c.name)
	}
	return r.rename(chain, c.name)
}

// flush empties a chain, or all.
func (r *restorer) flush(name string) error {
	if name != "" {
		c, err := r.chain(name)
		if err == nil {
			c.rules = sequence{}
		}
		return err
	}
	for _, c := range r.current.chains {
		c.rules = sequence{}
	}
	return nil
}

// deleteChains deletes a user's chain, or all: empty ones that no rule goes
// to.
func (r *restorer) deleteChains(name string) error {
	t := r.current
	if name != "" && t.chains[name] == nil {
		return fmt.Errorf("no chain %q in table %s", name, t.name)
	}
	var doomed []string
	for _, c := range t.chains {
		if name == "" && !c.builtin || c.name == name {
			doomed = append(doomed, c.name)
		}
	}
	slices.Sort(doomed)
	for _, name := range doomed {
		if c := t.chains[name]; c.builtin || c.rules.length > 0 {
			return fmt.Errorf("cannot delete chain %s: it is a base chain or not empty", name)
		}
	}
	references := make(map[string]bool)
	t.each(func(e *entry) { references[e.jump] = true })
	for _, name := range doomed {
		if references[name] {
			return fmt.Errorf("cannot delete chain %s: a rule goes to it", name)
		}
		delete(t.chains, name)
	}
	return nil
}

// rename renames a user's chain, also in the rules that go to it.
func (r *restorer) rename(c *chain, name string) error {
	if c.builtin {
		return fmt.Errorf("cannot rename base chain %s", c.name)
	}
	t := r.current
	renamed, err := t.create(r.kind, name)
	if err != nil {
		return err
	}
	old := c.name
	delete(t.chains, old)
	*renamed = *c
	renamed.name = name
	t.each(func(e *entry) {
		if e.jump != old || err != nil {
			return
		}
		var s Spec
		if s, err = ParseRule(r.kind, e.text); err == nil {
			s.Target.Name = name
			e.text, e.jump = s.String(), name
		}
	})
	return err
}

// each calls f for every rule of the table.
func (t *table) each(f func(*entry)) {
	for _, c := range t.chains {
		for _, chunk := range c.rules.chunks {
			for i := range chunk {
				f(&chunk[i])
			}
		}
	}
}

// finish returns the tables in canonical order.
func (r *restorer) finish() []ruleset.Table {
	var tables []ruleset.Table
	for _, name := range tableOrder {
		i := slices.IndexFunc(r.tables, func(t *table) bool { return t.name == name })
		if i < 0 || !r.tables[i].used && r.backend != ruleset.Legacy {
			continue // nf_tables has no table until something is in it
		}
		tables = append(tables, r.table(r.tables[i]))
	}
	return tables
}

func (r *restorer) table(t *table) ruleset.Table {
	builtin := baseChains(r.kind, r.backend, t.name)
	var names []string
	for name, c := range t.chains {
		if !c.builtin {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := ruleset.Table{Family: r.kind.Family(), Backend: r.backend, Name: t.name}
	out.Chains = make([]ruleset.Chain, 0, len(t.chains))
	for _, name := range slices.Concat(builtin, names) {
		c := t.chains[name]
		rules := make([]ruleset.Rule, 0, c.rules.length)
		for _, chunk := range c.rules.chunks {
			for _, e := range chunk {
				rules = append(rules, ruleset.Rule{Text: e.text, Raw: e.raw, Line: e.line})
			}
		}
		out.Chains = append(out.Chains, ruleset.Chain{Name: name, Policy: c.policy, Rules: rules, Line: c.line})
	}
	return out
}
