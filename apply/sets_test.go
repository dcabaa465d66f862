package apply

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

// TestSetsInUse changes sets under rules that use them before and after, in
// every way that a set can change.
func TestSetsInUse(t *testing.T) {
	const use = "; for i in iptables-nft iptables-legacy; do $i -A INPUT -m set --match-set s src -j DROP; done"
	const list = "; ipset create l list:set; ipset add l s; iptables-nft -A FORWARD -m set --match-set l src -j DROP"
	for _, tt := range []struct{ name, old, new string }{
		{"members", "ipset create s hash:ip; ipset add s 192.0.2.1" + use, "ipset create s hash:ip; ipset add s 192.0.2.2" + use},
		{"options", "ipset create s hash:ip; ipset add s 192.0.2.1" + use, "ipset create s hash:ip comment; ipset add s 192.0.2.1 comment 'two words'" + use},
		{"type", "ipset create s hash:ip; ipset add s 192.0.2.1" + use, "ipset create s hash:net; ipset add s 192.0.2.0/25" + use},
		{"family", "ipset create s hash:net" + use, "ipset create s hash:net family inet6; ipset add s 2001:db8::/33; ip6tables-nft -A INPUT -m set --match-set s src -j DROP"},
		{"a list's members", "ipset create s hash:ip; ipset create l list:set; ipset add l s; iptables-nft -A INPUT -m set --match-set l src -j DROP",
			"ipset create s hash:ip; ipset create s2 hash:net; ipset create l list:set; ipset add l s2; ipset add l s; iptables-nft -A INPUT -m set --match-set l src -j DROP"},
		{"type, in a list", "ipset create s hash:ip" + use + list, "ipset create s hash:net" + use + list},
		{"type, in a list that goes", "ipset create s hash:ip" + use + list, "ipset create s hash:net" + use},
		{"a set becomes a list", "ipset create s hash:ip" + use, "ipset create m hash:ip; ipset create s list:set; ipset add s m" + use},
		{"a list becomes a set", "ipset create m hash:ip; ipset create s list:set; ipset add s m" + use, "ipset create s hash:ip" + use},
		{"it goes", "ipset create s hash:ip" + use + list, "iptables-nft -A INPUT -j DROP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				a, b := h.built(tt.old), h.built(tt.new)
				h.applied(a)
				h.is(a)
				before := h.saves()
				broken := errors.New("broken on purpose")
				points := []string{"readback"}
				if strings.Contains(tt.name, "list") {
					points = []string{"native", "readback"} // stand-ins are still there
				}
				for _, point := range points {
					hit := false
					h.withFault(func(p string) error {
						if p == point && !hit {
							hit = true
							return broken
						}
						return nil
					}, func() {
						if _, err := h.apply(b); !errors.Is(err, broken) || !errors.Is(err, ErrUndone) {
							t.Errorf("%s: %v", point, err)
						}
					})
					if diff := cmp.Diff(before, h.saves()); diff != "" {
						t.Errorf("%s: not as before (-want +got):\n%s", point, diff)
					}
				}
				h.applied(b)
				h.is(b)
				_, err := Rollback(h.ctx, Previous, h.options())
				h.must(err)
				h.is(a)
			})
		})
	}
}

// TestSetsFilledAtRunTime applies while a set holds what the kernel and a
// daemon put into it.
func TestSetsFilledAtRunTime(t *testing.T) {
	onHost(t, func(h *host) {
		const rules = "; iptables -A INPUT -p udp --dport 9 -j SET --add-set seen src --exist; iptables -A INPUT -m set --match-set late src -j DROP"
		a := h.built("ipset create seen hash:ip; ipset create late hash:ip timeout 600; ipset add late 192.0.2.1; ipset add late 192.0.2.2" + rules)
		b := h.built("ipset create seen hash:ip; ipset add seen 192.0.2.50; ipset create late hash:ip timeout 600; ipset add late 192.0.2.1; ipset add late 192.0.2.3" + rules + "; iptables -A INPUT -j DROP")
		h.applied(a)
		h.traffic()
		h.sh("ipset add late 192.0.2.99 timeout 30; ipset del late 192.0.2.1")
		if r := h.applied(a); r.Result != Unchanged && len(r.ForeignLost) == 0 {
			t.Logf("a second time: %+v", r.Changes)
		}
		h.applied(b)
		got := h.sh("ipset list seen | sed '1,/Members/d' | sort; ipset list late | sed '1,/Members/d; s/ .*//' | sort")
		want := "127.0.0.1\n192.0.2.50\n192.0.2.3\n192.0.2.99\n"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
		if out := h.sh("ipset list late | grep 192.0.2.99"); strings.Contains(out, "timeout 6") {
			t.Errorf("the time left began anew: %s", out)
		}
		st, err := Inspect(h.ctx, h.options())
		h.must(err)
		if len(st.Drift) > 0 {
			t.Errorf("drift: %+v", st.Drift)
		}
	})
}

// TestCountersGoOn applies a change to a table whose other rules have counted.
func TestCountersGoOn(t *testing.T) {
	for _, ipt := range []string{"iptables-nft", "iptables-legacy"} {
		t.Run(ipt, func(t *testing.T) {
			onHost(t, func(h *host) {
				base := strings.ReplaceAll("IPT -A INPUT -i lo -j ACCEPT; IPT -N c; IPT -P OUTPUT DROP; IPT -A OUTPUT -o lo -j c; IPT -A c -j ACCEPT", "IPT", ipt)
				h.applied(h.built(base))
				h.traffic()
				h.applied(h.built(base + "; " + ipt + " -I INPUT -p tcp --dport 80 -j ACCEPT; " + ipt + " -A c -j DROP"))
				got := h.sh(ipt + "-save -c | grep '^\\['")
				var counted []string
				for line := range strings.Lines(got) {
					if !strings.HasPrefix(line, "[0:0]") {
						counted = append(counted, strings.TrimSpace(line[strings.Index(line, "-A"):]))
					}
				}
				want := []string{"-A INPUT -i lo -j ACCEPT", "-A OUTPUT -o lo -j c", "-A c -j ACCEPT"}
				if diff := cmp.Diff(want, counted); diff != "" {
					t.Errorf("%s: rules that have counted (-want +got):\n%s%s", ipt, diff, got)
				}
			})
		})
	}
}

func TestPlanSetsNamesAreFree(t *testing.T) {
	s := func(sets ...ruleset.Set) *ruleset.Snapshot { return &ruleset.Snapshot{Sets: sets} }
	from := s(ruleset.Set{Name: "fwc-1", Type: "hash:ip"}, ruleset.Set{Name: "s", Type: "hash:ip"})
	to := s(ruleset.Set{Name: "fwc-2", Type: "hash:ip"}, ruleset.Set{Name: "s", Type: "hash:ip", Members: []string{"192.0.2.1"}})
	p := planSets(from, to)
	if diff := cmp.Diff([][2]string{{"fwc-3", "s"}}, p.swap); diff != "" {
		t.Errorf("swaps (-want +got):\n%s", diff)
	}
	var gone []string
	for _, s := range p.destroy {
		gone = append(gone, s.Name)
	}
	if diff := cmp.Diff([]string{"fwc-1", "fwc-3"}, gone); diff != "" {
		t.Errorf("destroys (-want +got):\n%s", diff)
	}
}
