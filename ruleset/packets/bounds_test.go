package packets

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// A dump is untrusted: what takes too much memory or time ends with an error
// that says so.
func TestBounds(t *testing.T) {
	var rules []string
	for i := range 400 {
		rules = append(rules, fmt.Sprintf("-A INPUT -s 10.%d.0.0/16 -d 10.0.%d.0/24 -p tcp -m tcp --dport %d -m limit --limit %d/min -j ACCEPT", i%256, i*7%256, i+1, i%50+1))
	}
	old, new := snapshot(t, ruleset.IPTables, filter(rules...)), snapshot(t, ruleset.IPTables, filter(append(rules, "-A INPUT -j DROP")...))
	if _, err := Diff(context.Background(), old, new, Options{MaxNodes: 5000}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("5000 nodes: %v", err)
	}
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := Diff(ctx, old, new, Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no time: %v", err)
	}
}

// What most firewalls have beside their rules, translations and marks, makes a
// comparison no matter of all packets: neither does a change of many rules.
func TestFewNodes(t *testing.T) {
	rules := benchRules(1000, 1)
	old, new := snapshot(t, ruleset.IPTables, serving(rules)), snapshot(t, ruleset.IPTables, serving(edited(rules, 10, 2)))
	if _, err := Diff(context.Background(), old, new, Options{MaxNodes: 1_000_000}); err != nil {
		t.Error(err)
	}
}

// Chains that call themselves load nowhere, and must not make anything run for
// ever.
func TestLoop(t *testing.T) {
	s := snapshot(t, ruleset.IPTables, filter(":a - [0:0]", ":b - [0:0]", "-A INPUT -j a", "-A a -j b", "-A b -g a"))
	var loop *LoopError
	if _, err := New(s, ruleset.IPv4); !errors.As(err, &loop) {
		t.Errorf("New: %v", err)
	}
	if _, err := Diff(context.Background(), s, nil, Options{}); !errors.As(err, &loop) {
		t.Errorf("Diff: %v", err)
	}
}

// A deep chain of chains takes memory, not the stack.
func TestDeepChains(t *testing.T) {
	text := filter()[:len(filter())-len("COMMIT\n")-1]
	for i := range 5000 {
		text += fmt.Sprintf(":c%d - [0:0]\n", i)
	}
	text += "-A INPUT -j c0\n"
	for i := range 4999 {
		text += fmt.Sprintf("-A c%d -p tcp -j c%d\n", i, i+1)
	}
	old := snapshot(t, ruleset.IPTables, text+"COMMIT\n")
	new := snapshot(t, ruleset.IPTables, text+"-A c4999 -s 10.0.0.0/8 -j DROP\nCOMMIT\n")
	r, err := Diff(context.Background(), old, new, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Regions) != 1 || r.Regions[0].Words() != "tcp  10.0.0.0/8 → any" {
		t.Errorf("%d regions", len(r.Regions))
		for _, x := range r.Regions {
			t.Log(x.Words())
		}
	}
	if _, err := Lint(context.Background(), new, Options{}); err != nil {
		t.Error(err)
	}
}

// TestLintDeepChains lints chains that each lead to the next one.
func TestLintDeepChains(t *testing.T) {
	const n = 20000
	var chains, rules []string
	for i := range n {
		chains = append(chains, fmt.Sprintf(":c%d - [0:0]", i))
		rules = append(rules, fmt.Sprintf("-A c%d -s 10.0.0.0/8 -j c%d", i, i+1))
	}
	chains = append(chains, fmt.Sprintf(":c%d - [0:0]", n))
	rules = append(rules, fmt.Sprintf("-A c%d -j DROP", n), "-A FORWARD -j c0")
	start := time.Now()
	if _, err := Lint(context.Background(), snapshot(t, ruleset.IPTables, filter(append(chains, rules...)...)), Options{}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("%d chains took %s", n, took)
	}
}
