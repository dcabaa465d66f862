package ci_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/tools/txtar"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

const oddRules = `
-- new/iptables.rules --
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -s 10.0.0.0/8 -j ACCEPT  # fw.sh:3
-A INPUT -s 10.1.0.0/16 -p tcp -m tcp --dport 23 -j DROP  # fw.sh:4
-A INPUT -p udp -j DROP  # fw.sh:5
COMMIT
-- new/ip6tables.rules --
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
-- new/ebtables.rules --
*filter
:INPUT ACCEPT
COMMIT
`

func lintOf(t *testing.T, s ci.Side) (*ci.Lint, []byte, string) {
	t.Helper()
	l, err := ci.NewLint(t.Context(), s, ci.LintOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var js, text bytes.Buffer
	if err := l.JSON(&js); err != nil {
		t.Fatal(err)
	}
	if err := l.Text(&text, ci.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	validateAs(t, "lint.v1.json", ci.LintSchema, js.Bytes())
	return l, js.Bytes(), text.String()
}

// TestLint checks what is made of findings: severities, lines, what is in the
// way, and what was not looked at.
func TestLint(t *testing.T) {
	l, js, text := lintOf(t, ci.Side{Name: "fw", Snapshot: snapshot(t, txtar.Parse([]byte(oddRules)), "new")})
	if l.Summary[ci.Error] != 1 || l.Summary[ci.Warning] != 1 || l.Summary[ci.Note] != 1 {
		t.Errorf("%v\n%s", l.Summary, text)
	}
	wants(t, "text", text, "fw.sh:4: warning: never matches: INPUT rule 1 (fw.sh:3) takes all its packets\n",
		"      ip filter INPUT 2  -s 10.1.0.0/16 -p tcp -m tcp --dport 23 -j DROP\n",
		"      taken by    filter INPUT 1 (fw.sh:3)  -s 10.0.0.0/8 -j ACCEPT\n",
		"fw.sh:5: note: changes nothing", "fw: error: IPv6 is open", "note: not looked at: bridge\n", "fw: 1 error, 1 warning, 1 note\n")
	var back ci.Lint
	if err := json.Unmarshal(js, &back); err != nil {
		t.Fatal(err)
	}
	i := 0
	for i < len(back.Findings) && back.Findings[i].Kind != packets.NeverMatches {
		i++
	}
	if i == len(back.Findings) {
		t.Fatalf("%s", js)
	}
	if f := back.Findings[i]; f.Severity != ci.Warning || f.Index != 2 || f.Source != "fw.sh:4" || len(f.By) != 1 || f.By[0].Index != 1 || f.Family != "ip" {
		t.Errorf("%+v", f)
	}
}

// TestLintHostile checks that names and comments cannot act on a terminal.
func TestLintHostile(t *testing.T) {
	var rules []ruleset.Rule
	for i, h := range hostile {
		if strings.ContainsAny(h, "\n\x00\"\\") {
			continue // no dump has them in a rule
		}
		rules = append(rules, ruleset.Rule{Text: `-m comment --comment "` + h + `" -j ACCEPT`, Source: ruleset.Position{File: h, Line: i + 1}})
	}
	s := ruleset.New(nil, []ruleset.Table{{Family: ruleset.IPv4, Backend: ruleset.NFT, Name: "filter", Chains: []ruleset.Chain{
		{Name: "INPUT", Policy: "DROP", Rules: rules}, {Name: "FORWARD", Policy: "DROP"}, {Name: "OUTPUT", Policy: "DROP"}, {Name: "\x1b[2J\u202e"}}}}, nil, nil)
	l, _, text := lintOf(t, ci.Side{Name: "\x1b]0;title\x07", Snapshot: s})
	if len(l.Findings) < 3 {
		t.Errorf("%d findings", len(l.Findings))
	}
	for i, line := range strings.Split(text, "\n") {
		if at := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); at >= 0 {
			t.Fatalf("line %d: %q at %d", i+1, line, at)
		}
	}
}
