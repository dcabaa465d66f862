package lab_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
)

func TestAbsentInterfaces(t *testing.T) {
	spec, err := lab.ParseSpec("spec.yaml", []byte(`networks:
  lan: {router: 10.0.0.1/24 as lan0, pc: 10.0.0.2}
  wan: {router: 192.0.2.1/24, far: 192.0.2.9}
tests: [{pc ping far: accepted}]
`))
	if err != nil {
		t.Fatal(err)
	}
	for rule, want := range map[string][]string{
		"INPUT -i lan0 -j ACCEPT":           nil,
		"INPUT -i lo -j ACCEPT":             nil,
		"FORWARD -i eth0 -o lan0 -j ACCEPT": nil,
		"FORWARD -i eth1 -o wan0 -j ACCEPT": {"eth1", "wan0"},
		"FORWARD -i eth+ -o ppp+ -j ACCEPT": {"ppp+"},
		"FORWARD ! -i tun0 -j DROP":         {"tun0"},
		"POSTROUTING -o wan0 -j MASQUERADE": {"wan0"},
		"FORWARD -i lan -j ACCEPT":          {"lan"},
		"FORWARD -s 10.0.0.2/32 -j ACCEPT":  nil,
		"FORWARD -i + -o wan+ -j ACCEPT":    {"wan+"},
	} {
		if d := cmp.Diff(want, lab.AbsentInterfaces(filter(ruleset.IPv4, nil, rule), spec)); d != "" {
			t.Errorf("%s: -want +got\n%s", rule, d)
		}
	}
}
