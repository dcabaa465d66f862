package packets

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/google/go-cmp/cmp"
)

func TestLint(t *testing.T) {
	closed := func(rules ...string) string {
		return strings.Replace(filter(rules...), ":INPUT ACCEPT", ":INPUT DROP", 1)
	}
	for _, tt := range []struct {
		name  string
		dumps []string
		want  []string
	}{
		{"clean", []string{filter("-A INPUT -p tcp -m tcp --dport 22 -j DROP")}, nil},
		{"shadowed by one", []string{filter("-A INPUT -s 10.0.0.0/8 -j DROP", "-A INPUT -s 10.1.0.0/16 -p tcp -j ACCEPT")},
			[]string{"never-matches INPUT 2: never matches: INPUT rule 1 takes all its packets"}},
		{"shadowed by two", []string{filter("-A INPUT -s 10.0.0.0/9 -j DROP", "-A INPUT -s 10.128.0.0/9 -p udp -j DROP", "-A INPUT -s 10.0.0.0/8 -p udp -j ACCEPT")},
			[]string{"never-matches INPUT 3: never matches: INPUT rule 1 and INPUT rule 2 take all its packets"}},
		{"behind a jump", []string{filter(":mine - [0:0]", "-A INPUT -p tcp -j mine", "-A mine -p udp -j DROP", "-A mine -p tcp -m tcp --dport 1 -j DROP")},
			[]string{"never-matches mine 1: no packet that comes here fits it"}},
		{"a mark set in between", []string{filter("-A INPUT -m mark --mark 0x1 -j DROP", "-A INPUT -j MARK --set-xmark 0x1/0xffffffff", "-A INPUT -m mark --mark 0x1 -s 10.0.0.1 -j REJECT")}, nil},
		{"redundant", []string{filter("-A INPUT -s 10.1.0.0/16 -j DROP", "-A INPUT -p tcp -s 10.0.0.0/8 -j LOG", "-A INPUT -s 10.0.0.0/8 -j DROP")},
			[]string{"changes-nothing INPUT 1: changes nothing: INPUT rule 3 would do the same"}},
		{"many and the policy", []string{closed("-A INPUT -s 10.0.0.0/8 -j DROP", "-A INPUT -s 10.0.0.0/10 -j DROP", "-A INPUT -s 10.64.0.0/10 -j DROP", "-A INPUT -s 10.128.0.0/10 -j DROP",
			"-A INPUT -s 10.192.0.0/11 -j DROP"), ""}, []string{
			"changes-nothing INPUT 1: changes nothing: INPUT rule 2, INPUT rule 3, INPUT rule 4 and 2 more would do the same",
			"never-matches INPUT 2: never matches: INPUT rule 1 takes all its packets", "never-matches INPUT 3: never matches: INPUT rule 1 takes all its packets",
			"never-matches INPUT 4: never matches: INPUT rule 1 takes all its packets", "never-matches INPUT 5: never matches: INPUT rule 1 takes all its packets",
			"ipv6-open INPUT 0: IPv6 is open where IPv4 is closed by the policy of INPUT"}},
		{"as the policy", []string{closed("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", "-A INPUT -p udp -j DROP"), ""},
			[]string{"changes-nothing INPUT 2: changes nothing: the policy of INPUT would do the same", "ipv6-open INPUT 0: IPv6 is open where IPv4 is closed by the policy of INPUT"}},
		{"accepts all", []string{filter("-A FORWARD -j ACCEPT", "-A FORWARD -j DROP")},
			[]string{"accepts-all FORWARD 1: accepts everything that comes to it", "never-matches FORWARD 2: never matches: FORWARD rule 1 takes all its packets"}},
		{"late established", []string{filter("-A INPUT -m conntrack --ctstate INVALID -j DROP", "-A INPUT -s 10.0.0.0/8 -j DROP", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A INPUT -p tcp -j REJECT")},
			[]string{"late-established INPUT 3: established connections come after INPUT rule 2, which drops packets of theirs"}},
		{"empty chain", []string{filter(":mine - [0:0]", ":alone - [0:0]", "-A INPUT -j mine")},
			[]string{"empty-jump INPUT 1: leads into a chain without rules", "unused-chain alone 0: no packet comes to this chain"}},
		{"an empty set", []string{filter("-A INPUT -m set --match-set s src -j DROP"), "create s hash:ip\n"}, nil},
		{"a set that rules fill", []string{filter("-A INPUT -m set --match-set s src -j DROP", "-A INPUT -p tcp -j SET --add-set s src", "-A INPUT -m set --match-set s src -j DROP"),
			"create s hash:ip\nadd s 10.0.0.1\n"}, nil},
		{"an empty set of the other family", []string{filter("-A INPUT -m set --match-set s src -j DROP"), "create s hash:ip family inet6\n"},
			[]string{"never-matches INPUT 1: no packet that comes here fits it"}},
		{"a list that a rule fills", []string{strings.Replace(filter("-A INPUT -m recent --rcheck --name bad -j DROP", "-A INPUT -p tcp -m tcp --dport 23 -m recent --set --name bad -j DROP",
			"-A INPUT -p tcp -m recent --update --seconds 60 --name bad -j DROP"), ":INPUT ACCEPT", ":INPUT DROP", 1), ""},
			[]string{"ipv6-open INPUT 0: IPv6 is open where IPv4 is closed by the policy of INPUT"}},
		{"two limits", []string{filter("-A INPUT -m limit --limit 5/min -j DROP", "-A INPUT -m limit --limit 5/min -j DROP", "-A INPUT -p tcp -j DROP")}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := Lint(context.Background(), snapshot(t, ruleset.IPTables, slices.DeleteFunc(tt.dumps, func(s string) bool { return s == "" })...), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found.Findings {
				got = append(got, fmt.Sprintf("%s %s %d: %s", f.Kind, f.Chain, f.Index, f.Words()))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLintHoldsAgainstDiff takes away each rule that lint calls dead or without
// effect: no packet may fare otherwise.
func TestLintHoldsAgainstDiff(t *testing.T) {
	seed := seedOf(t)
	t.Logf("seed %d", seed)
	checked := 0
	for i := range 20 {
		g := newGenerator(rand.New(rand.NewPCG(seed, uint64(i))), i%2 == 1)
		g.atoms = i%3 == 0
		_, kind := g.family()
		sets := g.makeSets()
		tables := g.ruleset(6)
		s := snapshot(t, kind, dumpText(tables), sets)
		found, err := Lint(context.Background(), s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found.Findings {
			if f.Kind != NeverMatches && f.Kind != ChangesNothing {
				continue
			}
			checked++
			var less [][]string
			for _, lines := range tables {
				if lines[0] != "*"+f.Table {
					less = append(less, lines)
					continue
				}
				n := 0
				less = append(less, slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
					if !strings.HasPrefix(l+" ", "-A "+f.Chain+" ") { // one may ask for nothing and do nothing
						return false
					}
					n++
					return n == f.Index
				}))
			}
			r, err := Diff(context.Background(), s, snapshot(t, kind, dumpText(less), sets), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range r.Regions {
				// A mark that is not followed may be another one where any rule that
				// marks went.
				if slices.ContainsFunc(x.Conditions(), func(c Condition) bool { return strings.Contains(c.Atom.Scope, "as it is now") }) {
					continue
				}
				t.Fatalf("seed %d round %d: %s %s rule %d, %s, %s\n%s %s: %s → %s\n%s\n%s", seed, i, f.Table, f.Chain, f.Index, f.Text, f.Words(),
					x.Journey, x.Words(), x.Old, x.New, dumpText(tables), sets)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d findings: the test shows little", checked)
	}
}
