package apply

import (
	"errors"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
)

// TestTwoBackends applies where the other backend is in use too.
func TestTwoBackends(t *testing.T) {
	const docker = "IPT -N DOCKER; IPT -A FORWARD -o docker0 -j DOCKER"
	for _, tt := range []struct {
		name, live, ours string
		beside           ruleset.Backend // of what nobody vouches for
		note             string
	}{
		{"legacy beside nft", "iptables-legacy -A INPUT -p tcp --dport 80 -j DROP", "iptables-nft -A INPUT -j ACCEPT", ruleset.Legacy, ""},
		{"nft beside legacy", "iptables-nft -A INPUT -p tcp --dport 80 -j DROP", "iptables-legacy -A INPUT -j ACCEPT", ruleset.NFT, ""},
		{"a native table beside legacy", "nft add table inet t; nft add chain inet t c; nft add rule inet t c drop", "iptables-legacy -A INPUT -j ACCEPT", ruleset.NFT, ""},
		{"both by the artifact", "", "iptables-legacy -A INPUT -j ACCEPT; iptables-nft -A INPUT -j DROP", "", ""},
		{"both by the artifact, and something else", "iptables-nft -A INPUT -p tcp --dport 80 -j DROP", "iptables-legacy -A INPUT -j ACCEPT; iptables-nft -A INPUT -j DROP", "", ""},
		{"Docker on legacy beside nft", onBackend(docker, "legacy"), "iptables-nft -A INPUT -j ACCEPT", "", "packets pass the rules of both"},
		{"Docker beside nft", onBackend(docker, "nft"), "iptables-nft -A INPUT -j ACCEPT", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				if tt.live != "" {
					h.sh(tt.live)
				}
				ours := h.built(tt.ours)
				r, err := h.apply(ours)
				var foreign *ForeignError
				if errors.As(err, &foreign) {
					if foreign.Beside != tt.beside || strings.Contains(err.Error(), "packets pass the rules of both") != (tt.beside != "") {
						t.Errorf("beside %q, want %q: %v", foreign.Beside, tt.beside, err)
					}
					h.applied(ours, replace)
					h.is(ours)
					return
				}
				h.must(err)
				if tt.beside != "" || strings.Contains(strings.Join(r.Notes, "\n"), "packets pass") != (tt.note != "") {
					t.Errorf("notes %q", r.Notes)
				}
			})
		})
	}
}
