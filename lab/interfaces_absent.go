package lab

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// AbsentInterfaces returns the interfaces that rules name and the router of a
// spec does not have, as the rules name them, in their order: no packet of the
// spec's meets those rules, or each does where a rule says "not that one".
func AbsentInterfaces(s *ruleset.Snapshot, spec *Spec) []string {
	var out []string
	there := []string{"lo"}
	for _, m := range spec.Interfaces(RouterName) {
		there = append(there, m.Interface)
	}
	for _, family := range []ruleset.Family{ruleset.IPv4, ruleset.IPv6} {
		eachInterface(s, family, func(name string, _ bool) {
			prefix, many := strings.CutSuffix(strings.TrimSuffix(name, "*"), "+")
			many = many || strings.HasSuffix(name, "*")
			fits := func(have string) bool { return have == name || many && strings.HasPrefix(have, prefix) }
			if !slices.ContainsFunc(there, fits) && !slices.Contains(out, name) {
				out = append(out, name)
			}
		})
	}
	return out
}
