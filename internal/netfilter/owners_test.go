package netfilter_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// What nft made is nft's, also under a name that iptables uses, and what
// iptables made is iptables'.
func TestOwners(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		tables       []string // backend, family, name, native
	}{
		{"by name", `
			nft 'add table ip filter; add chain ip filter input { type filter hook input priority 0; policy drop; }; add rule ip filter input tcp dport 22 accept'
			iptables-nft -t nat -A POSTROUTING -j MASQUERADE`, []string{"nft ip filter native", "nft ip nat"}},
		{"another priority", `
			nft 'add table ip filter; add chain ip filter INPUT { type filter hook input priority 10; policy drop; }'`,
			[]string{"nft ip filter native"}},
		{"inet", `nft 'add table inet filter; add chain inet filter INPUT { type filter hook input priority 0; policy drop; }'`,
			[]string{"nft inet filter native"}},
		{"user chain only", `iptables-nft -N own; iptables-nft -A own -j DROP`, []string{"nft ip filter"}},
		{"security", `iptables-nft -t security -P INPUT DROP; ip6tables-nft -t security -A OUTPUT -j ACCEPT`,
			[]string{"nft ip security", "nft ip6 security"}},
		{"both backends", `iptables-nft -t raw -A OUTPUT -j NOTRACK; iptables-legacy -t raw -A OUTPUT -j NOTRACK`,
			[]string{"nft ip raw", "legacy ip raw"}},
		{"bridge", `ebtables-nft -P FORWARD DROP; ebtables-nft -t nat -A POSTROUTING -j ACCEPT
			nft 'add table bridge mine; add chain bridge mine c { type filter hook forward priority 0; }'`,
			[]string{"nft bridge filter", "nft bridge mine native", "nft bridge nat"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inside(t, func() {
				sh(t, tt.script)
				s, err := netfilter.Capture(context.Background(), netfilter.Scope{})
				if err != nil {
					t.Error(err)
					return
				}
				var got []string
				for _, table := range s.Tables {
					line := string(table.Backend) + " " + string(table.Family) + " " + table.Name
					if table.Native {
						line += " native"
					}
					got = append(got, line)
				}
				slices.Sort(got)
				want := slices.Clone(tt.tables)
				slices.Sort(want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}

func TestMixedTable(t *testing.T) {
	inside(t, func() {
		sh(t, `iptables-nft -A INPUT -j ACCEPT
			nft 'add chain ip filter late { type filter hook input priority 10; policy drop; }'`)
		_, err := netfilter.Capture(context.Background(), netfilter.Scope{})
		var me *netfilter.MixedError
		if !errors.As(err, &me) || me.Table != "filter" || !strings.Contains(me.Error(), "late") {
			t.Errorf("got %v, want a MixedError that names the chain", err)
		}
	})
}

// A legacy save of a table makes the table; a capture must not.
func TestCaptureLeavesLegacyTables(t *testing.T) {
	inside(t, func() {
		sh(t, "iptables-legacy -t raw -A OUTPUT -j ACCEPT")
		const list = "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names /proc/net/arp_tables_names"
		before := sh(t, list)
		if _, err := netfilter.Capture(context.Background(), netfilter.Scope{}); err != nil {
			t.Error(err)
		}
		if _, err := netfilter.Objects(context.Background()); err != nil {
			t.Error(err)
		}
		if after := sh(t, list); before != "raw\n" || after != before {
			t.Errorf("tables before %q, after %q", before, after)
		}
	})
}
