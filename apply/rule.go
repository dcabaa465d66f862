package apply

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// words splits a canonical rule at its spaces. A quoted string stays one word,
// quotes and backslashes included: what is looked for here is never quoted.
func words(text string) []string {
	var out []string
	quoted, start := false, -1
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
			if start < 0 {
				start = i
			}
		case c == ' ' && !quoted:
			if start >= 0 {
				out = append(out, text[start:i])
			}
			start = -1
		case start < 0:
			start = i
		}
	}
	if start >= 0 {
		out = append(out, text[start:])
	}
	return out
}

// target returns the chain or target that an xtables rule jumps or goes to.
func target(text string) string {
	name, _ := jump(text)
	return name
}

// jump is target, and says whether the rule goes there: from the end of a chain
// that it goes to packets do not return to the rule behind it. See iptables(8),
// "--goto".
func jump(text string) (name string, goes bool) {
	w := words(text)
	for i := len(w) - 2; i >= 0; i-- {
		if w[i] == "-j" || w[i] == "-g" {
			return strings.Trim(w[i+1], `"`), w[i] == "-g"
		}
	}
	return "", false
}

// setOptions are the options of xt_set whose first argument names a set. See
// iptables-extensions(8), "set" and "SET".
var setOptions = []string{"--match-set", "--add-set", "--del-set", "--map-set"}

// fillOptions are those with which a rule adds and deletes members.
var fillOptions = []string{"--add-set", "--del-set"}

// setsOf returns the ipsets that an xtables rule names.
func setsOf(text string) []string { return argsOf(text, setOptions) }

// argsOf returns the first arguments of some of setOptions.
func argsOf(text string, options []string) []string {
	if !strings.Contains(text, "-set ") {
		return nil
	}
	var out []string
	w := words(text)
	for i := 0; i+1 < len(w); i++ {
		if slices.Contains(options, w[i]) {
			out = append(out, strings.Trim(w[i+1], `"`))
		}
	}
	return out
}

// hooks are the names of the chains that hang on a hook in some xtables table.
var hooks = []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "BROUTING"}

// builtin says whether an xtables chain hangs on a hook. Chain.Builtin does
// not serve: ebtables gives its user chains policies as well.
func builtin(c *ruleset.Chain) bool { return c.Policy != "" && slices.Contains(hooks, c.Name) }

// nothing says whether an xtables table lets everything pass: no rules, no
// user chains, only ACCEPT. Looking at a legacy table is enough to create one.
func nothing(t *ruleset.Table) bool {
	if t.Native {
		return false
	}
	return !slices.ContainsFunc(t.Chains, func(c ruleset.Chain) bool {
		return !builtin(&c) || c.Policy != "ACCEPT" || len(c.Rules) > 0
	})
}
