package netfilter_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// roundTrip runs a script, captures what it made, loads that into a second
// namespace and returns how the kernel's objects differ there.
func roundTrip(t *testing.T, script string) (ms []netfilter.Mismatch, err error) {
	t.Helper()
	inside(t, func() {
		sh(t, script)
		ms, err = reload(t, context.Background())
	})
	return ms, err
}

// reload captures the calling thread's namespace, loads it into another and
// compares the kernel's objects.
func reload(t *testing.T, ctx context.Context) (ms []netfilter.Mismatch, err error) {
	a, err := netfilter.Objects(ctx)
	if err != nil {
		return nil, err
	}
	s, err := netfilter.Capture(ctx, netfilter.Scope{})
	if err != nil {
		return nil, err
	}
	inside(t, func() {
		if err = netfilter.Load(ctx, s); err != nil {
			return
		}
		var b *netfilter.State
		if b, err = netfilter.Objects(ctx); err == nil {
			ms = a.Diff(b)
		}
	})
	return ms, err
}

// A save may lose part of a rule and still be what it prints again after a
// load. These are such rules of iptables 1.8.9.
func TestObjectsShowLoss(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		table        string
		chain        string
		rule         int
	}{
		{"dport legacy", `iptables-legacy -A INPUT -i lo -j ACCEPT; iptables-legacy -A INPUT -p tcp ! --dport 0:65535 -j ACCEPT`,
			"legacy ip filter", "INPUT", 1},
		{"ahspi", `iptables-nft -A FORWARD -p ah ! --ahspi 0:4294967295 -j ACCEPT`, "nft ip filter", "FORWARD", 0},
		{"ahspi legacy", `iptables-legacy -A FORWARD -p ah ! --ahspi 0:4294967295 -j ACCEPT`, "legacy ip filter", "FORWARD", 0},
		{"interface legacy", `iptables-legacy -N c; iptables-legacy -A c ! -i + -j ACCEPT`, "legacy ip filter", "c", 0},
		{"frag", `ip6tables-nft -A INPUT -m frag ! --fragid 0:4294967295 -j ACCEPT`, "nft ip6 filter", "INPUT", 0},
		{"arptables not h-type", `arptables-nft -A OUTPUT ! --h-type 1 -j DROP`, "nft arp filter", "OUTPUT", 0},
		{"forceadd", `ipset create s hash:ip forceadd`, "  ", "", -1},
		{"native rule in an iptables chain", `iptables-nft -A INPUT -i lo -j ACCEPT
			nft 'add rule ip filter INPUT ip saddr { 192.0.2.1, 192.0.2.2 } drop'`, "nft ip filter", "INPUT", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ms, err := roundTrip(t, tt.script)
			if err != nil {
				t.Fatal(err)
			}
			if len(ms) != 1 {
				t.Fatalf("got %d mismatches, want one: %v", len(ms), ms)
			}
			m := ms[0]
			t.Log(m)
			if got := fmt.Sprintf("%s %s %s", m.Backend, m.Family, m.Table); got != tt.table {
				t.Errorf("in table %s, want %s", got, tt.table)
			}
			if m.Chain != tt.chain || m.Rule != tt.rule || m.What == "" {
				t.Errorf("in chain %s, rule %d (%s), want %s, %d", m.Chain, m.Rule, m.What, tt.chain, tt.rule)
			}
		})
	}
}

func TestObjectsEqual(t *testing.T) {
	var big strings.Builder
	big.WriteString(everything)
	for _, b := range []string{"nft", "legacy"} {
		fmt.Fprintf(&big, "iptables-%s-restore -n <<'EOF'\n*filter\n", b)
		for i := range 2000 {
			fmt.Fprintf(&big, "-A MINE -s 10.%d.%d.0/24 -p tcp -m multiport --dports 80,443 -m limit --limit %d/sec -j ACCEPT\n",
				i/250, i%250, i%9+1)
		}
		big.WriteString("-A FORWARD -m statistic --mode nth --every 3 --packet 0 -m hashlimit --hashlimit-above 5/sec --hashlimit-name " +
			b + " -m recent --name " + b + " --set -m quota --quota 1000 -j DROP\nCOMMIT\nEOF\n")
	}
	ms, err := roundTrip(t, big.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		t.Error(m)
	}
}
