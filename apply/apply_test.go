package apply

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

// scriptA and scriptB change something of every kind on the nft backend.
const scriptA = `
ipset create hosts hash:ip; ipset add hosts 192.0.2.1; ipset add hosts 192.0.2.2
ipset create nets hash:net family inet6; ipset add nets 2001:db8::/32
ipset create all list:set; ipset add all hosts
iptables-nft -P INPUT DROP
iptables-nft -N web
iptables-nft -A INPUT -i lo -j ACCEPT
iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT
iptables-nft -A INPUT -m set --match-set hosts src -j web
iptables-nft -A web -p tcp --dport 80 -j ACCEPT
iptables-nft -t nat -A POSTROUTING -o eth0 -j MASQUERADE
ip6tables-nft -P FORWARD DROP
ip6tables-nft -A INPUT -m set --match-set nets src -j ACCEPT
arptables-nft -A INPUT -s 192.0.2.9 -j DROP
ebtables-nft -A FORWARD -p ARP -j DROP
nft add table inet mine
nft add set inet mine bad '{ type ipv4_addr; }'
nft add element inet mine bad '{ 198.51.100.1, 198.51.100.2 }'
nft add chain inet mine in '{ type filter hook input priority 5; policy accept; }'
nft add rule inet mine in ip saddr @bad drop
`

const scriptB = `
ipset create hosts hash:ip; ipset add hosts 192.0.2.2; ipset add hosts 192.0.2.3
ipset create ports bitmap:port range 1-1024; ipset add ports 443
iptables-nft -P INPUT DROP
iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT
iptables-nft -A INPUT -i lo -j ACCEPT
iptables-nft -A INPUT -m set --match-set hosts src -m set --match-set ports dst -j ACCEPT
iptables-nft -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
ip6tables-nft -P FORWARD ACCEPT
ip6tables-nft -A INPUT -p ipv6-icmp -j ACCEPT
ebtables-nft -N other
ebtables-nft -A FORWARD -p IPv4 -j other
nft add table inet mine
nft add set inet mine bad '{ type ipv4_addr; }'
nft add element inet mine bad '{ 198.51.100.7 }'
nft add chain inet mine in '{ type filter hook input priority 5; policy accept; }'
nft add rule inet mine in ip saddr @bad counter drop
nft add table ip6 more
`

func legacy(script string) string {
	var out []string
	for line := range strings.Lines(script) {
		if strings.HasPrefix(line, "ip") {
			out = append(out, strings.ReplaceAll(line, "tables-nft", "tables-legacy"))
		}
	}
	return strings.Join(out, "")
}

func TestApplyThereAndBack(t *testing.T) {
	forward := ruleset.Sysctl{Key: "net.ipv4.ip_forward", Value: "1"}
	for _, tt := range []struct{ name, a, b string }{
		{"nft", scriptA, scriptB},
		{"legacy", legacy(scriptA), legacy(scriptB)},
		{"both", scriptA, legacy(scriptB)},
		{"to nothing", scriptA, ":"},
		{"from nothing", ":", legacy(scriptA)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				a, b := h.built(tt.a), h.built(tt.b, forward)
				first := h.applied(a)
				h.is(a)
				r := h.applied(b)
				h.is(b)
				if len(r.Changes) == 0 || r.Generation != first.Generation+1 {
					t.Errorf("result %+v", r)
				}
				if r := h.applied(b); r.Result != Unchanged || r.Transactions != 0 {
					t.Errorf("a second time: %+v", r)
				}
				back, err := Rollback(h.ctx, first.Generation, h.options())
				h.must(err)
				if back.Result != RolledBack || back.Generation != first.Generation {
					t.Errorf("rollback: %+v", back)
				}
				h.is(a)
				st, err := Inspect(h.ctx, h.options())
				h.must(err)
				if len(st.Drift) > 0 || st.Applied.Number != first.Generation {
					t.Errorf("status after rollback: %+v", st)
				}
			})
		})
	}
}

func TestRollbackToBeforeFWC(t *testing.T) {
	onHost(t, func(h *host) {
		h.sh(`iptables -A INPUT -p tcp --dport 99 -j ACCEPT; iptables -P INPUT DROP; ipset create old hash:ip; nft add table inet old`)
		before := h.saves()
		h.applied(h.built(scriptA), replace)
		_, err := Rollback(h.ctx, Previous, h.options())
		h.must(err)
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("not as before (-want +got):\n%s", diff)
		}
		g, err := Current(h.dir)
		if g != nil || err != nil {
			t.Errorf("current is %v, %v", g, err)
		}
		if _, err := Rollback(h.ctx, Previous, h.options()); !errors.Is(err, ErrNoGeneration) {
			t.Errorf("rollback of nothing: %v", err)
		}
	})
}

// TestFailureLeavesNoTrace makes a commit fail at each step and after it, and
// compares every save, with counters, to the byte.
func TestFailureLeavesNoTrace(t *testing.T) {
	broken := errors.New("broken on purpose")
	points := []string{"generation", "journal", "sets", "tables", "tables ip6tables", "tables ebtables", "clash",
		"native", "sysctls", "destroy", "readback", "settle"}
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			onHost(t, func(h *host) {
				a, b := scriptA, scriptB
				if backend == "legacy" {
					a, b = legacy(a), legacy(b)
				}
				h.applied(h.built(a))
				sa := h.live(&ruleset.Snapshot{})
				sb := h.built(b)
				h.traffic()
				before := h.saves()
				if !strings.Contains(before, "[3:") {
					t.Errorf("no counter has moved:\n%s", before)
				}
				for _, p := range points {
					reached := false
					h.withFault(func(point string) error {
						if point != p || reached {
							return nil
						}
						reached = true
						return broken
					}, func() {
						_, err := h.apply(sb)
						if reached && !errors.Is(err, broken) {
							t.Errorf("%s: error %v", p, err)
						}
						started := p != "generation"
						if reached && started && !errors.Is(err, ErrUndone) {
							t.Errorf("%s: not undone: %v", p, err)
						}
						if !reached {
							h.must(err)
							_, err = Rollback(h.ctx, 1, h.options())
							h.must(err)
						}
					})
					h.is(sa)
					if diff := cmp.Diff(before, h.saves()); reached && diff != "" {
						h.fatal(p, "not as before (-want +got):\n"+diff)
					}
				}
				h.applied(sb)
				h.is(sb)
			})
		})
	}
}

// traffic moves counters of the rules of scriptA.
func (h *host) traffic() {
	h.t.Helper()
	for range 3 {
		c, err := net.Dial("udp", "127.0.0.1:9") // on this thread, so in the namespace
		h.must(err)
		_, _ = c.Write([]byte("x"))
		c.Close()
	}
}

// withFault runs fn with what the host does calling f at each step.
func (h *host) withFault(f fault, fn func()) {
	h.fault = f
	defer func() { h.fault = nil }()
	fn()
}
