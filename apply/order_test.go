package apply

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

// TestOrderOfBaseChains applies, undoes and takes back firewalls that differ in
// the order of base chains of one hook and priority, which no single object of
// them shows.
func TestOrderOfBaseChains(t *testing.T) {
	chain := func(table, name string) string {
		return "nft add chain inet " + table + " " + name + " '{ type filter hook input priority 7; }'; nft add rule inet " + table + " " + name + " counter; "
	}
	tables := func(names ...string) (s string) {
		for _, n := range names {
			s += "nft add table inet " + n + "; " + chain(n, "c")
		}
		return s
	}
	for _, tt := range []struct {
		name, a, b string
		moved      int
	}{
		{"in a table", "nft add table inet x; " + chain("x", "one") + chain("x", "two"), "nft add table inet x; " + chain("x", "two") + chain("x", "one"), 2},
		{"of tables", tables("x", "y"), tables("y", "x"), 2},
		{"of tables, one changed", tables("y", "x", "z"), tables("y", "x", "z") + "nft add rule inet y c drop", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				sa, sb := h.built(tt.a), h.built(tt.b)
				if same(sa, sb) {
					t.Error("they count as the same")
				}
				h.sh("nft add table ip foreign; nft add chain ip foreign c '{ type filter hook input priority 7; }'")
				h.applied(sa, keep("foreign"))
				order := func(s *ruleset.Snapshot) string {
					var out []string
					list, err := nativeOrder(s)
					h.must(err)
					for _, k := range list {
						if k.Name == "foreign" {
							continue
						}
						for _, c := range tableOf(s, k).Chains {
							out = append(out, k.Name+" "+c.Name)
						}
					}
					return strings.Join(out, ", ")
				}
				holds := func(when string, s *ruleset.Snapshot) {
					t.Helper()
					if diff := cmp.Diff(order(s), order(h.live(s))); diff != "" {
						t.Errorf("%s, order (-want +got):\n%s", when, diff)
					}
				}
				holds("first", sa)
				handle := h.sh("nft -a list table ip foreign")
				broken := errors.New("broken on purpose")
				hit := false
				h.withFault(func(point string) error {
					if point != "readback" || hit {
						return nil
					}
					hit = true
					holds("committed", sb)
					return broken
				}, func() {
					if _, err := h.apply(sb, keep("foreign")); !errors.Is(err, ErrUndone) {
						t.Errorf("error %v", err)
					}
				})
				holds("undone", sa)
				r := h.applied(sb, keep("foreign"))
				holds("second", sb)
				moved := 0
				for _, c := range r.Changes {
					if c.Kind == ruleset.Moved && c.Subject == ruleset.SubjectChain {
						moved++
					}
				}
				if moved != tt.moved || r.Result != Applied {
					t.Errorf("%d moved, want %d: %+v", moved, tt.moved, r.Changes)
				}
				if r := h.applied(sb, keep("foreign")); r.Result != Unchanged {
					t.Errorf("a second time: %+v", r)
				}
				_, err := Rollback(h.ctx, Previous, h.options())
				h.must(err)
				holds("rolled back", sa)
				if tt.moved > 0 { // somebody else's hand
					h.sh("nft flush ruleset; " + tt.b)
					st, err := Inspect(h.ctx, h.options())
					h.must(err)
					if len(st.Drift) == 0 {
						t.Error("no drift")
					}
					h.applied(sa)
					holds("repaired", sa)
				}
				if tt.moved == 0 && h.sh("nft -a list table ip foreign") != handle {
					t.Error("the foreign table was touched")
				}
			})
		})
	}
}
