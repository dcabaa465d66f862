package apply

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestObjectsBesideRules puts what no save prints into tables of iptables: an
// apply that would remove it says so, and does it on demand only.
func TestObjectsBesideRules(t *testing.T) {
	onHost(t, func(h *host) {
		a := h.built("iptables-nft -P INPUT DROP; iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT")
		b := h.built("iptables-nft -P INPUT DROP; iptables-nft -A INPUT -p tcp --dport 23 -j ACCEPT")
		h.applied(a)
		h.sh(`nft add set ip filter theirs '{ type ipv4_addr; elements = { 192.0.2.1 }; }'
			nft add table ip6 mangle; nft add counter ip6 mangle seen`)
		want := []string{"iptables filter set theirs: " + besideRules}
		before := h.sh("nft list ruleset")
		_, err := h.apply(b)
		var foreign *ForeignError
		if !errors.As(err, &foreign) {
			t.Fatalf("error %v", err)
		}
		if diff := cmp.Diff(want, strs(foreign.Foreign)); diff != "" {
			t.Errorf("foreign (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, h.sh("nft list ruleset")); diff != "" {
			t.Errorf("it was refused, and changed something (-want +got):\n%s", diff)
		}
		r := h.applied(b, replace)
		if diff := cmp.Diff(want, strs(r.ForeignLost)); diff != "" {
			t.Errorf("lost (-want +got):\n%s", diff)
		}
		h.is(b)
		if after := h.sh("nft list ruleset"); strings.Contains(after, "theirs") || !strings.Contains(after, "counter seen") {
			t.Errorf("one is to go, the other in nobody's way:\n%s", after)
		}
		h.sh("nft add set ip filter theirs '{ type ipv4_addr; }'")
		if _, err := h.apply(b); !errors.As(err, &foreign) {
			t.Errorf("nothing else to change: %v", err)
		}
		if r := h.applied(b, replace); r.Result != Applied || len(r.ForeignLost) != 1 {
			t.Errorf("nothing else to change: %s, lost %v", r.Result, r.ForeignLost)
		}
	})
}
