package xtables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// restorer executes restore input on tables in memory, as iptables-restore
// does on the kernel's.
type restorer struct {
	kind    ruleset.Kind
	backend ruleset.Backend
	tables  []*table
	current *table // nil outside *table … COMMIT

	expanded int // rules that lists of addresses made beyond one a line

	words  []word  // of the line, kept for their memory
	parsed command // likewise
}

// maxExpanded bounds what lists of addresses may multiply to.
const maxExpanded = 1 << 20

// table is a table under construction.
type table struct {
	name   string
	chains map[string]*chain
	used   bool // something was said about it
}

// chain is a chain under construction.
type chain struct {
	name    string
	policy  string
	builtin bool
	line    int
	rules   sequence
}

// line takes one line of input without its end.
func (r *restorer) line(n int, text string) error {
	switch {
	case strings.IndexByte(text, 0) >= 0:
		return errNUL
	case strings.Trim(text, " \t") == "", text[0] == '#':
		return nil
	case text[0] == '*':
		return r.begin(text[1:])
	case r.current == nil:
		return fmt.Errorf("outside of a table: %q", abridge(text))
	case text == "COMMIT":
		r.current = nil
		return nil
	case text[0] == ':':
		return r.declare(n, text[1:])
	}
	return r.command(n, text)
}

// abridge shortens a line for a message.
func abridge(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}

// begin enters a table. Restoring it empties it.
func (r *restorer) begin(rest string) error {
	if r.current != nil {
		if r.needsCommit() {
			return fmt.Errorf("COMMIT expected before *%s", abridge(rest))
		}
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 || builtinChains[r.kind][fields[0]] == nil {
		return fmt.Errorf("table name %q invalid", abridge(rest))
	}
	t := &table{name: fields[0], chains: make(map[string]*chain)}
	for _, name := range baseChains(r.kind, r.backend, t.name) {
		t.chains[name] = &chain{name: name, policy: "ACCEPT", builtin: true}
	}
	if i := slices.IndexFunc(r.tables, func(old *table) bool { return old.name == t.name }); i >= 0 {
		// Policies outlive the flush.
		for name, c := range r.tables[i].chains {
			if c.builtin {
				t.chains[name].policy = c.policy
			}
		}
		t.used = r.tables[i].used
		r.tables[i] = t
	} else {
		r.tables = append(r.tables, t)
	}
	r.current = t
	return nil
}

// needsCommit says whether a table must end with COMMIT. The saves of
// arptables and ebtables have none.
func (r *restorer) needsCommit() bool {
	return r.kind == ruleset.IPTables || r.kind == ruleset.IP6Tables
}

// declare takes ":NAME POLICY [packets:bytes]".
func (r *restorer) declare(n int, rest string) error {
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return fmt.Errorf("chain line needs a name and a policy")
	}
	name, policy := fields[0], fields[1]
	t := r.current
	t.used = true
	c := t.chains[name]
	if c != nil && !c.builtin {
		return fmt.Errorf("chain %s declared twice, first in line %d", name, c.line)
	}
	if c == nil {
		var err error
		if c, err = t.create(r.kind, name); err != nil {
			return err
		}
	}
	c.line = n
	if policy == "-" {
		return nil
	}
	return r.setPolicy(c, policy)
}

// create adds a user's chain.
func (t *table) create(kind ruleset.Kind, name string) (*chain, error) {
	switch {
	case len(name) >= maxName:
		return nil, fmt.Errorf("chain name %q too long (must be under %d chars)", name, maxName)
	case name == "" || name[0] == '-' || name[0] == '!':
		return nil, fmt.Errorf("chain name %q not allowed", name)
	case strings.ContainsAny(name, " \t\"\v\f\r"):
		return nil, fmt.Errorf("invalid chain name %q", name)
	case findExtension(kind, targets, name) != nil:
		return nil, fmt.Errorf("chain name %s clashes with target name", name)
	case t.chains[name] != nil:
		return nil, fmt.Errorf("chain %s already exists", name)
	}
	c := &chain{name: name}
	t.chains[name] = c
	t.used = true
	return c, nil
}

// setPolicy sets a base chain's policy. With ebtables a user's chain has one
// too; ACCEPT is the default and not kept, so that chains of all kinds with
// nothing to tell look alike.
func (r *restorer) setPolicy(c *chain, policy string) error {
	switch {
	case !c.builtin && r.kind != ruleset.EBTables:
		return fmt.Errorf("cannot set policy %s on %s: not a base chain", policy, c.name)
	case policy != "ACCEPT" && policy != "DROP" && (policy != "RETURN" || c.builtin):
		return fmt.Errorf("cannot set policy %s on %s", policy, c.name)
	}
	r.current.used = true
	c.policy = policy
	if !c.builtin && policy == "ACCEPT" {
		c.policy = ""
	}
	return nil
}
