package packets

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/google/go-cmp/cmp"
)

// TestRates wants a changed rate told once, and what is more than that as ever.
func TestRates(t *testing.T) {
	const drop = ":INPUT DROP [0:0]"
	for _, tt := range []struct {
		name     string
		old, new []string
		want     []string
	}{
		{"raised", []string{drop, "-A INPUT -p icmp -m limit --limit 5/min -j ACCEPT"}, []string{drop, "-A INPUT -p icmp -m limit --limit 50/min -j ACCEPT"},
			[]string{"other: icmp  any → any: accepted, if -m limit --limit 5/min, else dropped → accepted, if -m limit --limit 50/min, else dropped"}},
		{"a burst", []string{drop, "-A INPUT -p udp -m limit --limit 5/min -j ACCEPT"}, []string{drop, "-A INPUT -p udp -m limit --limit 5/min --limit-burst 9 -j ACCEPT"},
			[]string{"other: udp  any → any: accepted, if -m limit --limit 5/min, else dropped → accepted, if -m limit --limit 5/min --limit-burst 9, else dropped"}},
		{"above", []string{"-A INPUT -p tcp -m hashlimit --hashlimit-above 10/min --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name a -j DROP"},
			[]string{"-A INPUT -p tcp -m hashlimit --hashlimit-above 30/min --hashlimit-mode srcip --hashlimit-name a -j DROP"},
			[]string{"other: tcp  any → any: dropped, if -m hashlimit --hashlimit-above 10/min --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name a, else accepted → " +
				"dropped, if -m hashlimit --hashlimit-above 30/min --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name a, else accepted"}},
		{"of what else comes", []string{":c - [0:0]", "-A INPUT -p tcp -j c", "-A INPUT -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset", "-A c -m limit --limit 1/sec -j RETURN", "-A c -j DROP"},
			[]string{":c - [0:0]", "-A INPUT -p tcp -j c", "-A INPUT -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset", "-A c -m limit --limit 2/sec -j RETURN", "-A c -j DROP"},
			[]string{"other: tcp  any → any:!22: accepted, if -m limit --limit 1/sec, else dropped → accepted, if -m limit --limit 2/sec, else dropped",
				"other: tcp  any → any:22: rejected with tcp-reset, if -m limit --limit 1/sec, else dropped → rejected with tcp-reset, if -m limit --limit 2/sec, else dropped"}},
		{"another match", []string{drop, `-A INPUT -p udp -m string --string aa --algo bm -j ACCEPT`}, []string{drop, `-A INPUT -p udp -m string --string bb --algo bm -j ACCEPT`},
			[]string{`allowed: udp  any → any  unless -m string --string "aa" --algo bm  if -m string --string "bb" --algo bm: dropped → accepted`,
				`blocked: udp  any → any  if -m string --string "aa" --algo bm  unless -m string --string "bb" --algo bm: accepted → dropped`}},
		{"and another port", []string{drop, "-A INPUT -p udp -m udp --dport 53 -m limit --limit 5/min -j ACCEPT"}, []string{drop, "-A INPUT -p udp -m udp --dport 54 -m limit --limit 50/min -j ACCEPT"},
			[]string{"allowed: udp  any → any:54  if -m limit --limit 50/min (filter INPUT rule 1): dropped → accepted",
				"blocked: udp  any → any:53  if -m limit --limit 5/min (filter INPUT rule 1): accepted → dropped"}},
		{"another way to count", []string{"-A INPUT -m hashlimit --hashlimit-upto 10/min --hashlimit-mode srcip --hashlimit-name a -j DROP"},
			[]string{"-A INPUT -m hashlimit --hashlimit-upto 10/min --hashlimit-mode dstip --hashlimit-name a -j DROP"},
			[]string{"allowed: any  any → any  if -m hashlimit --hashlimit-upto 10/min --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name a (filter INPUT rule 1)  unless -m hashlimit --hashlimit-upto 10/min --hashlimit-burst 5 --hashlimit-mode dstip --hashlimit-name a (filter INPUT rule 1): dropped → accepted",
				"blocked: any  any → any  unless -m hashlimit --hashlimit-upto 10/min --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name a (filter INPUT rule 1)  if -m hashlimit --hashlimit-upto 10/min --hashlimit-burst 5 --hashlimit-mode dstip --hashlimit-name a (filter INPUT rule 1): accepted → dropped"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dump := func(rules []string) string {
				s := filter(rules...)
				if strings.Contains(s, drop+"\n") {
					s = strings.Replace(strings.Replace(s, drop+"\n", "", 1), ":INPUT ACCEPT [0:0]", drop, 1)
				}
				return s
			}
			r, err := Diff(context.Background(), snapshot(t, ruleset.IPTables, dump(tt.old)), snapshot(t, ruleset.IPTables, dump(tt.new)), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range r.Regions {
				got = append(got, fmt.Sprintf("%s: %s: %s → %s", x.Change, x.Words(), x.Old, x.New))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRatesHold follows random packets, with each of the two rates held or not,
// through random rulesets of which rates changed: what becomes of one of a region
// is what the region says.
func TestRatesHold(t *testing.T) {
	seed := seedOf(t)
	t.Logf("seed %d", seed)
	checked, rates := 0, 0
	for i := range 40 {
		g := newGenerator(rand.New(rand.NewPCG(seed, uint64(i))), false)
		tables := g.ruleset(5)
		var changed [][]string
		for _, lines := range tables {
			var out []string
			for k, l := range lines {
				if at := strings.LastIndex(l, " -j "); at > 0 && strings.HasPrefix(l, "-A ") && g.chance(10) {
					rate := func() string {
						rates++
						return fmt.Sprintf(" -m limit --limit 1/sec --limit-burst %d", 10+rates)
					}
					lines[k] = l[:at] + rate() + l[at:]
					l = l[:at] + rate() + l[at:]
				}
				out = append(out, l)
			}
			changed = append(changed, out)
		}
		old, new := snapshot(t, ruleset.IPTables, dumpText(tables)), snapshot(t, ruleset.IPTables, dumpText(changed))
		report, err := Diff(context.Background(), old, new, Options{MaxNodes: 1_000_000})
		if errors.Is(err, ErrTooLarge) {
			continue // so many unknowns are no ruleset's
		}
		if err != nil {
			t.Fatal(err)
		}
		x, y, err := Pair(old, new, ruleset.IPv4)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range report.Regions {
			if r.Old.If == "" {
				continue
			}
			for range 40 {
				p := g.near(r.Example)
				g.flow(&p)
				for _, s := range []*Space{x, y} {
					for _, a := range s.Atoms() {
						p.Holds[a.String()] = g.chance(50)
					}
				}
				if !isPossible(x.program.universe, r.Journey, &p) || !anyBox(r.Boxes, &p) {
					continue
				}
				checked++
				for _, side := range []struct {
					space *Space
					fate  Outcome
				}{{x, r.Old}, {y, r.New}} {
					want := side.fate.Else
					for _, a := range side.space.Atoms() {
						if a.Text == side.fate.If && p.Holds[a.String()] {
							fate := side.fate
							fate.If = ""
							want = fate.String()
						}
					}
					if got := ended(side.space, r.Journey, p); !strings.HasPrefix(got, strings.SplitN(want, ",", 2)[0]) {
						t.Errorf("seed %d round %d: %s %+v: %s, not %s\n%s %s: %s → %s\n%s\n%s", seed, i, r.Journey, p, got, want, r.Change, r.Words(), r.Old, r.New, dumpText(tables), dumpText(changed))
					}
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d packets: the test shows little", checked)
	}
}

func anyBox(boxes []Box, p *Packet) bool {
	for i := range boxes {
		if boxes[i].Contains(p) {
			return true
		}
	}
	return false
}
