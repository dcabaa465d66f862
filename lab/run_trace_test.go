package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

const tracedSpec = `networks:
  lan: {router: 172.16.100.1/24 as veth1, boxA: 172.16.100.5}
  wan: {router: 172.16.200.1/24 as eth0, boxB: 172.16.200.5}
tests:
  - boxA ping boxB: accepted
  - boxB tcp boxA:22: accepted
  - boxB udp router:53: accepted
  - boxA tcp boxB:80: dropped
`

// TestFailureTells runs tests of which three fail: their packets' ways are told,
// and of the one that passes nothing.
func TestFailureTells(t *testing.T) {
	for _, b := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
		t.Run(string(b), func(t *testing.T) {
			snap := snapshotOf(t, ruleset.Dump{Kind: ruleset.SysctlSet, Text: []byte("net.ipv4.ip_forward = 1\n")},
				ruleset.Dump{Kind: ruleset.IPTables, Backend: b, Text: []byte("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:user - [0:0]\n" +
					"-A INPUT -p udp -m udp --dport 53 -j REJECT --reject-with icmp-port-unreachable\n-A INPUT -p sctp -j DROP\n" +
					"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -i veth1 -j user\n-A user -o eth0 -j ACCEPT\nCOMMIT\n")})
			rep, err := Run(context.Background(), RunOptions{Snapshot: snap, Specs: []*Spec{parse(t, tracedSpec)}, Coverage: true})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range rep.Results {
				line := fmt.Sprintf("%v", r.OK)
				if (r.Trace == nil) != r.OK {
					t.Errorf("%s: %s: trace %v", r.Name, r.Got, r.Trace)
				}
				if r.Trace != nil && len(r.Trace.Paths) > 0 {
					for _, h := range r.Trace.Paths[0].Hops {
						line += ", " + h.Where()
					}
				}
				got = append(got, line)
			}
			want := []string{
				"true",
				"false, filter FORWARD policy DROP",
				"false, filter INPUT 1",
				"false, filter FORWARD 2, filter user 1",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var text, tap, junit, js strings.Builder
			if err := rep.Text(&text, ReportOptions{}); err != nil {
				t.Fatal(err)
			}
			if want := "         filter FORWARD  policy DROP  → dropped\n"; !strings.Contains(text.String(), want) {
				t.Errorf("no %q in\n%s", want, &text)
			}
			if rep.TAP(&tap) != nil || rep.JUnit(&junit) != nil || rep.JSON(&js) != nil {
				t.Error("a report cannot be written")
			}
			for name, s := range map[string]string{"JUnit": junit.String(), "JSON": js.String(), "TAP": tap.String()} {
				if !strings.Contains(s, "veth1 -j user") {
					t.Errorf("%s has no trace:\n%s", name, s)
				}
			}
			met := []string{}
			for i := range rep.Coverage.Chains {
				c := &rep.Coverage.Chains[i]
				for j, r := range c.Rules {
					met = append(met, fmt.Sprintf("%s %d %v", c.Chain, j+1, r.Packets > 0))
				}
			}
			for i := range rep.Coverage.Chains {
				c := &rep.Coverage.Chains[i]
				if c.Policy == "" != (c.PolicyPackets == nil) || c.Policy != "" && (*c.PolicyPackets > 0) != (c.Chain == "FORWARD") {
					t.Errorf("policy %q of %s met %v", c.Policy, c.Chain, c.PolicyPackets)
				}
			}
			wantMet := []string{"INPUT 1 true", "INPUT 2 false", "FORWARD 1 true", "FORWARD 2 true", "user 1 true"}
			if diff := cmp.Diff(wantMet, met); diff != "" {
				t.Errorf("coverage (-want +got):\n%s", diff)
			}
		})
	}
}

// Coverage of several specs is added up, native tables among it.
func TestRunCoverage(t *testing.T) {
	nft := natively(t, "table inet mine {\nchain f { type filter hook forward priority 0; policy accept;\ntcp dport 22 drop\nicmp type echo-request accept\n"+
		"udp dport 7 drop\n}\n}")
	one := parse(t, strings.SplitAfter(tracedSpec, "tests:\n")[0]+"  - boxB tcp boxA:22: dropped\n  - boxB ping boxA: accepted\n")
	two := parse(t, strings.SplitAfter(tracedSpec, "tests:\n")[0]+"  - boxB tcp boxA:22: dropped\n")
	two.File = "two.yaml"
	rep, err := Run(context.Background(), RunOptions{Snapshot: nft, Specs: []*Spec{one, two}, Coverage: true})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Failed > 0 {
		t.Fatalf("%+v", rep.Results)
	}
	i := slices.IndexFunc(rep.Coverage.Chains, func(c ChainCoverage) bool { return c.Chain == "f" })
	var got []uint64
	for _, r := range rep.Coverage.Chains[i].Rules {
		got = append(got, r.Packets)
	}
	if diff := cmp.Diff([]uint64{2, 1, 0}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// natively is what a script of nft makes.
func natively(t *testing.T, script string) (s *ruleset.Snapshot) {
	t.Helper()
	err := netns.Do(func() (err error) {
		ctx := context.Background()
		if err := netfilter.RunNFT(ctx, []byte(script+"\n")); err != nil {
			return err
		}
		if err := netfilter.SetSysctls([]ruleset.Sysctl{{Key: "net.ipv4.ip_forward", Value: "1"}}); err != nil {
			return err
		}
		s, err = netfilter.Capture(ctx, netfilter.Scope{Sysctls: []string{"net.ipv4.ip_forward"}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
