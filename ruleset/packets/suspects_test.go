package packets

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

// TestSuspects holds the look at what is suspect to changes whose packets are
// not easily followed back to where they come in.
func TestSuspects(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new string
		want     []string
	}{
		{"a chain changes what the jump to it asked for",
			mangle(":PREROUTING ACCEPT [0:0]", ":u - [0:0]", "-A PREROUTING -m mark --mark 0x1 -j u", "-A u -j MARK --set-xmark 0x2/0xffffffff", "-A u -m mark --mark 0x2 -j DROP"),
			mangle(":PREROUTING ACCEPT [0:0]", ":u - [0:0]", "-A PREROUTING -m mark --mark 0x1 -j u", "-A u -j MARK --set-xmark 0x2/0xffffffff"),
			[]string{"input allowed: any  any → any  mark 0x1: dropped → accepted, mark 0x2", "forward allowed: any  any → any  mark 0x1: dropped → accepted, mark 0x2"}},
		{"and two chains deep, a time to live",
			mangle(":u - [0:0]", ":v - [0:0]", "-A OUTPUT -m ttl --ttl-eq 9 -j u", "-A u -m ttl --ttl-lt 10 -g v", "-A v -j TTL --ttl-set 50", "-A v -m ttl --ttl-eq 50 -j DROP"),
			mangle(":u - [0:0]", ":v - [0:0]", "-A OUTPUT -m ttl --ttl-eq 9 -j u", "-A u -m ttl --ttl-lt 10 -g v", "-A v -j TTL --ttl-set 50"),
			[]string{"output allowed: any  any → any  ttl 9: dropped → accepted, ttl 50"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Diff(context.Background(), snapshot(t, ruleset.IPTables, tt.old), snapshot(t, ruleset.IPTables, tt.new), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range r.Regions {
				got = append(got, fmt.Sprintf("%s %s: %s: %s → %s", x.Journey, x.Change, x.Words(), x.Old, x.New))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
