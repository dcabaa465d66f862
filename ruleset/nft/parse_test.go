package nft_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

const small = `{"nftables": [{"metainfo": {"version": "1.0.6"}},
{"table": {"family": "inet", "name": "t", "handle": 7, "flags": "dormant"}},
{"counter": {"family": "inet", "name": "c", "table": "t", "handle": 2, "packets": 5, "bytes": 9}},
{"quota": {"family": "inet", "name": "q", "table": "t", "handle": 3, "bytes": 100, "used": 5, "inv": true}},
{"set": {"family": "inet", "name": "s", "table": "t", "type": "ipv4_addr", "handle": 4, "timeout": 60, "flags": ["interval", "timeout"],
 "elem": [{"prefix": {"addr": "192.0.2.0", "len": 24}}, {"elem": {"val": "10.0.0.9", "timeout": 5400, "expires": 17, "counter": {"packets": 1, "bytes": 2}}}, "9.0.0.1"]}},
{"chain": {"family": "inet", "table": "t", "name": "zz", "handle": 5}},
{"chain": {"family": "inet", "table": "t", "name": "in", "handle": 6, "type": "filter", "hook": "input", "prio": -5, "policy": "drop"}},
{"rule": {"family": "inet", "table": "t", "chain": "in", "handle": 8, "comment": "why", "expr": [
 {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [{"range": [80, 90]}, 22]}}},
 {"counter": {"packets": 77, "bytes": 4242}}, {"quota": {"val": 5, "val_unit": "mbytes", "used": 3, "used_unit": "bytes"}}, {"frob": {"x": [1, null, true]}}, {"accept": null}]}}
]}`

const smallCanonical = `{"nftables": [
{"table": {"family": "inet", "name": "t", "flags": "dormant"}},
{"chain": {"family": "inet", "table": "t", "name": "in", "type": "filter", "hook": "input", "prio": -5, "policy": "drop"}},
{"chain": {"family": "inet", "table": "t", "name": "zz"}},
{"counter": {"family": "inet", "table": "t", "name": "c"}},
{"quota": {"family": "inet", "table": "t", "name": "q", "bytes": 100, "inv": true}},
{"set": {"family": "inet", "table": "t", "name": "s", "type": "ipv4_addr", "flags": ["interval", "timeout"], "timeout": 60}},
{"element": {"family": "inet", "table": "t", "name": "s", "elem": [
"9.0.0.1",
{"elem": {"val": "10.0.0.9", "counter": null, "timeout": 5400}},
{"prefix": {"addr": "192.0.2.0", "len": 24}}
]}},
{"rule": {"family": "inet", "table": "t", "chain": "in", "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [22, {"range": [80, 90]}]}}}, {"counter": null}, {"quota": {"val": 5, "val_unit": "mbytes"}}, {"frob": {"x": [1, null, true]}}, {"accept": null}], "comment": "why"}}
]}
`

func TestCanonical(t *testing.T) {
	tables, canon, err := nft.ParseCanonical("x", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(smallCanonical, string(canon)); diff != "" {
		t.Error(diff)
	}
	want := []ruleset.Table{{Family: ruleset.Inet, Backend: ruleset.NFT, Name: "t", Native: true, Flags: "dormant",
		Chains: []ruleset.Chain{
			{Name: "in", Policy: "drop", Hook: "type filter hook input priority -5", Line: 3, Rules: []ruleset.Rule{{
				Text: `tcp dport { 22, 80-90 } counter quota 5 mbytes {"frob": {"x": [1, null, true]}} accept comment "why"`,
				Raw:  strings.TrimSuffix(strings.Split(smallCanonical, "\n")[12], ","), Line: 13}}},
			{Name: "zz", Line: 4},
		},
		Objects: []ruleset.Object{
			{Kind: "counter", Name: "c"},
			{Kind: "quota", Name: "q", Text: "over 100 bytes"},
			{Kind: "set", Name: "s", Text: "type ipv4_addr; flags interval,timeout; timeout 1m",
				Elements: []string{"9.0.0.1", "10.0.0.9 counter timeout 1h30m", "192.0.2.0/24"}},
		}}}
	if diff := cmp.Diff(want, tables); diff != "" {
		t.Error(diff)
	}
	again, err := nft.Canonical("canonical", canon)
	if err != nil || string(again) != smallCanonical {
		t.Errorf("no fixed point: %v\n%s", err, again)
	}
}

func TestParseErrors(t *testing.T) {
	table := `{"table": {"family": "ip", "name": "t"}}`
	for text, want := range map[string]string{
		`{`:                                "ends too early",
		`[]`:                               `must`,
		`{"nftables": {}}`:                 `must`,
		`{"frob": []}`:                     `key "frob"`,
		`{"nftables": []} x`:               "more text",
		`{"nftables": []}{}`:               "more text",
		`{"nftables": [], "x": 1}`:         "must",
		`{"nftables": [5]}`:                "an object with one key",
		`{"nftables": [{}]}`:               "an object with one key",
		`{"nftables": [{"a": 1, "b": 2}]}`: "an object with one key",
		`{"nftables": [{"table": 5}]}`:     "table is not an object",
		`{"nftables": [{"table": {"family": "frob", "name": "t"}}]}`:                                                                                                `family "frob"`,
		`{"nftables": [{"table": {"family": "ip", "family": "ip6", "name": "t"}}]}`:                                                                                 `key "family" occurs twice`,
		`{"nftables": [` + table + `, ` + table + `]}`:                                                                                                              "occurs twice",
		`{"nftables": [{"chain": {"family": "ip", "table": "t", "name": "c"}}]}`:                                                                                    "not declared",
		`{"nftables": [` + table + `, {"frob": {"family": "ip", "table": "t", "name": "c"}}]}`:                                                                      `"frob" is no object`,
		`{"nftables": [` + table + `, {"rule": {"family": "ip", "table": "t", "chain": "c", "expr": []}}]}`:                                                         "not declared",
		`{"nftables": [` + table + `, {"chain": {"family": "ip", "table": "t", "name": "c", "prio": 1.5}}]}`:                                                        "1.5 is no integer",
		`{"nftables": [` + table + `, {"chain": {"family": "ip", "table": "t", "name": "c", "prio": 1e3}}]}`:                                                        "1e3 is no integer",
		`{"nftables": [` + table + `, {"chain": {"family": "ip", "table": "t", "name": "c", "prio": 99999999999999999999}}]}`:                                       "no integer of 64 bits",
		`{"nftables": [{"table": {"family": "ip", "name": "\ud800"}}]}`:                                                                                             "broken character",
		"{\"nftables\": [{\"table\": {\"family\": \"ip\", \"name\": \"\xff\"}}]}":                                                                                   "not UTF-8",
		`{"nftables": [` + table + `, {"chain": {"family": "ip", "table": "t", "name": "c", "x": ` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}}]}`: "deeper than 64",
		`table ip t { }`: "invalid character",
	} {
		tables, err := nft.Parse("f", []byte("\n"+text))
		var se *ruleset.SyntaxError
		if !errors.As(err, &se) || !strings.Contains(se.Msg, want) || se.File != "f" || tables != nil {
			t.Errorf("%.80s: %v, want %q", text, err, want)
		}
		if se != nil && se.Line != 2 && !strings.Contains(text, "\xff") {
			t.Errorf("%.80s: line %d", text, se.Line)
		}
	}
	for _, empty := range []string{"", " \n", `{"nftables": []}`, `{"nftables": [{"metainfo": {}}]}`} {
		tables, canon, err := nft.ParseCanonical("f", []byte(empty))
		if err != nil || len(tables) > 0 || len(canon) > 0 {
			t.Errorf("%q: %v %q", empty, err, canon)
		}
	}
}

// TestOwned has the real programs make every chain of theirs, and scripts of
// nft's make tables that look like theirs.
func TestOwned(t *testing.T) {
	const programs = `
for p in iptables ip6tables; do
	for c in filter/INPUT filter/FORWARD filter/OUTPUT nat/PREROUTING nat/INPUT nat/OUTPUT nat/POSTROUTING \
		mangle/PREROUTING mangle/INPUT mangle/FORWARD mangle/OUTPUT mangle/POSTROUTING raw/PREROUTING raw/OUTPUT \
		security/INPUT security/FORWARD security/OUTPUT; do
		$p-nft -t ${c%/*} -A ${c#*/} -j ACCEPT
	done
done
arptables-nft -A INPUT -j ACCEPT
arptables-nft -A OUTPUT -j ACCEPT
for c in filter/INPUT filter/FORWARD filter/OUTPUT nat/PREROUTING nat/OUTPUT nat/POSTROUTING; do
	ebtables-nft -t ${c%/*} -A ${c#*/} -j ACCEPT
done`
	for name, test := range map[string]struct {
		script string
		native []string
	}{
		"programs":   {programs, nil},
		"user chain": {"iptables-nft -N mine", nil},
		"nft": {`nft 'add table ip filter; add chain ip filter input { type filter hook input priority 0; }
			add table ip6 nat; add chain ip6 nat POSTROUTING { type nat hook postrouting priority 99; }
			add table inet filter; add chain inet filter INPUT { type filter hook input priority 0; }
			add table ip other; add table netdev filter'`,
			[]string{"inet filter", "ip filter", "ip other", "ip6 nat", "netdev filter"}},
	} {
		t.Run(name, func(t *testing.T) {
			var json []byte
			err := netns.Do(func() error {
				if _, err := command(nil, "sh", "-ec", test.script); err != nil {
					return err
				}
				var err error
				json, err = command(nil, "nft", "-j", "list", "ruleset")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			tables, err := nft.Parse("listing", json)
			if err != nil {
				t.Fatal(err)
			}
			var native []string
			for _, table := range tables {
				native = append(native, string(table.Family)+" "+table.Name)
			}
			slices.Sort(native) // tables whose chains are tied keep their order
			if diff := cmp.Diff(test.native, native); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(smallCanonical))
	listing, err := os.ReadFile("testdata/statements.json") // what nft lists of statements.nft
	if err != nil {
		f.Fatal(err)
	}
	tables, err := nft.Parse("statements.json", listing)
	if err != nil {
		f.Fatal(err)
	}
	for _, table := range tables {
		for _, c := range table.Chains {
			for _, r := range c.Rules {
				f.Add(fmt.Appendf(nil, `{"nftables": [{"table": {"family": %q, "name": %q}}, {"chain": {"family": %[1]q, "table": %[2]q, "name": %q}}, %s]}`,
					table.Family, table.Name, c.Name, r.Raw))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, canon, err := nft.ParseCanonical("x", text)
		if err != nil {
			return
		}
		_, again, err := nft.ParseCanonical("y", canon)
		if err != nil {
			t.Fatalf("%v\n%s", err, canon)
		}
		if string(again) != string(canon) {
			t.Fatalf("no fixed point: %s", cmp.Diff(string(canon), string(again)))
		}
		if _, err := nft.Script("z", canon); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte(small), []byte("table inet t {\n\tflags dormant\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 9.0.0.1, 10.0.0.9 counter timeout 1h30m,\n\t\t\t     192.0.2.0/24 }\n\t}\n\n"+
		"\tchain zz {\n\t}\n\n\tchain in {\n\t\ttype filter hook input priority filter; policy drop;\n\t\ttcp dport 5 comment \"why\"\n\t}\n}\n"))
	f.Fuzz(func(t *testing.T, json, listing []byte) {
		canon, err := nft.Merge("x", json, listing)
		if err != nil {
			return
		}
		if again, err := nft.Canonical("y", canon); err != nil || string(again) != string(canon) {
			t.Fatalf("no fixed point: %v %s", err, cmp.Diff(string(canon), string(again)))
		}
		checkScript(t, canon)
	})
}

// ruleList returns a listing with n rules and as many elements.
func ruleList(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString(`{"nftables": [{"table": {"family": "ip", "name": "t"}}, {"chain": {"family": "ip", "table": "t", "name": "c"}}, ` +
		`{"set": {"family": "ip", "name": "s", "table": "t", "type": "ipv4_addr", "elem": ["192.0.2.1"`)
	for _, i := range r.Perm(n) {
		fmt.Fprintf(&b, `, "10.%d.%d.%d"`, i>>16, i>>8&255, i&255)
	}
	b.WriteString(`]}}`)
	for i := range n {
		fmt.Fprintf(&b, `, {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": %d, "expr": [{"match": {"op": "==", "left": `+
			`{"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.%d.%d.%d"}}, {"counter": {"packets": 0, "bytes": 0}}, {"drop": null}]}}`,
			i, i>>16, i>>8&255, i&255)
	}
	b.WriteString("]}")
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		text := ruleList(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, _, err := nft.ParseCanonical("x", text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
