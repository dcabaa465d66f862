//go:build !host

package cli

import (
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// ownLines gives the rules of a raw dump the lines that they have in its file:
// a snapshot's are those of its canonical form, which has no comments.
func ownLines(s *ruleset.Snapshot, d *ruleset.Dump) {
	lines := ruleLines(d)
	for _, t := range s.Tables {
		for _, c := range t.Chains {
			for i := range c.Rules {
				if n := lines[rulePlace{t.Name, c.Name, i}]; n > 0 {
					c.Rules[i].Line = n
				}
			}
		}
	}
}

// rulePlace is a rule's place among those of its chain, from 0.
type rulePlace struct {
	table, chain string
	index        int
}

// ruleLines returns the lines of a dump's rules as they are in the file.
func ruleLines(d *ruleset.Dump) map[rulePlace]int {
	lines := map[rulePlace]int{}
	if d.Kind.Family() == "" {
		return lines
	}
	at, n := rulePlace{}, 0
	next := map[rulePlace]int{}
	for line := range strings.Lines(string(d.Text)) {
		n++
		words := strings.Fields(line)
		if len(words) > 2 && strings.HasPrefix(words[0], "[") { // counters
			words = words[1:]
		}
		switch {
		case len(words) == 1 && strings.HasPrefix(words[0], "*"):
			at.table = words[0][1:]
		case len(words) > 1 && words[0] == "-A":
			at.chain, at.index = words[1], 0
			at.index = next[at]
			lines[at] = n
			next[rulePlace{at.table, at.chain, 0}]++
		}
	}
	return lines
}
