package xtables_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

func TestWords(t *testing.T) {
	for _, test := range []struct {
		line string
		want []string
	}{
		{"", []string{}},
		{"  -A\tINPUT  -j DROP ", []string{"-A", "INPUT", "-j", "DROP"}},
		{`--comment "a b" -j x`, []string{"--comment", "a b", "-j", "x"}},
		{`"" a`, []string{"", "a"}},
		{`"a\"b\\c\d"`, []string{`a"b\cd`}},
		{`a\b`, []string{`a\b`}},
		{`a"b c"d`, []string{"ab c", "d"}},
		{`"a""b"`, []string{"a", "b"}},
	} {
		got, err := xtables.Words(test.line)
		if err != nil {
			t.Errorf("%q: %v", test.line, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q: %s", test.line, diff)
		}
	}
	for _, line := range []string{`"`, `a "b`, `"a\`, "a\x00b", "\"a\x00\"", "\"\\\x00\""} {
		if got, err := xtables.Words(line); err == nil {
			t.Errorf("%q: got %q, want an error", line, got)
		}
	}
}

func TestParseRule(t *testing.T) {
	got, err := xtables.ParseRule(ruleset.IPTables, `-p tcp ! -s 10.0.0.1/8 --dport ssh:http -m state --state new -m comment --comment "a b" -j REJECT`)
	if err != nil {
		t.Fatal(err)
	}
	want := xtables.Spec{
		Kind: ruleset.IPTables,
		Header: []xtables.Option{
			{Name: "-s", Negated: true, Values: []string{"10.0.0.0/8"}},
			{Name: "-p", Values: []string{"tcp"}},
		},
		Matches: []xtables.Module{
			{Name: "tcp", Options: []xtables.Option{{Name: "--dport", Values: []string{"22:80"}}}},
			{Name: "state", Options: []xtables.Option{{Name: "--state", Values: []string{"NEW"}}}},
			{Name: "comment", Options: []xtables.Option{{Name: "--comment", Values: []string{"a b"}, Quoting: xtables.AsNeeded}}},
		},
		Target: xtables.Module{Name: "REJECT", Options: []xtables.Option{{Name: "--reject-with", Values: []string{"icmp-port-unreachable"}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text := `! -s 10.0.0.0/8 -p tcp -m tcp --dport 22:80 -m state --state NEW -m comment --comment "a b" -j REJECT --reject-with icmp-port-unreachable`
	if diff := cmp.Diff(text, got.String()); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"-A INPUT -j DROP", "-s 1.1.1.1,2.2.2.2", "-j", `"`} {
		if _, err := xtables.ParseRule(ruleset.IPTables, bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestBuiltinChains(t *testing.T) {
	if diff := cmp.Diff([]string{"INPUT", "FORWARD", "OUTPUT"}, xtables.BuiltinChains(ruleset.EBTables, "filter")); diff != "" {
		t.Error(diff)
	}
	if got := xtables.BuiltinChains(ruleset.ARPTables, "nat"); got != nil {
		t.Errorf("arptables has no nat, got %q", got)
	}
}

// The two arptables differ in their base chains.
func TestArptablesChains(t *testing.T) {
	for _, test := range []struct {
		backend    ruleset.Backend
		text, want string
	}{
		{ruleset.Legacy, "*filter\n:FORWARD DROP\n:OUTPUT DROP\n:own -\n-A FORWARD -j own\n", "*filter\n:INPUT ACCEPT\n:OUTPUT DROP\n:FORWARD DROP\n:own -\n-A FORWARD -j own\n"},
		{ruleset.NFT, "*filter\n:OUTPUT DROP\n", "*filter\n:INPUT ACCEPT\n:OUTPUT DROP\n"},
	} {
		tables, err := xtables.Parse(ruleset.ARPTables, test.backend, "f", []byte(test.text))
		if err != nil {
			t.Errorf("%s: %v", test.backend, err)
			continue
		}
		if diff := cmp.Diff(test.want, string(xtables.Format(tables))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.backend, diff)
		}
	}
	if _, err := xtables.Parse(ruleset.ARPTables, ruleset.NFT, "f", []byte("*filter\n:FORWARD DROP\n")); err == nil {
		t.Error("the arptables of nf_tables has no FORWARD")
	}
}
