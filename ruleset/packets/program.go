package packets

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// program is the tables of one family of a snapshot, understood.
type program struct {
	*universe
	family ruleset.Family
	tables map[tableKey]*table
	list   []*table   // in the snapshot's order
	names  *alignment // nil for the old side
	// native says that the snapshot has native tables, which may do anything
	// to a packet's state.
	native bool
	// rules and unknown count the rules, and those that hold an atom.
	rules, unknown int
}

type tableKey struct {
	backend ruleset.Backend
	name    string
}

type table struct {
	tableKey
	family ruleset.Family
	chains map[string]*chain
	list   []*chain // in the snapshot's order
}

type chain struct {
	table  *table
	name   string
	policy action           // of a base chain
	set    ruleset.Position // where the script set it
	base   bool
	rules  []rule
}

type rule struct {
	chain *chain
	index int // from 0
	// run is the index of the first of its neighbours that do the same.
	run    int
	source *ruleset.Rule
	fits   *condition
	action action
	writes bool
}

// specs are rules read once for both sides, and the conditions of those that
// mean the same on both.
type specs struct {
	parsed     map[string]*xtables.Spec
	conditions map[string]*reading
}

type reading struct {
	fits    *condition
	unknown int
}

// load reads the tables of one family. Errors are of rules that no parser of
// dumps lets through, and of chains that call themselves.
//
// names says of a rule which one of the other side it is, if any: a match that
// counts is the same unknown in both.
func load(u *universe, shared *specs, s *ruleset.Snapshot, family ruleset.Family, names *alignment) (*program, error) {
	p := &program{universe: u, family: family, names: names, tables: map[tableKey]*table{}}
	if s == nil {
		return p, nil
	}
	r := &reader{universe: u, sets: setsOf(s)}
	if names != nil && !u.marksSame {
		r.side = " as it is now"
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		if t.Native {
			p.native = p.native || t.Family == family || t.Family == ruleset.Inet || t.Family == ruleset.Netdev
			continue
		}
		if t.Family != family {
			continue
		}
		key := tableKey{t.Backend, t.Name}
		loaded, err := p.table(r, shared, key, t)
		if err != nil {
			return nil, err
		}
		p.tables[key], p.list = loaded, append(p.list, loaded)
	}
	return p, p.acyclic()
}

func (p *program) table(r *reader, shared *specs, key tableKey, t *ruleset.Table) (*table, error) {
	out := &table{tableKey: key, family: p.family, chains: make(map[string]*chain, len(t.Chains))}
	names := make(map[string]bool, len(t.Chains))
	for i := range t.Chains {
		names[t.Chains[i].Name] = true
	}
	sources := sourceChains(t)
	r.backend, r.chains = t.Backend, names
	for i := range t.Chains {
		c := &chain{table: out, name: t.Chains[i].Name, base: t.Chains[i].Policy != "", set: t.Chains[i].PolicySource}
		out.chains[c.name], out.list = c, append(out.list, c)
		c.policy = action{kind: accept, effect: noEffect}
		if t.Chains[i].Policy == "DROP" {
			c.policy = action{kind: finish, final: Drop, effect: noEffect}
		}
		r.sourceHook, r.raw = sources[c.name], t.Name == "raw"
		c.rules = make([]rule, len(t.Chains[i].Rules))
		for j := range c.rules {
			if err := p.rule(r, shared, c, j, &t.Chains[i].Rules[j], names); err != nil {
				return nil, err
			}
			if x := &c.rules[j]; j > 0 && c.rules[j-1].action == x.action {
				x.run = c.rules[j-1].run
			} else {
				x.run = j
			}
		}
	}
	return out, nil
}

func (p *program) rule(r *reader, shared *specs, c *chain, j int, source *ruleset.Rule, names map[string]bool) error {
	fail := func(err error) error {
		return fmt.Errorf("%s %s %s rule %d: %s: %w", p.family, c.table.name, c.name, j+1, source.Text, err)
	}
	spec := shared.parsed[source.Text]
	if spec == nil {
		s, err := xtables.ParseRule(p.family.XTables(), source.Text)
		if err != nil {
			return fail(err)
		}
		spec = &s
		shared.parsed[source.Text] = spec
	}
	own, sets := false, false
	for i := range spec.Matches {
		name := spec.Matches[i].Name
		own = own || counting[name] || p.marksMade && (name == "mark" || name == "connmark")
		sets = sets || spec.Matches[i].Name == "set"
	}
	if own || sets {
		r.scope = p.scope(c, j)
	}
	key := string(r.backend) + " " + source.Text
	if r.raw {
		key = "raw " + key
	}
	known := shared.conditions[key]
	r.unknown, r.recorded = 0, ""
	if known == nil || own || sets {
		fits, err := r.condition(spec)
		if err != nil {
			return fail(err)
		}
		known = &reading{fits, r.unknown}
		if !own && !sets {
			shared.conditions[key] = known
		}
	}
	r.unknown = known.unknown
	a, more, err := r.action(spec, names)
	if err != nil {
		return fail(err)
	}
	if r.recorded != "" {
		a.effect.notes = int32(r.note(int(a.effect.notes), r.recorded))
	}
	fits := known.fits
	if more != yes {
		fits = allOf(fits, more)
	}
	p.rules++
	if r.unknown > 0 {
		p.unknown++
	}
	c.rules[j] = rule{chain: c, index: j, source: source, fits: fits, action: a, writes: own && writes(spec)}
	return nil
}

// sourceChains are the chains of a nat table that only hooks reach which
// translate sources.
func sourceChains(t *ruleset.Table) map[string]bool {
	if t.Name != "nat" {
		return nil
	}
	source := reachable(t, "POSTROUTING", "INPUT")
	for name := range reachable(t, "PREROUTING", "OUTPUT") {
		delete(source, name)
	}
	return source
}

func reachable(t *ruleset.Table, from ...string) map[string]bool {
	seen := map[string]bool{}
	for len(from) > 0 {
		name := from[len(from)-1]
		from = from[:len(from)-1]
		c := t.Chain(name)
		if seen[name] || c == nil {
			continue
		}
		seen[name] = true
		for i := range c.Rules {
			for _, flag := range []string{"-j ", "-g "} {
				if k := strings.LastIndex(c.Rules[i].Text, flag); k >= 0 {
					target, _, _ := strings.Cut(c.Rules[i].Text[k+3:], " ")
					from = append(from, target)
				}
			}
		}
	}
	return seen
}

// LoopError says that chains call one another in a circle, which no kernel
// loads.
type LoopError struct {
	Family       ruleset.Family
	Table, Chain string
}

// Error names the chain that comes back to itself.
func (e *LoopError) Error() string {
	return fmt.Sprintf("%s %s: chain %s calls itself", e.Family, e.Table, e.Chain)
}

// acyclic refuses chains that call themselves.
func (p *program) acyclic() error {
	for _, t := range p.list {
		if err := t.acyclic(); err != nil {
			return err
		}
	}
	return nil
}

// acyclic walks without recursion: the depth of a dump's chains has no bound.
func (t *table) acyclic() error {
	const fresh, open, done = 0, 1, 2
	state := make(map[*chain]int, len(t.chains))
	type frame struct {
		c    *chain
		next int
	}
	for _, root := range t.list {
		if state[root] != fresh {
			continue
		}
		state[root] = open
		stack := []frame{{root, 0}}
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if f.next == len(f.c.rules) {
				state[f.c] = done
				stack = stack[:len(stack)-1]
				continue
			}
			a := &f.c.rules[f.next].action
			f.next++
			if a.kind != jump && a.kind != jumpAway {
				continue
			}
			called := t.chains[a.chain]
			switch state[called] {
			case open:
				return &LoopError{t.family, t.name, called.name}
			case fresh:
				state[called] = open
				stack = append(stack, frame{called, 0})
			}
		}
	}
	return nil
}

// scope names the place of a rule for what counts there.
func (p *program) scope(c *chain, j int) string {
	side, index := "", j
	if p.names != nil {
		if old, ok := p.names.of(c).partner(j); ok {
			index = old
		} else {
			side = "new "
		}
	}
	backend := ""
	if c.table.backend == ruleset.Legacy {
		backend = "legacy "
	}
	return fmt.Sprintf("%s%s %s %srule %d", backend, c.table.name, c.name, side, index+1)
}
