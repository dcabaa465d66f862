package packets

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// TestLintGrows holds the cost of a lint to little more than its rules' number:
// four times the rules take no eight times the steps.
func TestLintGrows(t *testing.T) {
	net := func(i int) string { return fmt.Sprintf("10.%d.%d.0/24", i/250, i%250) }
	host := func(i int) string { return fmt.Sprintf("172.%d.%d.1/32", 16+i/250, i%250) }
	verdict := func(i int) string { return []string{"ACCEPT", "DROP"}[i%2] }
	for _, tt := range []struct {
		name string
		rule func(i, n int) string
	}{
		{"ports", func(i, n int) string { return fmt.Sprintf("-p tcp -m tcp --dport %d -j ACCEPT", i+1) }},
		{"hosts", func(i, n int) string { return fmt.Sprintf("-s %s -j DROP", host(i*7%n)) }},
		{"not a network, a port", func(i, n int) string {
			return fmt.Sprintf("! -s %s ! -d %s -p tcp -m tcp --dport %d -j ACCEPT", net(i), host(n-i), i+1)
		}},
		{"a network, not a host", func(i, n int) string { return fmt.Sprintf("-s %s ! -d %s -j %s", net(i), host(i), verdict(i)) }},
		{"an interface, not a network", func(i, n int) string { return fmt.Sprintf("-i eth%d ! -s %s -j DROP", i, net(i)) }},
		{"dead behind one", func(i, n int) string { return fmt.Sprintf("-s %s -j DROP", net(i%(n/2))) }},
		{"dead behind several", func(i, n int) string {
			return fmt.Sprintf("! -s %s ! -d %s -p tcp -m multiport ! --dports %d,%d -j DROP", net(i), host(i), i+1, i+5000)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			steps := func(n int) int {
				rules := make([]string, n)
				for i := range rules {
					rules[i] = "-A INPUT " + tt.rule(i, n)
				}
				s := snapshot(t, ruleset.IPTables, filter(rules...))
				p, err := load(newSharedUniverse(ruleset.IPv4, s), &specs{map[string]*xtables.Spec{}, map[string]*reading{}}, s, ruleset.IPv4, nil)
				if err != nil {
					t.Fatal(err)
				}
				var opts Options
				opts.defaults()
				l := newLinter(p, opts, p.list...)
				if err := l.look(context.Background(), p.list[slices.IndexFunc(p.list, func(t *table) bool { return t.name == "filter" })]); err != nil {
					t.Fatal(err)
				}
				return l.store.steps
			}
			small, large := steps(500), steps(2000)
			t.Logf("%d and %d steps", small, large)
			if large > 8*small {
				t.Errorf("500 rules take %d steps, 2000 take %d", small, large)
			}
		})
	}
}
