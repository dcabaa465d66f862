package apply

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

// berth is what a program like Docker, but of no known name, does to a host.
const berth = `
ipset create berth-nets hash:net; ipset add berth-nets 172.17.0.0/16
IPT -N BERTH
IPT -A BERTH -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j ACCEPT
IPT -A BERTH -m set --match-set berth-nets dst -j DROP
IPT -I FORWARD -o docker0 -j BERTH
IPT -t nat -N BERTH
IPT -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j BERTH
IPT -t nat -A BERTH -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
IPT -A INPUT -s 192.0.2.77/32 -j ACCEPT
`

func strs[T interface{ String() string }](list []T) (out []string) {
	for _, v := range list {
		out = append(out, v.String())
	}
	return out
}

// TestRollbackBringsForeignBack replaces what others own, in one step and in
// two, and goes back.
func TestRollbackBringsForeignBack(t *testing.T) {
	for _, ipt := range []string{"iptables-nft", "iptables-legacy"} {
		t.Run(ipt, func(t *testing.T) {
			onHost(t, func(h *host) {
				in := func(s string) string { return strings.ReplaceAll(s, "IPT", ipt) }
				v1 := h.built(in("IPT -P FORWARD DROP; IPT -A FORWARD -i lan -j ACCEPT; IPT -A INPUT -i lo -j ACCEPT; ipset create own hash:ip; ipset add own 192.0.2.1; IPT -A INPUT -m set --match-set own src -j DROP"))
				v2 := h.built(in("IPT -P FORWARD DROP; IPT -A FORWARD -i lan -j ACCEPT; IPT -A INPUT -i lo -j ACCEPT; IPT -A INPUT -p icmp -j ACCEPT; IPT -N web; IPT -A INPUT -j web"))
				h.sh(in(berth) + "nft add table inet theirs; nft add chain inet theirs c; nft add rule inet theirs c tcp dport 1 drop")
				h.applied(v1, keep("BERTH*", "INPUT", "their*"))
				h.sh("ipset add own 192.0.2.99")
				before := h.saves()
				r := h.applied(v2, replace)
				if len(r.ForeignLost) == 0 || strings.Contains(h.saves(), "BERTH") || strings.Contains(h.saves(), "theirs") {
					t.Errorf("nothing was replaced: %+v", r.ForeignLost)
				}
				back, err := Rollback(h.ctx, Previous, h.options())
				h.must(err)
				if diff := cmp.Diff(before, h.saves()); diff != "" {
					t.Errorf("not as before (-want +got):\n%s", diff)
				}
				want := []string{"ipset berth-nets (1 member)", "ipset own: 1 member: 192.0.2.99", ipt + " filter -A FORWARD -o docker0 -j BERTH", ipt + " filter -A INPUT -s 192.0.2.77/32 -j ACCEPT",
					ipt + " filter chain BERTH (2 rules)", ipt + " nat -A PREROUTING -m addrtype --dst-type LOCAL -j BERTH",
					ipt + " nat chain BERTH (1 rule)", "nft table inet theirs (1 rule)"}
				got := strs(back.ForeignRegained)
				slices.Sort(got)
				for i := range got {
					got[i] = strings.Replace(got[i], "iptables ", "iptables-nft ", 1)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("regained (-want +got):\n%s", diff)
				}
				if len(back.Notes) > 0 || back.Generation != 1 || back.Result != RolledBack {
					t.Errorf("result %+v", back)
				}

				// Two steps at once, and others have come back meanwhile in
				// their own way.
				h.applied(v2, replace)
				h.applied(h.built(":"))
				h.sh(in("IPT -N BERTH; IPT -A BERTH -p udp -j ACCEPT; nft add table inet theirs"))
				back, err = Rollback(h.ctx, 1, h.options())
				h.must(err)
				out := h.sh(in("IPT-save | grep BERTH; nft list table inet theirs; ipset save -o save berth-nets | grep add"))
				for _, line := range []string{"-A BERTH -p udp -j ACCEPT", "-A FORWARD -o docker0 -j BERTH", "-A BERTH -p tcp -m tcp --dport 8080", "add berth-nets 172.17.0.0/16"} {
					if !strings.Contains(out, line) {
						t.Errorf("%q is missing in\n%s", line, out)
					}
				}
				if strings.Contains(out, "172.17.0.2/32") || strings.Contains(out, "tcp dport 1") {
					t.Errorf("what others made since was replaced:\n%s", out)
				}
				if strings.Count(strings.Join(back.Notes, "\n"), "it is not brought back") != 2 || !strings.Contains(strings.Join(back.Notes, "\n"), "filter chain BERTH (2 rules): a chain of that name is there now") {
					t.Errorf("notes %q", back.Notes)
				}
			})
		})
	}
}

// TestRollbackLeavesOthersAlone goes back over steps that others took part in
// without a Replace.
func TestRollbackLeavesOthersAlone(t *testing.T) {
	onHost(t, func(h *host) {
		in := func(s string) string { return strings.ReplaceAll(s, "IPT", "iptables") }
		h.sh("iptables -A INPUT -s 192.0.2.5/32 -j ACCEPT;" + in(berth))
		v1 := "iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -s 192.0.2.5/32 -j ACCEPT; iptables -A INPUT -s 192.0.2.77/32 -j ACCEPT"
		h.applied(h.built(v1), keep("BERTH*", "berth-*"))
		h.applied(h.built(v1+"; iptables -A INPUT -j DROP"), keep("BERTH*", "berth-*"))
		// Docker changes its rules, and drops one jump.
		h.sh("iptables -F BERTH; iptables -A BERTH -p udp -j ACCEPT; iptables -D FORWARD -o docker0 -j BERTH")
		want := h.sh("iptables-save | grep -E '^-A (BERTH|FORWARD)'")
		for _, to := range []int{Previous, BeforeFWC} {
			r, err := Rollback(h.ctx, to, h.options())
			h.must(err)
			if diff := cmp.Diff(want, h.sh("iptables-save | grep -E '^-A (BERTH|FORWARD)'")); diff != "" {
				t.Errorf("to %d (-want +got):\n%s%q", to, diff, r.Notes)
			}
			if len(r.Notes) > 0 {
				t.Errorf("to %d: notes %q", to, r.Notes)
			}
		}
		// What the artifact had taken over from the administrator is back.
		if diff := cmp.Diff("-A INPUT -s 192.0.2.5/32 -j ACCEPT\n-A INPUT -s 192.0.2.77/32 -j ACCEPT\n", h.sh("iptables-save | grep -E '^-A INPUT'")); diff != "" {
			t.Errorf("before fwc (-want +got):\n%s", diff)
		}
	})
}

// TestRollbackWithoutWhatCannotBeLoaded goes back where a list that was removed
// names a set that is now another, which it cannot hold.
func TestRollbackWithoutWhatCannotBeLoaded(t *testing.T) {
	onHost(t, func(h *host) {
		a, b := h.built("iptables -A INPUT -i lo -j ACCEPT"), h.built("iptables -A INPUT -j DROP")
		h.applied(a)
		h.sh("ipset create m hash:ip; ipset create l list:set; ipset add l m")
		h.applied(b, replace)
		h.sh("ipset create m list:set")
		for _, dry := range []bool{true, false} {
			r, err := Rollback(h.ctx, Previous, h.options(keep("m"), func(o *Options) { o.DryRun = dry }))
			h.must(err)
			if len(r.ForeignRegained) > 0 || len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "ipset l (1 member) is not brought back: ") {
				t.Errorf("result %+v", r)
			}
		}
		if got := h.sh("iptables-save | grep -c -- '-i lo'; ipset list -n"); got != "1\nm\n" {
			t.Errorf("after the rollback: %s", got)
		}
	})
}

// TestRollbackNeedsARealStep applies artifacts that change nothing.
func TestRollbackNeedsARealStep(t *testing.T) {
	onHost(t, func(h *host) {
		a, b := h.built("iptables -A INPUT -i lo -j ACCEPT"), h.built("iptables -A INPUT -j ACCEPT")
		h.applied(a)
		h.applied(b)
		for range keepGenerations + 2 {
			if r := h.applied(b); r.Result != Unchanged {
				t.Errorf("result %+v", r)
			}
		}
		g, err := Current(h.dir)
		h.must(err)
		if g.Since != 2 || g.Number != keepGenerations+4 || g.Digest != "artifact-14" {
			t.Errorf("current %+v", g)
		}
		// Drift that is repaired is no step either.
		h.sh("iptables -F INPUT")
		if r := h.applied(b); r.Result != Applied {
			t.Errorf("repair: %+v", r)
		}
		r, err := Rollback(h.ctx, Previous, h.options())
		h.must(err)
		if r.Generation != 1 || r.Result != RolledBack {
			t.Errorf("rollback: %+v", r)
		}
		h.is(a)
		// What the host was given by hand first is a step, and what stood
		// before it had the rule.
		h.sh("iptables -F INPUT; iptables -A INPUT -j ACCEPT")
		if r := h.applied(b); r.Result != Unchanged {
			t.Errorf("by hand: %+v", r)
		}
		_, err = Rollback(h.ctx, Previous, h.options())
		h.must(err)
		h.is(h.built("iptables -A INPUT -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT"))
	})
}

func TestSysctlsGoBack(t *testing.T) {
	key := func(k, v string) ruleset.Sysctl { return ruleset.Sysctl{Key: k, Value: v} }
	const forward, cookies, redirects = "net.ipv4.ip_forward", "net.ipv4.tcp_syncookies", "net.ipv4.conf.all.accept_redirects"
	t.Run("to what they were", func(t *testing.T) {
		onHost(t, func(h *host) {
			read := func() string {
				return h.sh("cd /proc/sys/net/ipv4; cat ip_forward tcp_syncookies conf/all/accept_redirects conf/lo/forwarding | xargs")
			}
			// Switching forwarding off would set accept_redirects and unset lo's.
			h.sh("cd /proc/sys/net/ipv4; echo 0 > conf/all/accept_redirects; echo 1 > conf/lo/forwarding; echo 2 > tcp_syncookies")
			const before = "0 2 0 1\n"
			rules := "iptables -A INPUT -j ACCEPT"
			a, b, bare := h.built(rules, key(forward, "1")), h.built(rules, key(forward, "1"), key(cookies, "0")), h.built(rules)
			h.applied(a)
			h.applied(b)
			if got := read(); got != "1 0 0 1\n" {
				t.Errorf("with both: %s", got)
			}
			c := candidate{ours: bare, generation: Generation{Digest: "d"}}
			plan, err := dryRun(h.ctx, c, h.options())
			h.must(err)
			if len(plan.Changes) != 2 {
				t.Errorf("plan: %+v", plan.Changes)
			}
			r := h.applied(bare)
			if got := read(); got != before || r.Result != Applied || len(r.Notes) > 0 {
				t.Errorf("without: %s%+v", got, r)
			}
			st, err := Inspect(h.ctx, h.options())
			h.must(err)
			if len(st.Drift) > 0 {
				t.Errorf("drift %+v", st.Drift)
			}
			_, err = Rollback(h.ctx, Previous, h.options())
			h.must(err)
			if got := read(); got != "1 0 0 1\n" {
				t.Errorf("back to both: %s", got)
			}
			_, err = Rollback(h.ctx, Previous, h.options())
			h.must(err)
			if got := read(); got != "1 2 0 1\n" {
				t.Errorf("back to one: %s", got)
			}
			_, err = Rollback(h.ctx, BeforeFWC, h.options())
			h.must(err)
			if got := read(); got != before {
				t.Errorf("before fwc: %s", got)
			}
		})
	})
	t.Run("by another name", func(t *testing.T) {
		onHost(t, func(h *host) {
			// Another name for the same variable is no other variable.
			h.applied(h.built(":", key(forward, "1"), key(cookies, "0")))
			h.applied(h.built(":", key("net.ipv4.conf.all.forwarding", "1"), key(redirects, "1")))
			if got := h.sh("cd /proc/sys/net/ipv4; cat ip_forward tcp_syncookies | xargs"); got != "1 1\n" {
				t.Errorf("by the other name: %s", got)
			}
			h.sh("echo 0 > /proc/sys/net/ipv4/conf/all/accept_redirects")
			r := h.applied(h.built(":"))
			if got := h.sh("cat /proc/sys/net/ipv4/ip_forward"); got != "0\n" {
				t.Errorf("forwarding stays %s", got)
			}
			if len(r.Notes) != 0 && !strings.Contains(r.Notes[0], redirects) {
				t.Errorf("notes %q", r.Notes)
			}
		})
	})
	t.Run("unknown", func(t *testing.T) {
		onHost(t, func(h *host) {
			h.applied(h.built(":", key(cookies, "2")))
			h.sh("sed -i '/formerSysctls/,/}/d' " + h.dir + "/generations/1/generation.json")
			r := h.applied(h.built(rulesOnly))
			if got := h.sh("cat /proc/sys/net/ipv4/tcp_syncookies"); got != "2\n" || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "is not known") {
				t.Errorf("an unknown former value: %s%q", got, r.Notes)
			}
		})
	})
}

const rulesOnly = "iptables -A INPUT -j ACCEPT"
