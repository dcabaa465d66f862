package apply

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

func TestSumUp(t *testing.T) {
	var list []Foreign
	add := func(f Foreign, by string, manager bool) {
		if f.KeptBy = by; manager {
			f.Manager = by
		}
		list = append(list, f)
	}
	for i := range 214 {
		add(Foreign{Kind: "chain", Family: ruleset.IPv4, Table: "nat", Chain: fmt.Sprintf("KUBE-SVC-%d", i), Count: 4}, "Kubernetes", true)
	}
	for range 176 {
		add(Foreign{Kind: "rule", Family: ruleset.IPv4, Table: "nat", Chain: "PREROUTING", Text: "-j KUBE-SERVICES"}, "Kubernetes", true)
	}
	add(Foreign{Kind: "chain", Chain: "cali-INPUT"}, "Kubernetes", true)
	add(Foreign{Kind: "policy", Chain: "FORWARD", Text: "DROP"}, "Docker", true)
	add(Foreign{Kind: "set", Set: "MINE", Count: 3}, "MINE*", false)
	add(Foreign{Kind: "members", Set: "bad", Count: 12345}, "bad", false)
	add(Foreign{Kind: "table", Family: ruleset.IPv4, Table: "docker-bridges", Count: 9}, "Docker", true)
	add(Foreign{Kind: "policy", Chain: "INPUT", Text: "DROP"}, "Docker", true)
	add(Foreign{Kind: "object", Set: "x"}, "", false)
	add(Foreign{Kind: "elements", Set: "x", Count: 1}, "", false)
	var got []string
	for _, k := range SumUp(list) {
		got = append(got, k.String())
	}
	want := []string{
		"Kubernetes (KUBE-*, cali-*): 215 chains, 1,032 rules",
		"Docker (ip docker-bridges): 1 table, 9 rules, 2 policies",
		"MINE*: 1 set",
		"bad: 12,345 members",
		"of others: 1 object, 1 element",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
