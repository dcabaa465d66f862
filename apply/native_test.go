package apply

import (
	"context"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// A key in another spelling must not move an object to another table: a rule
// that is read with one and loaded with none would be lost.
func TestNativeObjectsSpelling(t *testing.T) {
	const text = `{"nftables": [
{"table": {"family": "inet", "name": "a", "Name": "b"}},
{"chain": {"family": "inet", "table": "a", "name": "c", "FAMILY": "ip"}},
{"rule": {"family": "inet", "table": "a", "chain": "c", "expr": [{"drop": null}], "zz": 0, "taBle": "b"}}]}`
	s, err := dump.Snapshot([]ruleset.Dump{{Kind: ruleset.NFTables, Backend: ruleset.NFT, Text: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := nativeObjects(s, func(k tableKey) bool { return k == tableKey{ruleset.NFT, ruleset.Inet, "a", true} })
	if err != nil || len(objects) != 3 {
		t.Errorf("%d objects of 3: %v", len(objects), err)
	}
}

// No table whose name is more than a name becomes a command of nft's.
func TestLoadNativeNames(t *testing.T) {
	err := netns.Do(func() error {
		for _, name := range []string{"x; flush ruleset", "x\nflush ruleset", "", "a b", "-f", "$x"} {
			c := &change{ctx: context.Background(), to: &State{Snapshot: &ruleset.Snapshot{}}}
			list := []ruleset.Table{{Family: ruleset.Inet, Backend: ruleset.NFT, Name: name, Native: true}}
			for _, p := range []*tablePlan{{drop: list}, {dropNative: list}, {native: list}} {
				if err := c.loadNative(p); err == nil || !strings.Contains(err.Error(), "the name") {
					t.Errorf("%q: %v", name, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
