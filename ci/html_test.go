package ci_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/tools/txtar"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/ruleset"
)

// pageOf is the page of two sides, as text and as a tree.
func pageOf(t testing.TB, old, new ci.Side, withPackets bool, opt ci.HTMLOptions) ([]byte, *html.Node) {
	t.Helper()
	r := ci.New(old, new)
	r.AddChart(old, new)
	if withPackets {
		if err := r.ComparePackets(t.Context(), old, new); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := r.HTML(&out, opt); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), doc
}

// archivePage is the page of an archive of testdata.
func archivePage(t testing.TB, name string) ([]byte, *html.Node) {
	t.Helper()
	a, err := txtar.ParseFile("testdata/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	old, new := sides(t, a)
	return pageOf(t, old, new, strings.Contains(string(a.Comment), "with packets"), ci.HTMLOptions{})
}

// all returns the elements that fit, in order.
func all(n *html.Node, fits func(*html.Node) bool) (out []*html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && fits(d) {
			out = append(out, d)
		}
	}
	return out
}

func class(name string) func(*html.Node) bool {
	return func(n *html.Node) bool {
		for c := range strings.FieldsSeq(attr(n, "class")) {
			if c == name {
				return true
			}
		}
		return false
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// words is a node's text with single spaces.
func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func texts(nodes []*html.Node) (out []string) {
	for _, n := range nodes {
		out = append(out, words(n))
	}
	return out
}

// one is the only element that fits.
func one(t testing.TB, n *html.Node, fits func(*html.Node) bool) *html.Node {
	t.Helper()
	list := all(n, fits)
	if len(list) != 1 {
		t.Fatalf("%d elements instead of one", len(list))
	}
	return list[0]
}

func wants(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s: no %q in %q", what, p, text)
		}
	}
}

// TestPagePackets checks the table of regions: each with its journey, its two
// fates, its deciding rules and its example.
func TestPagePackets(t *testing.T) {
	_, doc := archivePage(t, "packets")
	wants(t, "figures", words(one(t, doc, class("figures"))), "1 newly allowed", "2 newly blocked", "changed otherwise")
	regions := one(t, doc, class("regions"))
	rows := all(regions, func(n *html.Node) bool { return attr(n, "data-change") != "" })
	if len(rows) < 4 {
		t.Fatalf("%d regions", len(rows))
	}
	wants(t, "first region", words(rows[0]), "newly allowed", "forward · ip", "any → 172.16.100.6:8800 in veth2", "was filter FORWARD policy DROP",
		"is filter FORWARD 1 line 13 -d 172.16.100.6/32 -i veth2", "e.g. tcp 192.0.2.10:40000 → 172.16.100.6:8800", "dropped → accepted")
	for i, want := range []string{"allowed forward ip", "blocked input ip", "blocked forward ip", "other forward ip"} {
		if got := attr(rows[i], "data-change") + " " + attr(rows[i], "data-journey") + " " + attr(rows[i], "data-family"); got != want {
			t.Errorf("region %d is %s, not %s", i, got, want)
		}
	}
}

// TestPageCases puts regions together over which the same rules decide, and
// shows what tells them apart.
func TestPageCases(t *testing.T) {
	r := ci.New(chain(1, "10.0"), chain(1, "10.1"))
	r.Packets = &ci.Packets{Changed: true}
	rule := func(i int) ci.Decider {
		return ci.Decider{Table: "filter", Chain: "FORWARD", Index: i, Text: "-j ACCEPT", Source: fmt.Sprintf("fw.sh:%d", i)}
	}
	for i, rules := range [][]ci.Decider{{rule(1)}, {rule(1), rule(5)}, {rule(2)}, {rule(1)}} {
		r.Packets.Regions = append(r.Packets.Regions, ci.Region{Journey: "forward", Family: "ip", Change: "allowed", Old: "dropped",
			New: []string{"accepted", "accepted, MASQUERADE"}[i%2], Match: fmt.Sprintf("tcp  any → 10.0.0.%d:22", i), OldRules: rules, OldRule: &rules[0]})
	}
	var out bytes.Buffer
	if err := r.HTML(&out, ci.HTMLOptions{}); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(&out)
	if err != nil {
		t.Fatal(err)
	}
	cases := all(doc, func(n *html.Node) bool { return attr(n, "data-change") != "" })
	if len(cases) != 2 || attr(cases[0], "data-regions") != "3" || attr(cases[1], "data-regions") != "1" {
		t.Fatalf("%d cases: %q", len(cases), texts(cases))
	}
	wants(t, "case", words(cases[0]), "any → 10.0.0.0:22", "any → 10.0.0.1:22", "any → 10.0.0.3:22", "accepted MASQUERADE", "was filter FORWARD 1 fw.sh:1",
		"1 more rule, 2 more examples", "filter FORWARD 5")
	wants(t, "figures", words(one(t, doc, class("figures"))), "4 newly allowed", "0 newly blocked")
}

// TestPageRules checks the structural part and the matrix of a router's page.
func TestPageRules(t *testing.T) {
	_, doc := archivePage(t, "router")
	var lines []string
	for _, tr := range all(doc, func(n *html.Node) bool { return n.DataAtom == atom.Tr && class("t")(lastElement(n)) }) {
		lines = append(lines, words(tr))
	}
	text := strings.Join(lines, "\n")
	wants(t, "rules", text, "added", "removed", "moved", "changed from", "changed to", "unchanged rule")
	marked := texts(all(doc, func(n *html.Node) bool { return n.DataAtom == atom.Mark }))
	if len(marked) == 0 {
		t.Error("no word of a changed rule is marked")
	}
	cells := all(doc, class("lit"))
	anchors := map[string]bool{}
	for _, n := range all(doc, func(n *html.Node) bool { return attr(n, "id") != "" }) {
		if id := attr(n, "id"); anchors[id] {
			t.Errorf("two of id %s", id)
		} else {
			anchors[id] = true
		}
	}
	linked := 0
	for _, c := range cells {
		for _, a := range all(c, func(n *html.Node) bool { return n.DataAtom == atom.A }) {
			linked++
			if attr(a, "aria-label") == "" {
				t.Error("a link of the matrix has no name")
			}
		}
	}
	if linked < 3 {
		t.Errorf("%d linked cells", linked)
	}
	for _, a := range all(doc, func(n *html.Node) bool { return n.DataAtom == atom.A }) {
		if href := attr(a, "href"); !strings.HasPrefix(href, "#") || !anchors[href[1:]] {
			t.Errorf("a link to %q leads nowhere", href)
		}
	}
	wants(t, "matrix", strings.Join(texts(all(doc, class("policy"))), "; "), "ACCEPT → DROP")
	wants(t, "graph", strings.Join(texts(all(doc, class("node"))), "; "), "INPUT", "office", "telnet", "removed")
	wants(t, "facts", words(one(t, doc, class("facts"))), "toolchain.kernel", "6.1.0-30-amd64", "script.sha256")
	for _, n := range all(doc, func(n *html.Node) bool { return n.DataAtom == atom.Input || n.DataAtom == atom.Select }) {
		if words(n.Parent) == "" {
			t.Errorf("%s has no label", attr(n, "name"))
		}
	}
}

func lastElement(n *html.Node) *html.Node {
	for c := n.LastChild; c != nil; c = c.PrevSibling {
		if c.Type == html.ElementNode {
			return c
		}
	}
	return n
}

// TestPagePolicy checks that the page allows its own style and script and
// nothing else, and has no way around that.
func TestPagePolicy(t *testing.T) {
	raw, doc := archivePage(t, "router")
	meta := one(t, doc, func(n *html.Node) bool { return attr(n, "http-equiv") != "" })
	policy := attr(meta, "content")
	want := "default-src 'none'; "
	for _, part := range []struct {
		name string
		at   atom.Atom
	}{{"style-src", atom.Style}, {"script-src", atom.Script}} {
		n := one(t, doc, func(n *html.Node) bool { return n.DataAtom == part.at })
		sum := sha256.Sum256([]byte(n.FirstChild.Data))
		want += fmt.Sprintf("%s 'sha256-%s'; ", part.name, base64.StdEncoding.EncodeToString(sum[:]))
	}
	want += "base-uri 'none'; form-action 'none'"
	if policy != want {
		t.Errorf("policy\n%s\nwant\n%s", policy, want)
	}
	for _, n := range all(doc, func(n *html.Node) bool { return true }) {
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "srcset" || a.Key == "action" {
				t.Errorf("<%s %s>", n.Data, a.Key)
			}
		}
	}
	for _, bad := range []string{"http://", "https://", "@import", "url("} {
		if bytes.Contains(raw, []byte(bad)) {
			t.Errorf("the page has %q", bad)
		}
	}
	if dir := os.Getenv("FWC_PAGES"); dir != "" {
		if err := os.WriteFile(dir+"/router.html", raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// pageElements are those that a page has of its own.
var pageElements = " html head meta title style body svg symbol path use a header h1 h2 h3 span code small p ul li b nav main section " +
	"form label input fieldset legend select option output table caption colgroup col thead tbody tr th td dl dt dd details summary mark " +
	"button figure figcaption div g circle text tspan rect wbr footer script "

// TestHostilePage checks that text of the sides is only ever text, with nothing
// in it that a reader cannot see.
func TestHostilePage(t *testing.T) {
	old, new := hostileSides()
	raw, doc := pageOf(t, old, new, false, ci.HTMLOptions{Limit: 64 << 20})
	if scripts := bytes.Count(bytes.ToLower(raw), []byte("<script")); scripts != 1 {
		t.Errorf("%d scripts", scripts)
	}
	for _, n := range all(doc, func(n *html.Node) bool { return true }) {
		if !strings.Contains(pageElements, " "+n.Data+" ") {
			t.Errorf("a stray <%s>", n.Data)
		}
		for _, a := range n.Attr {
			if a.Key == "href" && !strings.HasPrefix(a.Val, "#") || strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "style" {
				t.Errorf("<%s %s=%.80q>", n.Data, a.Key, a.Val)
			}
			visible(t, a.Val)
		}
	}
	for d := range doc.Descendants() {
		switch d.Type {
		case html.CommentNode:
			t.Errorf("a comment: %.80q", d.Data)
		case html.TextNode:
			if d.Parent.DataAtom != atom.Style && d.Parent.DataAtom != atom.Script {
				visible(t, d.Data)
			}
		}
	}
	wants(t, "page", string(raw), "&lt;script&gt;", `\u202e`, `\x1b[2J`, "防火墙")
}

func visible(t *testing.T, s string) {
	t.Helper()
	if at := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }); at >= 0 {
		t.Errorf("%q in %.80q", s[at:at+1], s)
	}
}

// TestPageBound holds the page of a rewrite of 20,000 rules, of 20,000 chains
// and of long texts to some megabytes, with a note on what is missing.
func TestPageBound(t *testing.T) {
	many := func(net string) ci.Side {
		table := ruleset.Table{Family: ruleset.IPv4, Backend: ruleset.NFT, Name: "filter", Chains: []ruleset.Chain{{Name: "FORWARD", Policy: "DROP"}}}
		for i := range 20_000 {
			name := fmt.Sprintf("c%d", i)
			table.Chains[0].Rules = append(table.Chains[0].Rules, ruleset.Rule{Text: "-s " + net + " -j " + name})
			table.Chains = append(table.Chains, ruleset.Chain{Name: name, Rules: []ruleset.Rule{
				{Text: fmt.Sprintf("-s %s -m comment --comment %q -j c%d", net, strings.Repeat("<&'", 80), i+1)}}})
		}
		return ci.Side{Snapshot: ruleset.New(nil, []ruleset.Table{table}, nil, nil)}
	}
	for _, test := range []struct {
		name     string
		old, new ci.Side
	}{
		{"rules", chain(20_000, "10.0"), chain(20_000, "10.1")},
		{"chains", many("192.0.2.1"), many("192.0.2.2")},
		{"members", members(50_000, 0), members(50_000, 50_000)},
	} {
		start := time.Now()
		raw, doc := pageOf(t, test.old, test.new, false, ci.HTMLOptions{})
		t.Logf("%s: %v, %d bytes", test.name, time.Since(start), len(raw))
		if len(raw) > 12<<20 {
			t.Errorf("%s: %d bytes", test.name, len(raw))
		}
		notes := strings.Join(texts(all(doc, class("note"))), "; ")
		if test.name != "members" {
			wants(t, test.name, notes, "Cut to keep the page small")
		}
	}
}

// TestPageEqual is a page with nothing to show.
func TestPageEqual(t *testing.T) {
	_, doc := archivePage(t, "equal")
	wants(t, "page", strings.ToLower(words(one(t, doc, func(n *html.Node) bool { return n.DataAtom == atom.Header }))), "the same firewall")
}
