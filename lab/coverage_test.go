package lab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
)

// datagram sends one to this host's own address, if the rules let it.
func datagram(to string) {
	if c, err := net.Dial("udp", to); err == nil {
		_, _ = c.Write([]byte("hello"))
		c.Close()
	}
}

// covered counts in a namespace with the script's rules what run's packets meet.
func covered(t *testing.T, script string, run func()) (*lab.Coverage, *ruleset.Snapshot) {
	t.Helper()
	var cov *lab.Coverage
	var snap *ruleset.Snapshot
	err := netns.Do(func() (err error) {
		if err := sh(script); err != nil {
			return err
		}
		ctx := context.Background()
		if snap, err = netfilter.Capture(ctx, netfilter.Scope{}); err != nil {
			return err
		}
		// What was met before is not counted.
		datagram("127.0.0.1:9")
		c, err := lab.StartCoverage(ctx, snap, nil)
		if err != nil {
			return err
		}
		run()
		cov, err = c.Stop(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return cov, snap
}

func counts(c *lab.Coverage) map[string][]uint64 {
	m := map[string][]uint64{}
	for _, ch := range c.Chains {
		for _, r := range ch.Rules {
			k := fmt.Sprintf("%s %s %s", ch.Family, ch.Table, ch.Chain)
			m[k] = append(m[k], r.Packets)
		}
	}
	return m
}

const coverageRules = `
IPT -A OUTPUT -p tcp -j DROP
IPT -A OUTPUT -p udp --dport 9 -j REJECT
IPT -N user
IPT -A OUTPUT -p udp -j user
IPT -A user -m comment --comment "[7:7] -A OUTPUT"
IPT -A user -p sctp -j DROP
IPT -t mangle -A OUTPUT -o nowhere -j DROP
`

func TestCoverage(t *testing.T) {
	for _, tool := range []string{"iptables-nft", "iptables-legacy"} {
		t.Run(tool, func(t *testing.T) {
			c, snap := covered(t, strings.ReplaceAll(coverageRules, "IPT", tool), func() {
				datagram("127.0.0.1:8")
				datagram("127.0.0.1:8")
			})
			want := map[string][]uint64{"ip filter OUTPUT": {0, 0, 2}, "ip filter user": {2, 0}, "ip mangle OUTPUT": {0}}
			if diff := cmp.Diff(want, counts(c)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if c.Rules != 6 || c.Met != 2 {
				t.Errorf("%d of %d rules", c.Met, c.Rules)
			}
			var text, profile bytes.Buffer
			if err := errors.Join(c.Text(&text), c.WriteJSON(&profile)); err != nil {
				t.Error(err)
			}
			wantText := `coverage: 33.3%  2 of 6 rules
  iptables mangle OUTPUT  0.0%  0 of 1 rule
  iptables filter OUTPUT  33.3%  1 of 3 rules
  iptables filter user    50.0%  1 of 2 rules
met by no packet:
  -  iptables -t mangle -A OUTPUT -o nowhere -j DROP
  -  iptables -t filter -A OUTPUT -p tcp -j DROP
  -  iptables -t filter -A OUTPUT -p udp -m udp --dport 9 -j REJECT --reject-with icmp-port-unreachable
  -  iptables -t filter -A user -p sctp -j DROP
`
			if diff := cmp.Diff(wantText, text.String()); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			again, err := lab.ReadCoverage(&profile, snap)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c, again); diff != "" {
				t.Errorf("profile (-wrote +read):\n%s", diff)
			}
			if err := c.Add(again); err != nil || counts(c)["ip filter user"][0] != 4 {
				t.Errorf("added to itself: %v, %v", counts(c), err)
			}
			if err := c.Add(&lab.Coverage{Digest: "other"}); !errors.Is(err, lab.ErrOtherFirewall) {
				t.Errorf("another firewall's: %v", err)
			}
		})
	}
}

// Rules of nft need no counters; other families' have them.
func TestCoverageNative(t *testing.T) {
	c, _ := covered(t, `
iptables-nft -A OUTPUT -p udp -j ACCEPT
ebtables-nft -A INPUT -p ip -j DROP
arptables-legacy -A INPUT -j DROP
nft -f - <<END
table inet mine {
	chain out { type filter hook output priority 100; policy accept
		udp dport 9 drop
		udp dport 8 counter accept
		tcp dport 8 drop
	}
}
END`, func() {
		for range 3000 { // more than is told between two readings
			datagram("127.0.0.1:8")
		}
	})
	want := map[string][]uint64{"ip filter OUTPUT": {3000}, "bridge filter INPUT": {0}, "arp filter INPUT": {0}, "inet mine out": {0, 3000, 0}}
	// The ICMP errors that answer are of the connection, and no UDP.
	if diff := cmp.Diff(want, counts(c)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.Rules != 5 || c.Met != 2 {
		t.Errorf("%d of %d rules", c.Met, c.Rules)
	}
}

// Where more was met than there was room for, nothing is said of what the trace
// counts.
func TestCoverageLost(t *testing.T) {
	var script strings.Builder
	script.WriteString("iptables-nft -P FORWARD DROP\niptables-nft -A OUTPUT -p udp -j ACCEPT\nnft -f - <<END\n" +
		"table inet mine {\nchain o { type filter hook output priority 100; policy accept\n")
	for range 400 {
		script.WriteString("meta l4proto udp continue\n")
	}
	script.WriteString("}\n}\nEND\n")
	err := netns.Do(func() error {
		ctx := context.Background()
		if err := sh(script.String()); err != nil {
			return err
		}
		snap, err := netfilter.Capture(ctx, netfilter.Scope{})
		if err != nil {
			return err
		}
		tr, err := lab.StartTrace(ctx, snap)
		if err != nil {
			return err
		}
		defer tr.Close()
		c, err := lab.StartCoverage(ctx, snap, tr)
		if err != nil {
			return err
		}
		for range 400 {
			datagram("127.0.0.1:9")
		}
		cov, err := c.Stop(ctx)
		if err != nil {
			return err
		}
		if cov.Rules != 1 || cov.Met != 1 {
			t.Errorf("%d of %d rules", cov.Met, cov.Rules)
		}
		for _, ch := range cov.Chains {
			if ch.Counted == ch.Native || ch.PolicyPackets != nil {
				t.Errorf("%s: counted %v, policy %v", ch.Chain, ch.Counted, ch.PolicyPackets)
			}
		}
		told, err := tr.Take()
		if err != nil {
			return err
		}
		if !told.Lost {
			t.Error("nothing is said of what is missing")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadCoverage(t *testing.T) {
	snap := ruleset.New(nil, []ruleset.Table{{Family: ruleset.IPv4, Backend: ruleset.NFT, Name: "filter",
		Chains: []ruleset.Chain{{Name: "INPUT", Policy: "ACCEPT", Rules: []ruleset.Rule{{Text: "-j DROP"}}}}}}, nil, nil)
	for name, text := range map[string]string{
		"nothing":          "",
		"no profile":       "mode: set\n",
		"another schema":   `{"schema": "fwc.show/v1"}`,
		"another firewall": `{"schema": "fwc.coverage/v1", "digest": "00", "chains": []}`,
		"fewer chains":     `{"schema": "fwc.coverage/v1", "digest": "` + snap.Digest() + `", "chains": []}`,
		"fewer rules":      `{"schema": "fwc.coverage/v1", "digest": "` + snap.Digest() + `", "chains": [{}]}`,
	} {
		if c, err := lab.ReadCoverage(strings.NewReader(text), snap); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
