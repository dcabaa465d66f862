package packets

import (
	"context"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// snapshot parses dumps: iptables-save text, and ipset save text if it
// begins with create.
func snapshot(t testing.TB, kind ruleset.Kind, texts ...string) *ruleset.Snapshot {
	t.Helper()
	var dumps []ruleset.Dump
	for _, text := range texts {
		d := ruleset.Dump{Kind: kind, Backend: ruleset.NFT, Text: []byte(text)}
		if strings.HasPrefix(text, "create") {
			d = ruleset.Dump{Kind: ruleset.IPSet, Text: []byte(text)}
		}
		dumps = append(dumps, d)
	}
	s, err := dumpSnapshot(dumps...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dumpSnapshot(dumps ...ruleset.Dump) (*ruleset.Snapshot, error) { return dump.Snapshot(dumps) }

// filter is a dump of rules in the filter table.
func filter(rules ...string) string {
	return "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + strings.Join(rules, "\n") + "\nCOMMIT\n"
}

func TestDiffWords(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new []string
		want     []string
	}{
		{"one rule", []string{filter("-P FORWARD DROP")}, []string{filter("-P FORWARD DROP", "-A FORWARD -i veth2 -d 172.16.100.5 -p tcp --dport 8800 -j ACCEPT")},
			[]string{"forward allowed tcp  any → 172.16.100.5:8800  in veth2 : dropped → accepted [FORWARD 0] [FORWARD 1]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Diff(context.Background(), snapshot(t, ruleset.IPTables, tt.old...), snapshot(t, ruleset.IPTables, tt.new...), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range r.Regions {
				t.Logf("%s %s %s : %s → %s %v %v %+v", x.Journey, x.Change, x.Words(), x.Old, x.New, x.OldRules, x.NewRules, x.Example)
			}
		})
	}
}
