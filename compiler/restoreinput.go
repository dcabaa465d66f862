package compiler

import "strings"

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
