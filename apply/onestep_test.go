package apply

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// everywhere changes each table of each family by a variant.
func everywhere(variant string) string {
	var b strings.Builder
	for _, ipt := range []string{"iptables-nft", "ip6tables-nft"} {
		for table, chain := range map[string]string{"raw": "PREROUTING", "mangle": "FORWARD", "nat": "PREROUTING", "filter": "INPUT", "security": "INPUT"} {
			if table == "security" && ipt == "ip6tables-nft" {
				chain = "OUTPUT"
			}
			fmt.Fprintf(&b, "%s -t %s -A %s -p tcp -m tcp --dport 22 -m limit --limit 3/min -j RETURN\n", ipt, table, chain)
			fmt.Fprintf(&b, "%s -t %s -A %s -p tcp -m tcp --dport %s -j RETURN\n", ipt, table, chain, variant)
		}
		fmt.Fprintf(&b, "%s -N c%s; %s -A FORWARD -j c%s; %s -P FORWARD %s\n", ipt, variant, ipt, variant, ipt,
			map[string]string{"80": "DROP", "81": "ACCEPT"}[variant])
	}
	fmt.Fprintf(&b, "arptables-nft -A INPUT -s 192.0.2.%s -j DROP\n", variant)
	fmt.Fprintf(&b, "ebtables-nft -A FORWARD -p IPv4 --ip-src 192.0.2.%s -j DROP\n", variant)
	fmt.Fprintf(&b, `nft add table inet mine
nft add chain inet mine in '{ type filter hook input priority 5; policy accept; }'
nft add set inet mine nets '{ type ipv4_addr; flags interval; }'
nft add element inet mine nets '{ 192.0.2.0/28, 198.51.100.%s }'
nft add rule inet mine in ip saddr @nets counter drop
nft add rule inet mine in tcp dport '{ 22, %s }' accept
`, variant, variant)
	return b.String()
}

func (h *host) generationID() uint32 {
	h.t.Helper()
	s, err := netfilter.Objects(h.ctx)
	h.must(err)
	return s.Generation()
}

// TestOneGeneration changes every table of every family: the kernel counts one
// new ruleset, and two where sets change with them.
func TestOneGeneration(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		want       uint32
	}{
		{"from nothing", ":", everywhere("80"), 1},
		{"change", everywhere("80"), everywhere("81"), 1},
		{"to nothing", everywhere("81"), ":", 1},
		{"sets", everywhere("80") + fixedSets("80"), everywhere("81") + fixedSets("81"), 2},
		{"new sets", everywhere("80"), everywhere("81") + fixedSets("81"), 1},
		{"sets that go", everywhere("80") + fixedSets("80"), everywhere("81"), 1},
		{"one set", everywhere("80") + fixedSets("80"), everywhere("80") + strings.Replace(fixedSets("80"), "add s1 192.0.2.80", "add s1 192.0.2.99", 1), 0},
		{"two sets", everywhere("80") + fixedSets("80"), everywhere("80") + strings.NewReplacer("add s1 192.0.2.80", "add s1 192.0.2.99", "add s2 192.0.2.80", "add s2 192.0.2.98").Replace(fixedSets("80")), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				h.applied(h.built(tt.a))
				b := h.built(tt.b)
				before := h.generationID()
				r := h.applied(b)
				if got := h.generationID() - before; got != tt.want {
					t.Errorf("%d generations, want %d", got, tt.want)
				}
				if want := max(int(tt.want), 1); r.Transactions != want || (r.Fallback != "") != (want > 1) {
					t.Errorf("%d transactions, want %d; fallback %q", r.Transactions, want, r.Fallback)
				}
				h.is(b)
				before = h.generationID()
				if r := h.applied(b); r.Result != Unchanged || h.generationID() != before {
					t.Errorf("a second time: %s, %d generations", r.Result, h.generationID()-before)
				}
			})
		})
	}
}

// fixedSets uses sets that no rule fills.
func fixedSets(variant string) string {
	var b strings.Builder
	for i := range 3 {
		fmt.Fprintf(&b, "ipset create s%d hash:ip; ipset add s%d 192.0.2.%s\n", i, i, variant)
		fmt.Fprintf(&b, "iptables-nft -A INPUT -m set --match-set s%d src -j DROP\n", i)
	}
	return b.String()
}

// TestUntouched says that rules which stay are not touched by a change around
// them, so that what they count and limit lives on, and that rules which move
// take their counters along.
func TestUntouched(t *testing.T) {
	const one = `
iptables-nft -A INPUT -i lo -p udp -m quota --quota 100000 -m comment --comment stays
iptables-nft -A INPUT -p udp -m limit --limit 1/hour --limit-burst 2 -m comment --comment limit -j ACCEPT
iptables-nft -A INPUT -p udp -m recent --name seen --set -m comment --comment recent
iptables-nft -A INPUT -p udp --dport 9 -m comment --comment moves
`
	const two = `
iptables-nft -P FORWARD DROP
iptables-nft -N new; iptables-nft -A new -j RETURN
iptables-nft -A INPUT -p tcp --dport 1 -j new
iptables-nft -A INPUT -p udp --dport 9 -m comment --comment moves
iptables-nft -A INPUT -i lo -p udp -m quota --quota 100000 -m comment --comment stays
iptables-nft -A INPUT -p tcp --dport 2 -j new
iptables-nft -A INPUT -p udp -m limit --limit 1/hour --limit-burst 2 -m comment --comment limit -j ACCEPT
iptables-nft -A INPUT -p udp -m recent --name seen --set -m comment --comment recent
iptables-nft -A INPUT -p tcp --dport 3 -j new
`
	onHost(t, func(h *host) {
		h.applied(h.built(one))
		h.traffic()
		handles := func() (out []string) {
			for _, m := range regexp.MustCompile(`# handle (\d+)\n`).FindAllStringSubmatch(h.sh("nft -a list chain ip filter INPUT | grep -v chain"), -1) {
				out = append(out, m[1])
			}
			return out
		}
		packets := func() map[string]string {
			out := map[string]string{}
			for _, m := range regexp.MustCompile(`(?m)^\[(\d+):\d+\].*--comment (\w+)`).FindAllStringSubmatch(h.sh("iptables-nft-save -c"), -1) {
				out[m[2]] = m[1]
			}
			return out
		}
		before, counted := handles(), packets()
		if counted["stays"] != "3" || counted["limit"] != "2" || counted["moves"] != "1" {
			t.Errorf("counted before: %v", counted)
		}
		b := h.built(two)
		h.applied(b)
		h.is(b)
		after := handles()
		if len(before) != 4 || len(after) != 7 {
			h.fatal("handles", before, after)
		}
		if diff := cmp.Diff(before[:3], []string{after[2], after[4], after[5]}); diff != "" {
			t.Errorf("handles of what stays (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(counted, packets()); diff != "" {
			t.Errorf("counters (-want +got):\n%s", diff)
		}
		h.traffic() // the limit is used up
		if got := packets()["limit"]; got != "2" {
			t.Errorf("the limit let %s packets by", got)
		}
	})
}

// meddler changes the firewall ahead of a commit.
type meddler struct {
	Committer
	times int
	do    func()
}

func (m *meddler) Commit(ctx context.Context, from, to *State) (Outcome, error) {
	if m.times != 0 {
		m.times--
		m.do()
	}
	return m.Committer.Commit(ctx, from, to)
}

// TestOvertaken changes the firewall between plan and commit: the kernel
// refuses, and the apply plans again, a number of times.
func TestOvertaken(t *testing.T) {
	for _, tt := range []struct {
		name  string
		times int
		busy  bool
	}{{"once", 1, false}, {"thrice", 3, false}, {"always", -1, true}} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				h.applied(h.built("iptables -A INPUT -j ACCEPT"))
				h.sh("iptables -N theirs")
				n := 0
				add := func(o *Options) {
					o.Keep = Keep{"theirs"}
					o.Committer = &meddler{OneStep{}, tt.times, func() {
						n++
						h.sh(fmt.Sprintf("iptables -A INPUT -s 192.0.2.%d -j theirs", n))
					}}
				}
				before := h.generationID()
				r, err := h.apply(h.built("iptables -A INPUT -j DROP"), add)
				if tt.busy {
					if !errors.Is(err, ErrBusy) {
						t.Errorf("error %v", err)
					}
					if got := h.generationID() - before; got != uint32(n) {
						t.Errorf("%d changes, of which %d are others'", got, n)
					}
					if g, err := Current(h.dir); err != nil || g.Number != 1 {
						t.Errorf("current %v, %v", g, err)
					}
					if st, err := Inspect(h.ctx, h.options()); err != nil || st.Unfinished != nil {
						t.Errorf("status %+v, %v", st, err)
					}
					return
				}
				h.must(err)
				if r.Transactions != 1 || r.Generation != 2 {
					t.Errorf("result %+v", r)
				}
				want := ""
				for i := range n {
					want += fmt.Sprintf("-A INPUT -s 192.0.2.%d/32 -j theirs\n", i+1)
				}
				want += "-A INPUT -j DROP\n"
				if diff := cmp.Diff(want, h.sh("iptables-save | grep ^-A")); diff != "" {
					t.Errorf("rules (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestFallback applies what one transaction cannot carry.
func TestFallback(t *testing.T) {
	for _, tt := range []struct{ name, a, b, why string }{
		{"legacy", "iptables-legacy -A INPUT -j DROP; ip6tables-nft -A INPUT -j DROP", "iptables-legacy -A INPUT -j ACCEPT; ip6tables-nft -A INPUT -j ACCEPT", "legacy"},
		{"legacy uses a set", "ipset create s hash:ip; iptables-legacy -A INPUT -m set --match-set s src -j DROP; iptables-nft -A INPUT -m set --match-set s src -j DROP",
			"ipset create s hash:net; iptables-legacy -A INPUT -m set --match-set s src -j DROP; iptables-nft -A INPUT -m set --match-set s src -j DROP", "legacy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				a, b := h.built(tt.a), h.built(tt.b)
				h.applied(a)
				r := h.applied(b)
				if r.Transactions < 2 || !strings.Contains(r.Fallback, tt.why) {
					t.Errorf("%d transactions, fallback %q", r.Transactions, r.Fallback)
				}
				h.is(b)
				_, err := Rollback(h.ctx, Previous, h.options())
				h.must(err)
				h.is(a)
			})
		})
	}
}
