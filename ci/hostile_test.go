package ci_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html/atom"

	nethtml "golang.org/x/net/html"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/ruleset"
)

// hostile are texts that a script may put into comments, names and members.
var hostile = []string{
	"```\n\n# pwned\n\n@everyone <img src=x onerror=alert(1)>",
	"``````` ```diff `a` ``b`` @team",
	"</code></summary></details><b>bold</b> @someone",
	"x\\| @everyone <b>bold</b> | `",
	"| a | b |\n|---|---|\n| c | d |",
	"\\|\\\\|`|``|```|",
	"](http://evil.example) [link](http://evil.example) ![image](http://evil.example/i.png)",
	"http://evil.example www.evil.example a@evil.example #1 deadbeef",
	"<!-- ", "-->", "<script>", "&lt;b&gt;&#64;someone", "~~~\n> quote\n* list",
	"\x1b[2J\x1b]0;title\x07\x1b[8m", "\u009b31m", "ACCEPT\u202eTPECCA\u202c", "zero\u200bwidth\u2066",
	"\xff\xfe\x80", "nul\x00", "a\rb\vc\fd", "\u2028\u2029\u0085", "$math$ $$more$$ :smile:",
	" ", "", "`", " ` ", "\t", "Größe 防火墙",
	strings.Repeat("`", 300), strings.Repeat("A", 30_000), strings.Repeat("@a ", 5000),
}

// hostileSides puts each text wherever a text may be.
func hostileSides() (old, new ci.Side) {
	side := func(shift int) ci.Side {
		at := func(i int) string { return hostile[(i+shift)%len(hostile)] }
		var tables []ruleset.Table
		for i := range hostile {
			rules := make([]ruleset.Rule, 0, len(hostile))
			for j := range hostile {
				rules = append(rules, ruleset.Rule{Text: "-m comment --comment " + at(i*7+j) + " -j ACCEPT", Source: ruleset.Position{File: at(j), Line: j}})
			}
			tables = append(tables, ruleset.Table{Family: ruleset.Inet, Backend: ruleset.NFT, Name: hostile[i], Native: i%2 == 0, Flags: at(i),
				Chains:  []ruleset.Chain{{Name: hostile[i], Policy: at(i), Hook: at(i + 1), Rules: rules}, {Name: at(i) + "2"}},
				Objects: []ruleset.Object{{Kind: "set", Name: hostile[i], Text: at(i), Elements: []string{at(i), at(i + 1)}}}})
		}
		var sets []ruleset.Set
		var sysctls []ruleset.Sysctl
		for i := range hostile {
			sets = append(sets, ruleset.Set{Name: hostile[i], Type: at(i), Options: at(i), Members: []string{at(i), at(i + 2)}})
			sysctls = append(sysctls, ruleset.Sysctl{Key: "net." + hostile[i], Value: at(i)})
		}
		s := ci.Side{Name: at(0), Digest: at(1), ScriptName: at(2), ScriptSHA256: at(3), NotAfter: at(4), Labels: map[string]string{},
			Modules: []string{at(5)}, Signers: []string{at(6)}, Snapshot: ruleset.New(nil, tables, sets, sysctls)}
		for i := range hostile {
			s.Labels[hostile[i]] = at(i)
		}
		s.Builds = []ci.Build{{Toolchain: ruleset.Toolchain{Kernel: at(7)}, AcceptKernel: at(8)}}
		return s
	}
	return side(0), side(1)
}

// TestHostileText checks that the text output has no character that acts on a
// terminal, and that it has none but ours when coloured.
func TestHostileText(t *testing.T) {
	r := ci.New(hostileSides())
	var plain, colored bytes.Buffer
	if err := r.Text(&plain, ci.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Text(&colored, ci.TextOptions{Color: true}); err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(plain.String(), "\n") {
		if at := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); at >= 0 {
			t.Fatalf("line %d: %q at %d", i+1, line, at)
		}
	}
	bare := colored.String()
	for _, sgr := range []string{"0", "1", "2", "31", "32", "33", "36", "33;1"} {
		bare = strings.ReplaceAll(bare, "\x1b["+sgr+"m", "")
	}
	if bare != plain.String() {
		t.Error("colour adds more than colour")
	}
}

// TestHostileMarkdown renders the Markdown as GitHub does, with raw HTML let
// through, and checks that no element, link or paragraph is there that the
// report did not make.
func TestHostileMarkdown(t *testing.T) {
	old, new := hostileSides()
	for _, limit := range []int{4096, 10_000, ci.CommentLimit, 50_000_000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			var md, page bytes.Buffer
			if err := ci.New(old, new).Markdown(&md, ci.MarkdownOptions{Limit: limit}); err != nil {
				t.Fatal(err)
			}
			if md.Len() > limit {
				t.Errorf("%d bytes", md.Len())
			}
			gfm := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe()))
			if err := gfm.Convert(md.Bytes(), &page); err != nil {
				t.Fatal(err)
			}
			doc, err := nethtml.Parse(&page)
			if err != nil {
				t.Fatal(err)
			}
			inert(t, doc, false)
		})
	}
}

// own are the elements that a report has; text within the inert ones is never
// a mention, a link or an emoji.
var own = map[atom.Atom]bool{
	atom.Html: false, atom.Head: false, atom.Body: false, atom.H3: false, atom.P: false, atom.Strong: false, atom.Blockquote: false,
	atom.Ul: false, atom.Li: false, atom.Table: false, atom.Thead: false, atom.Tbody: false, atom.Tr: false, atom.Th: false, atom.Td: false,
	atom.Details: false, atom.Summary: false, atom.Code: true, atom.Pre: true,
}

func inert(t *testing.T, n *nethtml.Node, within bool) {
	switch n.Type {
	case nethtml.ElementNode:
		quiet, ok := own[n.DataAtom]
		if !ok {
			t.Errorf("a stray <%s>", n.Data)
		}
		for _, a := range n.Attr {
			if a.Key != "class" && a.Key != "style" && a.Key != "align" {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		within = within || quiet
	case nethtml.CommentNode:
		t.Errorf("a comment: %.80q", n.Data)
	case nethtml.TextNode:
		for _, bad := range []string{"@", "evil", "pwned", "bold", "http", "`", "<", "script>", "A A"} {
			if !within && strings.Contains(n.Data, bad) {
				t.Errorf("%q is outside of code: %.80q", bad, n.Data)
			}
		}
		if at := strings.IndexFunc(n.Data, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' }); at >= 0 {
			t.Errorf("%q in %.80q", n.Data[at:at+1], n.Data)
		}
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		inert(t, c, within)
	}
}

// TestHostileJSON checks that rules which differ in bytes that are not UTF-8
// differ in JSON.
func TestHostileJSON(t *testing.T) {
	var out bytes.Buffer
	if err := ci.New(hostileSides()).JSON(&out); err != nil {
		t.Fatal(err)
	}
	validate(t, out.Bytes())
	var back ci.Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	for _, it := range back.Structure {
		if it.Kind == ruleset.Changed && it.Old == it.New && len(it.NewMembers) == 0 {
			t.Errorf("%s %q looks unchanged", it.Subject, it.Old)
		}
	}
	// The renderers work from what the JSON has.
	var a, b bytes.Buffer
	if err := ci.New(hostileSides()).Text(&a, ci.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := back.Text(&b, ci.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() {
		t.Error("the text from the JSON is another")
	}
}
