package packets

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/google/go-cmp/cmp"
)

func lintLines(found []Finding) (out []string) {
	for _, f := range found {
		out = append(out, fmt.Sprintf("%s %s %d: %s", f.Table, f.Chain, f.Index, f.Words()))
	}
	return out
}

// TestLintTooLarge lints a table that no diagram of the size holds: what needs
// none is told, and the table beside it is looked at as ever.
func TestLintTooLarge(t *testing.T) {
	const mangle = "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" +
		"-A FORWARD -s 10.0.0.0/8 -j DROP\n-A FORWARD -s 10.1.0.0/16 -j DROP\nCOMMIT\n"
	rules := []string{":none - [0:0]", ":alone - [0:0]", "-A INPUT -p udp -j none", "-A INPUT -p tcp -j DROP", "-A INPUT -p tcp -j DROP"}
	for i := range 400 {
		rules = append(rules, fmt.Sprintf("-A INPUT -s 10.%d.0.0/16 -d 10.0.%d.0/24 -p tcp -m tcp --dport %d -m limit --limit %d/min -j ACCEPT", i%256, i*7%256, i+1, i%50+1))
	}
	rules = append(rules, "-A INPUT -j ACCEPT", "-A INPUT -j DROP")
	for _, text := range []string{filter(rules...) + mangle, mangle + filter(rules...)} {
		r, err := Lint(context.Background(), snapshot(t, ruleset.IPTables, text), Options{MaxNodes: 3000})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"filter INPUT 1: leads into a chain without rules",
			"filter INPUT 3: never matches: INPUT rule 2 takes all its packets",
			"filter INPUT 404: accepts everything that comes to it",
			"filter INPUT 405: never matches: INPUT rule 404 takes all its packets",
			"filter alone 0: no packet comes to this chain",
			"mangle FORWARD 2: never matches: FORWARD rule 1 takes all its packets",
		}
		got := lintLines(r.Findings)
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if len(r.Unseen) != 1 || r.Unseen[0].Table != "filter" || !slices.Contains(r.Unseen[0].Chains, "INPUT") || !errors.Is(r.Unseen[0].Err, ErrTooLarge) {
			t.Errorf("%+v", r.Unseen)
		}
	}
}

// TestLintLoop looks at what is beside chains that call themselves.
func TestLintLoop(t *testing.T) {
	s := snapshot(t, ruleset.IPTables, filter(":a - [0:0]", ":b - [0:0]", "-A INPUT -j a", "-A a -j b", "-A b -g a", "-A FORWARD -j DROP", "-A FORWARD -p tcp -j DROP"))
	r, err := Lint(context.Background(), s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"filter FORWARD 2: never matches: FORWARD rule 1 takes all its packets"}, lintLines(r.Findings)); d != "" {
		t.Error(d)
	}
	var loop *LoopError
	if len(r.Unseen) != 1 || len(r.Unseen[0].Chains) != 5 || !errors.As(r.Unseen[0].Err, &loop) {
		t.Errorf("%+v", r.Unseen)
	}
}

// TestLintPartHolds cuts the lint of random rulesets short at growing sizes:
// what it says then is what the whole one says.
func TestLintPartHolds(t *testing.T) {
	seed := seedOf(t)
	t.Logf("seed %d", seed)
	parts, told := 0, 0
	for i := range 30 {
		g := newGenerator(rand.New(rand.NewPCG(seed, uint64(i))), i%2 == 1)
		_, kind := g.family()
		sets := g.makeSets()
		text := dumpText(g.ruleset(12))
		s := snapshot(t, kind, text, sets)
		whole, err := Lint(context.Background(), s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		type at struct {
			table, chain string
			index        int
		}
		known := map[at][]FindingKind{}
		for _, f := range whole.Findings {
			known[at{f.Table, f.Chain, f.Index}] = append(known[at{f.Table, f.Chain, f.Index}], f.Kind)
		}
		for nodes := 100; ; nodes *= 3 {
			r, err := Lint(context.Background(), s, Options{MaxNodes: nodes})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Unseen) == 0 {
				break
			}
			parts++
			for _, f := range r.Findings {
				told++
				k := known[at{f.Table, f.Chain, f.Index}]
				switch {
				case slices.Contains(k, f.Kind), len(known[at{f.Table, f.Chain, 0}]) > 0:
				case f.Kind == AcceptsAll && slices.Contains(k, NeverMatches):
				default:
					t.Errorf("seed %d round %d, %d nodes: %s %s rule %d, %s: %s; the whole lint: %v\n%s\n%s", seed, i, nodes, f.Table, f.Chain, f.Index, f.Text, f.Words(), k, text, sets)
				}
			}
		}
	}
	if parts < 30 || told < 30 {
		t.Errorf("%d lints cut short, with %d findings: the test shows little", parts, told)
	}
}
