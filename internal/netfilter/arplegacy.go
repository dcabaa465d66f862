package netfilter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// The arptables-legacy-save and arptables-legacy-restore of Debian are scripts
// that call the plain arptables, which may be that of the other backend, and
// the restore fails where that is so. So both are done here with
// arptables-legacy alone.

// arpSave turns the listing of arptables-legacy -L -n into a dump in the form
// of arptables-legacy-save. The program has one table, filter.
func arpSave(listing []byte) ([]byte, error) {
	var builtin, user, rules bytes.Buffer
	chain := ""
	for line := range strings.Lines(string(listing)) {
		line = strings.TrimSpace(line)
		head, isHead := strings.CutPrefix(line, "Chain ")
		switch {
		case line == "":
		case isHead:
			name, rest, ok := strings.Cut(head, " (")
			if !ok {
				return nil, fmt.Errorf("arptables-legacy: unknown line %q", line)
			}
			chain = name
			if policy, ok := strings.CutPrefix(rest, "policy "); ok {
				fmt.Fprintf(&builtin, ":%s %s\n", name, strings.TrimSuffix(policy, ")"))
			} else {
				fmt.Fprintf(&user, ":%s -\n", name)
			}
		case chain == "":
			return nil, fmt.Errorf("arptables-legacy: unknown line %q", line)
		default:
			fmt.Fprintf(&rules, "-A %s %s\n", chain, line)
		}
	}
	out := []byte("*filter\n")
	for _, part := range []*bytes.Buffer{&builtin, &user, &rules} {
		out = append(out, part.Bytes()...)
	}
	return out, nil
}

// arpRestore loads a dump of the legacy arptables, one call a line. It is not
// atomic: the backend has no restore program that is.
func arpRestore(ctx context.Context, d ruleset.Dump, opts RestoreOptions) error {
	path, err := xtool(ctx, ruleset.ARPTables, ruleset.Legacy, "")
	if err != nil {
		return err
	}
	var calls []arpCall
	if !opts.NoFlush {
		calls = append(calls, arpCall{args: []string{"-F"}}, arpCall{args: []string{"-X"}})
		for _, c := range []string{"INPUT", "OUTPUT", "FORWARD"} {
			calls = append(calls, arpCall{args: []string{"-P", c, "ACCEPT"}})
		}
	}
	lines, err := arpCalls(d)
	if err != nil {
		return err
	}
	for _, c := range append(calls, lines...) {
		if _, _, err := run(ctx, nil, path, append([]string{"-t", "filter"}, c.args...)...); err != nil {
			var te *ToolError
			if !errors.As(err, &te) {
				return err
			}
			msg, _ := message(te)
			return &LoadError{Dump: d.Name(), Line: c.line, Text: c.text, Tool: te.Tool, Msg: msg, Err: te}
		}
	}
	return nil
}

// arpCall is one call of arptables-legacy, for a line of a dump or for none.
type arpCall struct {
	line int
	text string
	args []string
}

// arpCalls turns a dump into calls: chains first, since a rule may jump to a
// chain that is declared after it.
func arpCalls(d ruleset.Dump) ([]arpCall, error) {
	var chains, rules []arpCall
	n := 0
	for text := range strings.Lines(string(d.Text)) {
		n++
		text = strings.TrimSpace(text)
		c := arpCall{line: n, text: text}
		switch {
		case text == "", text[0] == '#', text == "*filter", text == "COMMIT":
			continue
		case text[0] == ':':
			f := strings.Fields(text[1:])
			if len(f) < 2 {
				return nil, &LoadError{Dump: d.Name(), Line: n, Text: text, Tool: "arptables-legacy", Msg: "not a chain"}
			}
			if c.args = []string{"-N", f[0]}; f[1] != "-" {
				c.args = []string{"-P", f[0], f[1]}
			}
			chains = append(chains, c)
		case strings.HasPrefix(text, "-A "):
			// The grammar has no quotes: no option takes a value with spaces.
			c.args = strings.Fields(text)
			rules = append(rules, c)
		default:
			return nil, &LoadError{Dump: d.Name(), Line: n, Text: text, Tool: "arptables-legacy", Msg: "not a rule"}
		}
	}
	return append(chains, rules...), nil
}
