package xtables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// Replay executes calls of the programs on tables in memory: what iptables,
// ip6tables, arptables or ebtables and their restores made, by their
// arguments and inputs alone. The rules that it holds keep what the programs
// lose.
//
// A Replay begins with empty tables. The zero value is of no use.
type Replay struct{ r restorer }

// NewReplay returns a Replay of the programs of one kind and backend.
func NewReplay(kind ruleset.Kind, backend ruleset.Backend) *Replay {
	return &Replay{restorer{kind: kind, backend: backend}}
}

// Effect is what one call does.
type Effect struct {
	Table string
	// Command is the letter of the command, 0 if there is none: 'A' for
	// --append.
	Command byte
	Chain   string
	Name    string // new name of a chain, or policy
	// Rules are the canonical texts of the rules of a command that has some:
	// one for each pair of its addresses.
	Rules []string
}

// Changes says whether the command changes what a save prints.
func (e Effect) Changes() bool {
	return strings.IndexByte("ADIRPFNXE", e.Command) >= 0 && e.Command != 0
}

// Call executes the arguments of one call that succeeded. Its rules have
// mark as their Line. With an error nothing is changed; the Effect tells what
// is known of the call all the same.
func (p *Replay) Call(args []string, mark int) (Effect, error) {
	r := &p.r
	r.words = r.words[:0]
	for _, a := range args {
		// An argument is one word whatever is in it. Only ebtables takes a !
		// between an option and its value.
		r.words = append(r.words, word{text: a, quoted: r.kind != ruleset.EBTables})
	}
	c := &r.parsed
	*c = command{kind: r.kind, direct: true, table: "filter", loaded: c.loaded[:0]}
	err := c.parse(r.words)
	e := Effect{Table: c.table, Command: c.op, Chain: c.chain, Name: c.name}
	if err != nil || c.foreign || c.op == 0 {
		return e, err
	}
	if r.current = p.table(c.table); r.current == nil {
		return e, fmt.Errorf("no table %q", c.table)
	}
	defer func() { r.current = nil }()
	r.current.used = true
	if !c.rule() {
		return e, r.chainCommand(c)
	}
	e.Rules = c.texts()
	if c.op == 'C' {
		return e, nil
	}
	return e, r.rule(c, mark, "")
}

// texts returns the canonical rules of a command.
func (c *command) texts() []string {
	var texts []string
	sources, destinations := c.expansion()
	for i := range sources {
		for j := range destinations {
			if len(texts) == maxTexts {
				return texts
			}
			s := c.spec(i, j)
			texts = append(texts, s.String())
		}
	}
	return texts
}

// maxTexts bounds the rules that an Effect tells of one call.
const maxTexts = 10_000

// table returns a table, made if it was not there, or nil.
func (p *Replay) table(name string) *table {
	r := &p.r
	if i := slices.IndexFunc(r.tables, func(t *table) bool { return t.name == name }); i >= 0 {
		return r.tables[i]
	}
	if builtinChains[r.kind][name] == nil {
		return nil
	}
	if r.begin(name) != nil {
		return nil
	}
	r.current = nil
	return r.tables[len(r.tables)-1]
}

// RestoreOptions are those of the restore programs that matter to a Replay.
type RestoreOptions struct {
	NoFlush bool
	Table   string // the only one to restore, "" for all
	// Mark returns the mark of the rules of a line of the input.
	Mark func(line int) int
	// Note, if not nil, is told the effect of each line that has a command,
	// and the error if there is one.
	Note func(line int, e Effect, err error)
}

// Restore executes the input of one restore that succeeded. It goes on after
// lines that it does not understand and returns the first error.
func (p *Replay) Restore(text []byte, o RestoreOptions) error {
	r := &p.r
	r.current = nil
	defer func() { r.current = nil }()
	var first error
	skip, number := false, 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "*") {
			name, _, _ := strings.Cut(strings.TrimSpace(line[1:]), " ")
			skip = o.Table != "" && name != o.Table
		}
		if skip {
			continue
		}
		err := p.line(line, o.Mark(number), o.NoFlush)
		if o.Note != nil && r.current != nil && line != "" && (line[0] == '-' || line[0] == '[') {
			c := &r.parsed
			e := Effect{Table: r.current.name, Command: c.op, Chain: c.chain, Name: c.name}
			if c.rule() && err == nil {
				e.Rules = c.texts()
			}
			o.Note(number, e, err)
		}
		if err != nil && first == nil {
			first = &ruleset.SyntaxError{Line: number, Msg: err.Error()}
		}
	}
	return first
}

// line takes one line of a restore's input.
func (p *Replay) line(line string, mark int, noFlush bool) error {
	r := &p.r
	r.parsed = command{loaded: r.parsed.loaded[:0]}
	switch {
	case len(line) > maxLine:
		return fmt.Errorf("line longer than %d bytes", maxLine)
	case !noFlush || r.current == nil && !strings.HasPrefix(line, "*"):
	case strings.HasPrefix(line, "*"):
		name := strings.TrimSpace(line[1:])
		if r.current = p.table(name); r.current == nil {
			return fmt.Errorf("table name %q invalid", abridge(name))
		}
		return nil
	case strings.HasPrefix(line, ":"):
		name, _, _ := strings.Cut(line[1:], " ")
		c := r.current.chains[name]
		if c == nil || c.builtin {
			break
		}
		// A user's chain that is declared again begins anew.
		c.rules = sequence{}
		return nil
	}
	return r.line(mark, line)
}

// Tables returns what the calls made, as Parse does. Line of each rule is the
// mark of the call that made it.
func (p *Replay) Tables() []ruleset.Table { return p.r.finish() }
