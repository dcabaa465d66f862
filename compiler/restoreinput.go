package compiler

import (
	"path/filepath"
	"strings"
)

// restored returns the rules with a negation in the input of a restore.
func (s *stage) restored(call int, c *Call) []negated {
	text, _, err := readUpTo(filepath.Join(stagingRoot, shimIn, c.input), s.Limits.File)
	if err != nil {
		return nil
	}
	var list []negated
	table, number := "", 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if t, ok := strings.CutPrefix(line, "*"); ok {
			table = t
			continue
		}
		if !strings.Contains(line, "!") {
			continue
		}
		args := restoreWords(line)
		if len(args) > 0 && strings.HasPrefix(args[0], "[") {
			args = args[1:]
		}
		rule := Call{Args: append([]string{"-t", table}, args...)}
		if n := rule.negated(); n != nil {
			n.call, n.line = call, number
			list = append(list, *n)
		}
	}
	return list
}

// restoreWords splits a line as iptables-restore does: blanks separate, double
// quotes hold together, a backslash inside them takes the next character.
func restoreWords(line string) []string {
	var words []string
	var w strings.Builder
	in, quoted := false, false
	for i := 0; i < len(line); i++ {
		switch ch := line[i]; {
		case quoted && ch == '\\' && i+1 < len(line):
			i++
			w.WriteByte(line[i])
		case ch == '"':
			quoted, in = !quoted, true
		case !quoted && (ch == ' ' || ch == '\t'):
			if in {
				words = append(words, w.String())
			}
			w.Reset()
			in = false
		default:
			w.WriteByte(ch)
			in = true
		}
	}
	if in {
		words = append(words, w.String())
	}
	return words
}
