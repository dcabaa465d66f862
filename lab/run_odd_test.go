package lab

import (
	"context"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// oddFirewalls do what could be taken for something else.
var oddFirewalls = []struct {
	name, nft string
	rules     string // of iptables, where nft is empty
	tests     map[string]string
}{
	{name: "logs what the lab logs", rules: "filter FORWARD -j NFLOG --nflog-prefix taken --nflog-group 4141\nfilter FORWARD -j DROP\nfilter INPUT -j NFLOG --nflog-prefix taken --nflog-group 4141\nfilter INPUT -j DROP",
		tests: map[string]string{"boxA 47 boxB": "dropped", "boxA sctp boxB:9": "dropped", "boxB sctp router:9": "dropped", "boxB icmp router type 13": "dropped"}},
	{name: "chains at the ends of hooks", nft: `table inet odd {
		chain late { type filter hook input priority 2147483647; meta l4proto sctp drop; }
		chain first { type filter hook prerouting priority -350; tcp dport 23 reject with tcp reset; udp dport 23 reject; icmp type timestamp-request drop; }
		chain early { type filter hook input priority -2147483648; tcp dport 99 reject with tcp reset; udp dport 99 reject; }
		chain forward { type filter hook forward priority -2147483648; tcp dport 99 reject with tcp reset; udp dport 99 reject with icmpx type admin-prohibited; }
		chain last { type filter hook postrouting priority 2147483647; udp dport 98 drop; }
	}`, tests: map[string]string{
		"boxA sctp router:33": "dropped", "boxA tcp boxB:23": "rejected with tcp-reset", "boxA udp boxB:23": "rejected with icmp-port-unreachable",
		"boxB icmp boxA type 13": "dropped", "boxA tcp boxB:99": "rejected with tcp-reset", "boxA udp boxB:99": "rejected with icmp-admin-prohibited",
		"boxA tcp router:99": "rejected with tcp-reset", "boxA udp router:99": "rejected with icmp-port-unreachable", "boxA udp boxB:98": "dropped", "boxA udp boxB:97": "accepted",
	}},
	{name: "lets all through", rules: "filter FORWARD -j ACCEPT", tests: map[string]string{
		"boxB tcp 172.16.100.6:22": "unroutable", "boxA ping 172.16.100.77": "unroutable", "router ping 172.16.100.77": "unroutable",
		"boxB udp 10.9.0.77:53": "unroutable", "boxB udp 10.9.1.77:53": "unroutable", "boxA ping 127.0.0.1": "accepted by boxA",
		"boxA udp 10.9.9.9:5": "unroutable", "boxB ping6 fd00:100::77": "unroutable", "boxA udp boxB:9 from-address 172.16.100.255": "unroutable", "boxA udp boxB:9 from-address 172.16.100.77": "accepted",
	}},
	{name: "is deaf behind its tables", nft: `table arp odd {
		chain in { type filter hook input priority 0; drop; }
	}`, tests: map[string]string{"boxA ping boxB": "dropped", "router ping boxB": "dropped"}},
	{name: "hands all to others", rules: "raw PREROUTING -j CT --notrack\nmangle PREROUTING -p tcp -j TPROXY --on-port 3128 --on-ip 172.16.100.1 --tproxy-mark 0x1/0x1\nmangle PREROUTING -p udp -j NFQUEUE --queue-num 3\nmangle PREROUTING -p icmp -j NFQUEUE --queue-num 3 --queue-bypass",
		tests: map[string]string{"boxA tcp boxB:22": "dropped", "boxA udp boxB:22": "dropped", "boxA ping boxB": "accepted"}},
}

// TestOddFirewalls holds verdicts where the firewall does what the lab itself
// does, or nothing at all.
func TestOddFirewalls(t *testing.T) {
	for _, c := range oddFirewalls {
		for _, b := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
			if c.nft != "" && b == ruleset.Legacy {
				continue
			}
			t.Run(c.name+"/"+string(b), func(t *testing.T) {
				t.Parallel()
				text := strings.TrimSuffix(mutationNet, "  - ")
				for probe, want := range c.tests {
					text += "  - " + probe + ": " + want + "\n"
				}
				var snap *ruleset.Snapshot
				if c.nft == "" {
					snap = rules(t, b, c.rules)
				} else {
					snap = nativeSnapshot(t, c.nft)
				}
				rep, err := Run(context.Background(), RunOptions{Specs: []*Spec{parse(t, text)}, Snapshot: snap})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range rep.Results {
					if !r.OK {
						t.Errorf("%s: want %s, got %s", r.Name, r.Expected, r.Got)
					}
				}
			})
		}
	}
}

// nativeSnapshot is what nft makes of a ruleset.
func nativeSnapshot(t testing.TB, text string) *ruleset.Snapshot {
	t.Helper()
	var s *ruleset.Snapshot
	err := netns.Do(func() (err error) {
		if err := netfilter.RunNFT(context.Background(), []byte(text)); err != nil {
			return err
		}
		s, err = netfilter.Capture(context.Background(), netfilter.Scope{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestApart holds that no test's outcome depends on those before it.
func TestApart(t *testing.T) {
	const stateful = "filter FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nfilter FORWARD -i veth1 -j ACCEPT\nfilter FORWARD -j DROP"
	const scarce = "nat POSTROUTING -o eth0 -p udp -j SNAT --to-source 172.16.200.1:1000-1001\nnat POSTROUTING -o eth0 -p tcp -j SNAT --to-source 172.16.200.1:1000-1001"
	for _, b := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
		for _, c := range []struct{ name, rules, tests string }{
			{"connections", stateful, `
  - boxA 47 boxB: accepted
  - boxB 47 boxA: dropped
  - boxA udp boxB:123 from-port 123: accepted
  - boxB udp boxA:123 from-port 123: dropped
  - boxA udp6 boxB:123 from-port 123: accepted
  - boxA tcp boxB:5000 from-port 5000: accepted
  - boxB tcp boxA:5000 from-port 5000: dropped
  - boxB tcp boxA:5000 from-port 5000 flags ack: dropped
  - boxA tcp boxB:5000 from-port 5000 times 5: accepted
  - boxA sctp boxB:123 from-port 123: accepted
  - boxB sctp boxA:123 from-port 123: dropped
`},
			{"translated ports", scarce, strings.Repeat("\n  - boxA udp boxB:22: accepted source 172.16.200.1\n  - boxA tcp boxB:22: accepted\n", 5)},
			{"limits of the kernel's", "filter FORWARD -i eth0 -j REJECT", strings.Repeat("\n  - boxB udp boxA:22: rejected\n", 15)},
		} {
			t.Run(c.name+"/"+string(b), func(t *testing.T) {
				t.Parallel()
				snap := rules(t, b, c.rules)
				snap = snapshotOf(t, append(snap.Dumps, ruleset.Dump{Kind: ruleset.SysctlSet, Text: []byte("net.ipv4.icmp_ratelimit = 1000\n")})...)
				rep, err := Run(context.Background(), RunOptions{Specs: []*Spec{parse(t, strings.TrimSuffix(mutationNet, "  - ")+c.tests)}, Snapshot: snap})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range rep.Results {
					if !r.OK {
						t.Errorf("%s: want %s, got %s", r.Name, r.Expected, r.Got)
					}
				}
			})
		}
	}
}
