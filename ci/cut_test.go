package ci_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/ruleset"
)

// TestCutAtRules cuts a huge report at every kind of size: what is left are whole
// lines of the whole one, in details that are closed, with a note on the rest.
func TestCutAtRules(t *testing.T) {
	side := func(net string) ci.Side {
		var tables []ruleset.Table
		for k, name := range []string{"filter", "mangle", "nat"} {
			c := ruleset.Chain{Name: "FORWARD", Policy: "DROP"}
			for i := range 1500 / (k + 1) {
				c.Rules = append(c.Rules, ruleset.Rule{Text: fmt.Sprintf("-s %s.%d.%d/32 -m comment --comment \"Größe %s ```\" -j ACCEPT", net, i>>8, i&255, strings.Repeat("é", i%90))})
			}
			tables = append(tables, ruleset.Table{Family: ruleset.IPv4, Backend: ruleset.NFT, Name: name, Chains: []ruleset.Chain{c}})
		}
		return ci.Side{Name: "a", Snapshot: ruleset.New(nil, tables, nil, nil)}
	}
	r := ci.New(side("10.0"), side("10.1"))
	render := func(limit int) string {
		var md bytes.Buffer
		if err := r.Markdown(&md, ci.MarkdownOptions{Limit: limit}); err != nil {
			t.Fatal(err)
		}
		return md.String()
	}
	whole := map[string]bool{}
	for l := range strings.Lines(render(1 << 30)) {
		whole[l] = true
	}
	for limit := 4096; limit < 90_000; limit += 4937 {
		text := render(limit)
		if len(text) > limit || !utf8.ValidString(text) {
			t.Errorf("limit %d: %d bytes, valid %v", limit, len(text), utf8.ValidString(text))
		}
		if !strings.Contains(text, "Cut to fit a comment") {
			t.Errorf("limit %d: no note", limit)
		}
		fence, open := "", 0
		for l := range strings.Lines(text) {
			switch bare := strings.TrimRight(l, "\n"); {
			case fence != "" && bare == fence:
				fence = ""
			case fence != "":
				if !whole[l] && !strings.HasPrefix(l, "@@ … ") {
					t.Errorf("limit %d: no whole line: %q", limit, l)
				}
			case strings.HasPrefix(bare, "```"):
				fence = strings.TrimSuffix(bare, "diff")
			default:
				open += strings.Count(l, "<details>") - strings.Count(l, "</details>")
			}
			if open < 0 || open > 1 {
				t.Fatalf("limit %d: %d details are open at %q", limit, open, l)
			}
		}
		if fence != "" || open != 0 {
			t.Errorf("limit %d: ends within %d details, fence %q", limit, open, fence)
		}
	}
	if text := render(0); utf8.RuneCountInString(text) > 65_536 {
		t.Errorf("%d characters, GitHub takes 65,536", utf8.RuneCountInString(text))
	}
}
