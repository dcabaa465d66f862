package nft_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

// hostile are objects of table ip t, which has chain c and set s, that nft's
// language cannot write or that would be more in it than they are. Each is
// refused with a message that holds the words in front.
var hostile = []struct{ want, object string }{
	{"name", `{"table": {"family": "ip", "name": "x; flush ruleset"}}`},
	{"name", `{"table": {"family": "ip", "name": "x\nflush ruleset"}}`},
	{"name", `{"table": {"family": "ip", "name": "a b"}}`},
	{"name", `{"table": {"family": "ip", "name": "\"a\""}}`},
	{"name", `{"table": {"family": "ip", "name": "5"}}`},
	{"name", `{"table": {"family": "ip", "name": "-f"}}`},
	{"name", `{"table": {"family": "ip", "name": "$x"}}`},
	{"name", `{"table": {"family": "ip", "name": "é"}}`},
	{"name", `{"table": {"family": "ip", "name": "` + strings.Repeat("a", 256) + `"}}`},
	{"holds", `{"table": {"family": "ip", "name": "u", "comment": "a\" }; flush ruleset; \""}}`},
	{"holds", `{"table": {"family": "ip", "name": "u", "comment": "a\nb"}}`},
	{"holds", `{"table": {"family": "ip", "name": "u", "comment": {"a\"": "b"}}}`},
	{"holds", `{"table": {"family": "ip", "name": "u", "flags": "dormant\nflush"}}`},

	{"name", `{"chain": {"family": "ip", "table": "t", "name": "x }; flush ruleset"}}`},
	{"holds", `{"chain": {"family": "ip", "table": "t", "name": "x", "comment": "a\u0085b"}}`},
	{"holds", `{"chain": {"family": "ip", "table": "t", "name": "x", "hook": "in\"put", "type": "filter", "prio": 0}}`},
	{"holds", `{"chain": {"family": "ip", "table": "t", "name": "x", "hook": "ingress", "type": "filter", "prio": 0, "dev": ["lo", "a\" }"]}}`},

	{"name", `{"set": {"family": "ip", "table": "t", "name": "x{", "type": "ipv4_addr"}}`},
	{"stands outside", `{"set": {"family": "ip", "table": "t", "name": "x", "type": "ipv4_addr", "typeof": "ip saddr; }; flush ruleset"}}`},
	{"closes nothing", `{"set": {"family": "ip", "table": "t", "name": "x", "type": "ipv4_addr", "typeof": "ip saddr } flush ruleset {"}}`},
	{"no string", `{"set": {"family": "ip", "table": "t", "name": "x", "type": "ipv4_addr", "typeof": ["ip saddr"]}}`},
	{"directive", `{"set": {"family": "ip", "table": "t", "name": "x", "type": "ipv4_addr", "typeof": "include \"/etc/passwd\""}}`},
	{"holds", `{"map": {"family": "ip", "table": "t", "name": "x", "type": "ipv4_addr", "map": "verdict\n"}}`},
	{"name", `{"flowtable": {"family": "ip", "table": "t", "name": "x y", "hook": "ingress", "prio": 0, "dev": "lo"}}`},
	{"holds", `{"flowtable": {"family": "ip", "table": "t", "name": "x", "hook": "ingress", "prio": 0, "dev": "lo\"}; flush"}}`},
	{"name", `{"counter": {"family": "ip", "table": "t", "name": "x\u0000"}}`},
	{"holds", `{"secmark": {"family": "ip", "table": "t", "name": "x", "context": "a\"; }; flush ruleset"}}`},
	{"holds", `{"ct timeout": {"family": "ip", "table": "t", "name": "x", "protocol": "tcp", "policy": {"a\" }": 5}}}`},

	{"name", `{"element": {"family": "ip", "table": "t", "name": "s", "elem": ["@a b"]}}`},
	{"holds", `{"element": {"family": "ip", "table": "t", "name": "s", "elem": ["1.1.1.1\n}\nflush ruleset\n"]}}`},
	{"holds", `{"element": {"family": "ip", "table": "t", "name": "s", "elem": [{"elem": {"val": "1.1.1.1", "comment": "\" } ; flush"}}]}}`},
	{"closes nothing", `{"element": {"family": "ip", "table": "t", "name": "s", "elem": [{"text": "1.1.1.1 }; flush ruleset"}]}}`},
	{"not one element", `{"element": {"family": "ip", "table": "t", "name": "s", "elem": [{"text": "1.1.1.1, 2.2.2.2"}]}}`},
	{"not one element", `{"element": {"family": "ip", "table": "t", "name": "s", "elem": [{"text": "1.1.1.1,2.2.2.2"}]}}`},
	{"not closed", `{"element": {"family": "ip", "table": "t", "name": "s", "elem": [{"text": "1.1.1.1 comment \"a"}]}}`},
	{"no string", `{"element": {"family": "ip", "table": "t", "name": "s", "elem": [{"text": ["a"]}]}}`},
	{`"text" is no member`, `{"element": {"family": "ip", "table": "t", "name": "s", "elem": [[{"text": "a"}, "b"]]}}`},

	{"stands outside", rule(`["drop; flush ruleset"]`)},
	{"stands outside", rule(`["drop\nflush ruleset"]`)},
	{"stands outside", rule(`["drop # and no more"]`)},
	{"stands outside", rule(`["ip saddr $x drop"]`)},
	{"stands outside", rule(`["drop \\"]`)},
	{"stands outside", rule(`["drop é"]`)},
	{"stands outside", rule(`["drop ` + "`id`" + `"]`)},
	{"holds", rule(`["log prefix \"a\nb\""]`)},
	{"not closed", rule(`["log prefix \"a"]`)},
	{"not closed", rule(`["jump { drop; "]`)},
	{"closes nothing", rule(`["drop }"]`)},
	{"closes nothing", rule(`["ip saddr { 1.1.1.1 ) drop"]`)},
	{"closes nothing", rule(`["drop } ; flush ruleset ; add rule ip t c jump {"]`)},
	{"directive", rule(`["jump { include \"/etc/shadow\"; }"]`)},
	{"directive", rule(`["jump { 1include \"/etc/shadow\"; }"]`)},
	{"directive", rule(`["jump { define x = 5; }"]`)},
	{"directive", rule(`["jump { redefine x = 5; undefine x; }"]`)},
	{"begins with a place", rule(`["index 0 drop"]`)},
	{"begins with a place", rule(`["handle 5 drop"]`)},
	{"begins with a place", rule(`[{"match": {"op": "==", "left": "position", "right": 5}}, {"drop": null}]`)},
	{"name", rule(`[{"jump": {"target": "x; flush ruleset"}}]`)},
	{"name", rule(`[{"goto": {"target": "a b"}}]`)},
	{"name", rule(`[{"counter": "a b"}]`)},
	{"name", rule(`[{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@s; drop"}}]`)},
	{"holds", rule(`[{"log": {"prefix": "a\" ; flush ruleset ; log prefix \"b"}}]`)},
	{"holds", rule(`[{"log": {"prefix": {"a": "\"; flush"}}}]`)},
	{"holds", rule(`[{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "e\" accept"}}]`)},
	{"holds", rule(`[{"frob": "a\"; flush ruleset; \""}]`)},
	{"holds", rule(`[{"fr\"ob": null}]`)},
	{"holds", rule(`[{"match": {"op": "==", "left": {"meta": {"key": "mark\n"}}, "right": 5}}]`)},
	{`"text" is no member`, rule(`[{"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": {"set": [{"text": "1 } drop ip saddr { 1"}]}}}]`)},
	{"holds", `{"rule": {"family": "ip", "table": "t", "chain": "c", "comment": "a\"; flush", "expr": [{"drop": null}]}}`},
	{"holds", `{"rule": {"family": "ip", "table": "t", "chain": "c", "comment": "a\nflush ruleset", "expr": [{"drop": null}]}}`},
}

func rule(expr string) string {
	return `{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": ` + expr + `}}`
}

// around is a document with one more object, in line 5.
func around(object string) []byte {
	return []byte(`{"nftables": [
{"table": {"family": "ip", "name": "t"}},
{"chain": {"family": "ip", "table": "t", "name": "c"}},
{"set": {"family": "ip", "table": "t", "name": "s", "type": "ipv4_addr"}},
` + object + "\n]}")
}

func TestHostile(t *testing.T) {
	for _, h := range hostile {
		text := around(h.object)
		for name, read := range map[string]func() ([]byte, error){
			"Parse":     func() ([]byte, error) { _, err := nft.Parse("f", text); return nil, err },
			"Canonical": func() ([]byte, error) { return nft.Canonical("f", text) },
			"Script":    func() ([]byte, error) { return nft.Script("f", text) },
			"Merge":     func() ([]byte, error) { return nft.Merge("f", text, []byte("table ip t {\n}\n")) },
		} {
			out, err := read()
			var se *ruleset.SyntaxError
			if !errors.As(err, &se) || !strings.Contains(se.Msg, h.want) || se.File != "f" || len(out) > 0 {
				t.Errorf("%s %s: %v %s, want %q", name, h.object, err, out, h.want)
			} else if se.Line != 5 && !strings.Contains(h.object, `"element"`) { // the set's
				t.Errorf("%s %s: line %d", name, h.object, se.Line)
			}
		}
	}
}

// TestOneToken holds values that stand without quotes to one token each: nft
// refuses the quotes where it wants a word.
func TestOneToken(t *testing.T) {
	for _, test := range []struct{ expr, want string }{
		{`[{"match": {"op": "==", "left": {"payload": {"protocol": "tcp dport 1 drop ip", "field": "saddr"}}, "right": 5}}]`,
			`"tcp dport 1 drop ip" saddr 5`},
		{`[{"match": {"op": "== 5 drop ip ttl", "left": {"payload": {"protocol": "ip", "field": "ttl"}}, "right": 5}}]`,
			`ip ttl "== 5 drop ip ttl" 5`},
		{`[{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "1.1.1.1 drop"}}]`,
			`ip saddr "1.1.1.1 drop"`},
		{`[{"reject": {"type": "icmp", "expr": "a; flush ruleset"}}]`, `reject with icmp "a; flush ruleset"`},
		{`[{"log": {"prefix": {"a": "b"}}}]`, `log prefix {"a": "b"}`},
		{`[{"frob": "a\\"}]`, `{"frob": "a\\"}`},
		{`["jump { drop; }"]`, `jump { drop; }`},
		{`[{"log": {"prefix": "include $x; # {"}}]`, `log prefix "include $x; # {"`},
	} {
		tables, err := nft.Parse("f", around(rule(test.expr)))
		if err != nil {
			t.Error(err)
			continue
		}
		if got := tables[0].Chains[0].Rules[0].Text; got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
		checkScript(t, around(rule(test.expr)))
	}
}

// TestHostileListing has listings in which a string that the JSON lacks, the
// comment of a table, pretends to be more of the listing.
func TestHostileListing(t *testing.T) {
	const json = `{"nftables": [{"table": {"family": "ip", "name": "a"}}, {"table": {"family": "ip", "name": "b"}},
		{"chain": {"family": "ip", "table": "b", "name": "c"}},
		{"rule": {"family": "ip", "table": "b", "chain": "c", "expr": [{"drop": null}]}}]}`
	const b = "table ip b {\n\tchain c {\n\t\tdrop\n\t}\n}\n"
	for comment, want := range map[string]string{
		"why": "",
		"\"\n}\ntable ip b {\n\tchain c {\n\t\taccept\n\t}\n}\ntable ip z {\n\tcomment \"": "not of the same",
		"\"\n}\ntable ip b {\n\tchain c {\n\t\taccept\n\t}\n\tcomment \"":                  "not of the same",
		"a;\" flags dormant; comment \"b":                                                  `holds '"'`,
		"a\x07":                                                                            `holds '\a'`,
	} {
		_, err := nft.Merge("f", []byte(json), []byte("table ip a {\n\tcomment \""+comment+"\"\n}\n"+b))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", comment, err, want)
		}
	}
}

// checkScript holds the script of a document that is accepted to what the
// document's canonical form names, object by object.
func checkScript(t *testing.T, text []byte) {
	t.Helper()
	canon, err := nft.Canonical("f", text)
	if err != nil {
		return
	}
	script, err := nft.Script("canonical", canon)
	if err != nil {
		t.Fatalf("%v\n%s", err, canon)
	}
	got, err := commandsOf(string(script))
	if err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	if d := cmp.Diff(wantedCommands(t, canon), got); d != "" {
		t.Fatalf("commands (-want +got)\n%s\n%s", d, script)
	}
}

// wantedCommands returns one command for each object of a canonical document.
func wantedCommands(t *testing.T, canon []byte) (out []string) {
	t.Helper()
	var doc struct{ Nftables []map[string]map[string]any }
	if len(canon) == 0 {
		return nil
	}
	if err := json.Unmarshal(canon, &doc); err != nil {
		t.Fatal(err)
	}
	for _, o := range doc.Nftables {
		for kind, def := range o {
			words := []any{"add", kind, def["family"]}
			switch kind {
			case "table":
				words = append(words, def["name"])
			case "rule":
				words = append(words, def["table"], def["chain"])
			default:
				words = append(words, def["table"], def["name"])
			}
			out = append(out, strings.TrimSuffix(fmt.Sprintln(words...), "\n"))
		}
	}
	return out
}

// token is one token of nft's language, coarser than nft's own: what is read
// here as several words is never less of them there.
var token = regexp.MustCompile(`^(?:"[^"]*"|[A-Za-z_.][A-Za-z0-9/_.-]*|[0-9]+|0[xX][0-9a-fA-F]+|[][(){};\n,:/@*=!<>&|^+-]|[ ]+)`)

// commandsOf splits a script as nft's parser would and returns the beginning
// of each command: verb, kind, family, table and name.
func commandsOf(script string) (out []string, err error) {
	var words []string
	depth := 0
	end := func() error {
		if len(words) == 0 {
			return nil
		}
		n := 5
		if words[1] == "ct" {
			n = 6
		} else if words[1] == "table" {
			n = 4
		}
		if len(words) < n || words[0] != "add" {
			return fmt.Errorf("a command %q", words)
		}
		out = append(out, strings.Join(words[:n], " "))
		words = nil
		return nil
	}
	for rest := script; rest != ""; {
		tok := token.FindString(rest)
		if tok == "" {
			return nil, fmt.Errorf("%.20q is no token", rest)
		}
		rest = rest[len(tok):]
		switch tok {
		case "include", "define", "redefine", "undefine":
			return nil, fmt.Errorf("directive %s", tok)
		case "{":
			depth++
		case "}":
			depth--
		case "\n", ";":
			if depth == 0 {
				if err := end(); err != nil {
					return nil, err
				}
			}
			continue
		}
		if depth < 0 {
			return nil, fmt.Errorf("a brace too many before %.20q", rest)
		}
		if tok[0] != ' ' {
			words = append(words, tok)
		}
	}
	if depth != 0 || len(words) > 0 {
		return nil, errors.New("the script ends within a command")
	}
	return out, nil
}

func FuzzScript(f *testing.F) {
	for _, h := range hostile {
		f.Add(around(h.object))
	}
	f.Add([]byte(small))
	f.Add([]byte(smallCanonical))
	f.Add(around(rule(`["jump { counter accept; tcp dport 22 log prefix \"in  it \" drop; }", {"frob": ["a b", {"c": "\\"}]}]`)))
	f.Add(around(`{"ct timeout": {"family": "ip", "table": "t", "name": "x", "protocol": "tcp", "policy": {"a b": 5}}}`))
	f.Fuzz(func(t *testing.T, text []byte) { checkScript(t, text) })
}
