package packets

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/google/go-cmp/cmp"
)

// TestTurn wants what a translated packet meets if it goes another way, where
// that is something else.
func TestTurn(t *testing.T) {
	dnat := func(rules ...string) string {
		return nat(append([]string{"-A PREROUTING -d 203.0.113.7/32 -i eth0 -p tcp -m tcp --dport 443 -j DNAT --to-destination 10.0.0.5:8443"}, rules...)...)
	}
	policies := func(input, forward string, rules ...string) string {
		return strings.Replace(strings.Replace(filter(rules...), ":INPUT ACCEPT", ":INPUT "+input, 1), ":FORWARD ACCEPT", ":FORWARD "+forward, 1)
	}
	for _, tt := range []struct {
		name     string
		old, new string
		want     []string
	}{
		{"taken from this host", policies("ACCEPT", "DROP"), policies("ACCEPT", "DROP") + dnat(),
			[]string{"input: accepted → accepted, DNAT --to-destination 10.0.0.5:8443; new forward, 10.0.0.5: dropped by FORWARD 0"}},
		{"given back", policies("ACCEPT", "DROP") + dnat(), policies("ACCEPT", "DROP"),
			[]string{"input: accepted, DNAT --to-destination 10.0.0.5:8443 → accepted; old forward, 10.0.0.5: dropped by FORWARD 0"}},
		{"let past what dropped it", policies("DROP", "ACCEPT"), policies("DROP", "ACCEPT") + dnat(),
			[]string{"forward: accepted → accepted, DNAT --to-destination 10.0.0.5:8443; old input, 203.0.113.7: dropped by INPUT 0"}},
		{"the same either way", policies("ACCEPT", "ACCEPT"), policies("ACCEPT", "ACCEPT") + dnat(),
			[]string{"input: accepted → accepted, DNAT --to-destination 10.0.0.5:8443", "forward: accepted → accepted, DNAT --to-destination 10.0.0.5:8443"}},
		{"by its way out", policies("ACCEPT", "DROP", "-A FORWARD -o eth1 -j ACCEPT"), policies("ACCEPT", "DROP", "-A FORWARD -o eth1 -j ACCEPT") + dnat(),
			[]string{"input: accepted → accepted, DNAT --to-destination 10.0.0.5:8443", "forward: accepted → accepted, DNAT --to-destination 10.0.0.5:8443"}},
		{"to this host anyway", policies("ACCEPT", "DROP"), policies("ACCEPT", "DROP") + nat("-A PREROUTING -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 8443"),
			[]string{"input: accepted → accepted, REDIRECT --to-ports 8443", "forward: dropped → accepted, REDIRECT --to-ports 8443"}},
		{"another target", policies("DROP", "ACCEPT") + dnat(), policies("DROP", "ACCEPT") + strings.Replace(dnat(), "10.0.0.5", "10.0.0.6", 1),
			[]string{"forward: accepted, DNAT --to-destination 10.0.0.5:8443 → accepted, DNAT --to-destination 10.0.0.6:8443"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Diff(context.Background(), snapshot(t, ruleset.IPTables, tt.old), snapshot(t, ruleset.IPTables, tt.new), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range r.Regions {
				line := fmt.Sprintf("%s: %s → %s", x.Journey, x.Old, x.New)
				if u := x.Turn; u != nil {
					side := "old"
					if u.New {
						side = "new"
					}
					line += fmt.Sprintf("; %s %s, %s: %s by %s %d", side, u.Journey, u.Address, u.Outcome, u.Rules[0].Chain, u.Rules[0].Index)
				}
				got = append(got, line)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
