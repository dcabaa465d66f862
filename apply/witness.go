package apply

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// witness knows the live firewall in which a rule stands that a manager may
// have put there.
type witness struct {
	live  *ruleset.Snapshot
	table *ruleset.Table
	known []*manager
}

// rule returns the manager that is known to put such a rule into a chain of the
// kernel's, or "".
func (w *witness) rule(table, hook, text string) string {
	for _, m := range w.known {
		if m.rule != nil && m.rule(m, w, table, hook, text) {
			return m.name
		}
	}
	return ""
}

// chains calls visit for the chains of the same family and backend, in that
// table or in all for "", whose names match.
func (w *witness) chains(table string, names Keep, visit func(*ruleset.Chain) (more bool)) {
	for i := range w.live.Tables {
		t := &w.live.Tables[i]
		if t.Native || t.Family != w.table.Family || t.Backend != w.table.Backend || table != "" && t.Name != table {
			continue
		}
		for k := range t.Chains {
			if c := &t.Chains[k]; names.match(c.Name) != "" && !visit(c) {
				return
			}
		}
	}
}

func (w *witness) has(table string, names Keep) (found bool) {
	w.chains(table, names, func(*ruleset.Chain) bool {
		found = true
		return false
	})
	return found
}

// form is a rule in which words in angle brackets stand for any one word. A
// name that stands twice is the same word twice.
type form string

// match returns the words that the names stand for, or nil where the rule is
// not of that form.
func (f form) match(text string) map[string]string {
	want, got := strings.Fields(string(f)), words(text)
	if len(want) != len(got) {
		return nil
	}
	bound := map[string]string{}
	for i, w := range want {
		if !strings.HasPrefix(w, "<") {
			if w != got[i] {
				return nil
			}
			continue
		}
		if was, ok := bound[w]; ok && was != got[i] {
			return nil
		}
		bound[w] = got[i]
	}
	return bound
}

// commentsOf returns the comments of a rule. See iptables-extensions(8).
func commentsOf(text string) (out []string) {
	w := words(text)
	for i := 0; i+1 < len(w); i++ {
		if w[i] == "--comment" {
			out = append(out, strings.Trim(w[i+1], `"`))
		}
	}
	return out
}

// option returns the words that follow an option where it is not negated.
func option(text string, names ...string) (out []string) {
	w := words(text)
	for i := 0; i+1 < len(w); i++ {
		if slices.Contains(names, w[i]) && (i == 0 || w[i-1] != "!") {
			out = append(out, w[i+1])
		}
	}
	return out
}
