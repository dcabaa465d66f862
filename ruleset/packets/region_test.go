package packets

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
)

// customers is a router with n hosts behind it in a chain of their own, and a
// blocklist that is asked before or after established connections pass.
func customers(n int, blockFirst bool, more ...string) string {
	rules := []string{"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -i eth0 -m set --match-set blocklist src -j DROP"}
	if blockFirst {
		rules[0], rules[1] = rules[1], rules[0]
	}
	rules = append(rules, "-A FORWARD -d 10.20.0.0/16 -i eth0 -j customers")
	for i := range n {
		rules = append(rules, fmt.Sprintf("-A customers -d 10.20.%d.%d/32 -j ACCEPT", i/250, i%250+1))
	}
	rules = append(rules, more...)
	return "*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n:customers -\n" + strings.Join(rules, "\n") + "\nCOMMIT\n" +
		"*nat\n:PREROUTING ACCEPT\n:POSTROUTING ACCEPT\n-A PREROUTING -i eth0 -d 203.0.113.10 -p tcp -m tcp --dport 8800 -j DNAT --to-destination 10.20.0.1:8800\n" +
		"-A POSTROUTING -o eth0 -s 172.16.100.0/24 -j SNAT --to-source 203.0.113.10\n-A POSTROUTING -o eth0 -s 192.168.10.0/24 -j MASQUERADE\nCOMMIT\n" +
		"*mangle\n:FORWARD ACCEPT\n-A FORWARD -o eth0 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n"
}

// TestManyDeciders holds the diagrams of a change that thousands of rules
// decide over to a size that does not grow with what is asked below them.
func TestManyDeciders(t *testing.T) {
	set := "create blocklist hash:net\nadd blocklist 192.0.2.13\nadd blocklist 198.51.100.0/25\n"
	old := snapshot(t, ruleset.IPTables, customers(2000, false), set)
	new := snapshot(t, ruleset.IPTables, customers(2000, true), set+"add blocklist 198.51.100.128/26\n")
	r, err := Diff(context.Background(), old, new, Options{MaxNodes: 300_000})
	if err != nil {
		t.Fatal(err)
	}
	many := 0
	for _, x := range r.Regions {
		many = max(many, len(x.OldRules))
	}
	if len(r.Regions) > 6 || many != 2000 {
		t.Errorf("%d regions, at most %d rules", len(r.Regions), many)
		for _, x := range r.Regions {
			t.Logf("%s %s: %s: %s → %s", x.Journey, x.Change, x.Words(), x.Old, x.New)
		}
	}
}

// TestOneRegion wants what differs in decorations alone told once, and flags
// only as tests.
func TestOneRegion(t *testing.T) {
	set := "create blocklist hash:net\n"
	old := snapshot(t, ruleset.IPTables, customers(3, false), set)
	new := snapshot(t, ruleset.IPTables, customers(3, false, "-A customers -d 10.20.9.1/32 -j ACCEPT", "-A customers -d 10.20.9.2/32 -p tcp -m tcp --tcp-flags SYN,RST,ACK SYN -j ACCEPT"), set)
	r, err := Diff(context.Background(), old, new, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range r.Regions {
		got = append(got, x.Words()+": "+x.Old.String()+" → "+x.New.String())
	}
	const partly = "  unless -m set --match-set blocklist src: dropped → accepted, partly "
	if len(got) != 2 || !strings.HasPrefix(got[0], "any  any → 10.20.9.1  in eth0  new"+partly) ||
		!strings.HasPrefix(got[1], "tcp  any → 10.20.9.2  in eth0  new  flags SYN/SYN,RST,ACK"+partly) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for _, x := range r.Regions {
		if x.ExampleNew.Partly != nil || x.ExampleOld.String() != "dropped" {
			t.Errorf("example %s → %s", x.ExampleOld, x.ExampleNew)
		}
	}
}
