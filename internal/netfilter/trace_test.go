package netfilter_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// hop is an event in a line: "nat OUTPUT rule 1", with what else is told in want.
func hop(e netfilter.TraceEvent) string {
	s := fmt.Sprintf("%s %s %s", e.Table, e.Chain, e.Kind)
	if e.Kind == netfilter.TraceRule {
		s += fmt.Sprintf(" %d", e.Rule)
	}
	return s
}

// everywhere makes a rule in every chain of every table, as the labs do that
// people build to see where packets come through.
const everywhere = `
for tc in raw:PREROUTING raw:OUTPUT mangle:PREROUTING mangle:INPUT mangle:FORWARD mangle:OUTPUT mangle:POSTROUTING \
	nat:PREROUTING nat:INPUT nat:OUTPUT nat:POSTROUTING filter:INPUT filter:FORWARD filter:OUTPUT security:INPUT; do
	IPT -t ${tc%:*} -A ${tc#*:} -p udp -j LOG --log-prefix "TRACE: $tc"
done
IPT -A OUTPUT -p udp -m conntrack --ctstate NEW
`

// udp sends a datagram to this host's own address.
func udp(t *testing.T, to string) {
	t.Helper()
	c, err := net.Dial("udp", to)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
}

func TestTraceOrder(t *testing.T) {
	var want []string
	for _, tc := range strings.Fields("raw:OUTPUT mangle:OUTPUT nat:OUTPUT filter:OUTPUT mangle:POSTROUTING nat:POSTROUTING " +
		"raw:PREROUTING mangle:PREROUTING mangle:INPUT filter:INPUT security:INPUT") {
		table, chain, _ := strings.Cut(tc, ":")
		want = append(want, fmt.Sprintf("%s %s rule 1", table, chain))
		if tc == "filter:OUTPUT" {
			want = append(want, "filter OUTPUT rule 2")
		}
		want = append(want, fmt.Sprintf("%s %s policy", table, chain))
	}
	// The nat table's INPUT is for what comes from elsewhere: this connection
	// has passed POSTROUTING.
	for _, tool := range []string{"iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"} {
		t.Run(tool, func(t *testing.T) {
			inside(t, func() {
				sh(t, strings.ReplaceAll(everywhere, "IPT", tool))
				to := "127.0.0.1:9"
				if strings.HasPrefix(tool, "ip6") {
					to = "[::1]:9"
				}
				tr, err := netfilter.Trace(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				defer tr.Close()
				udp(t, to)
				events, err := tr.Events()
				if err != nil {
					t.Error(err)
				}
				var got []string
				for _, e := range events {
					legacy := strings.HasSuffix(tool, "legacy")
					switch {
					case legacy && e.Chain == "OUTPUT" && e.Table == "security":
						continue // a legacy table has all its chains
					case e.Kind == netfilter.TraceReturn:
						continue // nf_tables' end of a chain, ahead of its policy
					case strings.HasPrefix(e.Chain, "OUTPUT") && (e.In != "" || e.Out != "lo" && e.Header != nil):
						t.Errorf("%s: interfaces %q and %q", hop(e), e.In, e.Out)
					case len(e.Header) > 0 && e.Header[0]>>4 != map[bool]byte{true: 6, false: 4}[strings.HasPrefix(tool, "ip6")]:
						t.Errorf("%s: header %x", hop(e), e.Header)
					}
					if e.Kind == netfilter.TraceRule && !legacy && e.Verdict != "continue" {
						t.Errorf("%s: verdict %q", hop(e), e.Verdict)
					}
					if got = append(got, hop(e)); strings.HasPrefix(hop(e), "security OUTPUT") {
						got = got[:len(got)-1]
					}
				}
				// The echo's refusal, an ICMP error, comes after.
				if len(got) > len(want) {
					got = got[:len(want)]
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("order (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Both backends at once, user chains, a native table, the mark and a verdict.
func TestTraceMixed(t *testing.T) {
	inside(t, func() {
		sh(t, `
iptables-legacy -t mangle -A OUTPUT -p udp -j MARK --set-mark 7
iptables-nft -N user
iptables-nft -N empty
iptables-nft -A OUTPUT -p tcp -j user
iptables-nft -A OUTPUT -p udp -j user
iptables-nft -A user -j empty
nft -f - <<END
table inet native {
	chain last { type filter hook output priority 100; policy drop
		udp dport 8 accept
		meta mark 7 jump { udp dport 9 counter; }
	}
}
END`)
		tr, err := netfilter.Trace(context.Background())
		if err != nil {
			t.Error(err)
			return
		}
		defer tr.Close()
		udpDropped("127.0.0.1:9")
		events, err := tr.Events()
		if err != nil {
			t.Error(err)
		}
		var got []string
		for _, e := range events {
			for _, name := range []*string{&e.Chain, &e.To} {
				if strings.HasPrefix(*name, "__chain") {
					*name = "__chain" // and the kernel's number of it
				}
			}
			got = append(got, strings.Join(strings.Fields(fmt.Sprint(e.Backend, " ", e.Family, " ", hop(e), " ", e.Verdict, " ", e.To, " mark ", e.Mark)), " "))
		}
		want := []string{
			"legacy ip mangle OUTPUT rule 1 mark 0",
			"legacy ip mangle OUTPUT policy mark 7",
			"nft ip filter OUTPUT rule 2 jump user mark 7",
			"nft ip filter user rule 1 jump empty mark 7",
			"nft ip filter empty return mark 7",
			"nft ip filter user return mark 7",
			"nft ip filter OUTPUT return mark 7",
			"nft ip filter OUTPUT policy accept mark 7",
			"nft inet native last rule 2 jump __chain mark 7",
			"nft inet native __chain rule 1 continue mark 7",
			"nft inet native __chain return mark 7",
			"nft inet native last return mark 7",
			"nft inet native last policy drop mark 7",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func udpDropped(to string) {
	if c, err := net.Dial("udp", to); err == nil {
		_, _ = c.Write([]byte("hello")) // EPERM: dropped on its way out
		c.Close()
	}
}

// More than there is room for is said.
func TestTraceLost(t *testing.T) {
	inside(t, func() {
		sh(t, "for i in $(seq 400); do echo add rule ip t o counter; done | { echo add table ip t; echo 'add chain ip t o { type filter hook output priority 0; }'; cat; } | nft -f -")
		tr, err := netfilter.Trace(context.Background())
		if err != nil {
			t.Error(err)
			return
		}
		defer tr.Close()
		for range 400 {
			udpDropped("127.0.0.1:9")
		}
		events, err := tr.Events()
		if !errors.Is(err, netfilter.ErrTraceLost) {
			t.Errorf("%d events and no word that some are lost: %v", len(events), err)
		}
		if len(events) == 0 || slices.ContainsFunc(events, func(e netfilter.TraceEvent) bool { return e.Table != "t" }) {
			t.Errorf("%d events, of other tables among them", len(events))
		}
		t.Logf("room for %d events", len(events))
		udpDropped("127.0.0.1:9")
		if events, err := tr.Events(); err != nil || len(events) < 400 {
			t.Errorf("afterwards %d events, %v", len(events), err)
		}
	})
}

func TestTracePrefix(t *testing.T) {
	inside(t, func() {
		// What rules log themselves is no trace, whatever they call it.
		sh(t, "iptables-legacy -A OUTPUT -j NFLOG --nflog-prefix 'TRACE: filter:OUTPUT'\niptables-legacy -A OUTPUT -j LOG --log-prefix 'TRACE: a:b:c:0 '\n"+
			"iptables-legacy -N a:rule:9\niptables-legacy -A OUTPUT -j a:rule:9\niptables-legacy -A a:rule:9 -p udp")
		tr, err := netfilter.Trace(context.Background())
		if err != nil {
			t.Error(err)
			return
		}
		defer tr.Close()
		udpDropped("127.0.0.1:9")
		events, err := tr.Events()
		if err != nil {
			t.Error(err)
		}
		var got []string
		for _, e := range events[:min(len(events), 5)] {
			got = append(got, hop(e))
		}
		want := []string{"filter OUTPUT rule 1", "filter OUTPUT rule 2", "filter OUTPUT rule 3", "filter a:rule:9 rule 1", "filter a:rule:9 return"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
