package ci

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

// HTMLOptions say how HTML writes.
type HTMLOptions struct {
	// Limit is about how many bytes the rules, sets and sysctls may take, and
	// as much again the packets; 0 is 3 MiB.
	Limit int
	// Members is how many members of a batch are named; 0 is 400.
	Members int
}

//go:embed html/page.html
var pageHTML string

//go:embed html/page.css
var pageCSS string

//go:embed html/page.js
var pageJS string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// policy is the page's Content-Security-Policy: the two texts above may run,
// and nothing is ever loaded or sent.
var policy = template.HTML(fmt.Sprintf(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'">`,
	hashSource(pageCSS), hashSource(pageJS)))

// hashSource is a text's hash as a policy writes it, see CSP level 3.
func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// HTML writes the report as one page that needs nothing else: what becomes of
// packets, where in the hooks and tables something changed, who calls whom,
// and every change among its neighbours. It is whole without its script, which
// filters. AddChart gives it what it draws.
//
// No text from the two sides can leave its place: all of it goes through
// html/template, and what a reader could not see is shown as an escape.
func (r *Report) HTML(out io.Writer, opt HTMLOptions) error {
	if opt.Limit <= 0 {
		opt.Limit = 3 << 20
	}
	if opt.Members <= 0 {
		opt.Members = 400
	}
	w := bufio.NewWriterSize(out, 1<<16)
	if err := pageTemplate.Execute(w, r.page(opt)); err != nil {
		return err
	}
	return w.Flush()
}

// page is what the template shows. Its texts are safe to read; the template
// escapes them for HTML.
type page struct {
	Policy   template.HTML
	Style    template.CSS
	Script   template.JS
	Old, New pageSide
	// Lead is the sentence on packets, or on rules where packets were not
	// compared, and Also what is left to say.
	Lead, Also string
	Long       bool // the lead is
	Many       bool // there are many chains
	Figures    []pageFigure
	Notes      []string
	Packets    *pagePackets
	Matrices   []pageMatrix
	Others     []pagePlace
	Graphs     []pageGraph
	Undrawn    string
	Sections   []pageSection
	Cut        string
	Facts      []pageFact
}

type pageSide struct{ Name, Serial, Digest, Script string }

type pageFigure struct {
	Count, Words string
	Change       string // allowed, blocked, other
	None         bool
}

type pageFact struct {
	Name, Old, New string
	Mark           pageMark
}

// pageMark is a kind of change, as a sign and as a word.
type pageMark struct{ Class, Sign, Word string }

var pageMarks = map[mark]pageMark{
	added: {"add", "+", "added"}, removed: {"del", "−", "removed"}, changed: {"chg", "~", "changed"},
	changedOld: {"was", "~", "changed from"}, changedNew: {"now", "~", "changed to"}, moved: {"mov", ">", "moved"},
	unchanged: {"ctx", "", ""}, skipped: {"gap", "⋮", ""},
}

func (r *Report) page(opt HTMLOptions) *page {
	p := &page{Policy: policy, Style: template.CSS(pageCSS), Script: template.JS(pageJS), Old: sideOf(r.Old), New: sideOf(r.New)}
	for _, n := range r.Notes {
		p.Notes = append(p.Notes, shown(n, mostLine))
	}
	p.Lead = r.Headline()
	if v := r.Verdict(); v != "" {
		p.Lead, p.Also = v, p.Lead
	}
	if p.Lead == "" {
		p.Lead = "the same firewall"
	}
	if r.PacketsError != "" {
		p.Notes = append(p.Notes, "Packets were not compared: "+shown(r.PacketsError, mostLine))
	}
	if r.Packets != nil {
		p.Packets = r.Packets.page(opt.Limit)
		if r.Packets.Changed {
			p.Figures, p.Lead = r.Packets.figures(), ""
		}
	}
	list := r.sections(opt.Members)
	p.Long = len(p.Lead) > 90
	b := newRulesPage(list, opt.Limit)
	p.Sections, p.Cut, p.Many = b.sections, b.cut, len(b.ids) > 50
	p.Matrices, p.Others = r.matrices(list, b.ids)
	p.Graphs, p.Undrawn = r.graphs(b.ids)
	for _, f := range r.Artifact {
		name := f.Field
		if f.Name != "" {
			name += " " + f.Name
		}
		p.Facts = append(p.Facts, pageFact{shown(name, mostName), shown(f.Old, mostLine), shown(f.New, mostLine), pageMarks[markOf(f.Kind)]})
	}
	return p
}

func sideOf(h Head) pageSide {
	s := pageSide{Name: shown(h.Name, mostName), Script: shown(h.Script, mostName)}
	if h.Digest != "" {
		s.Serial, s.Digest = fmt.Sprint(h.Serial), shown(h.Digest, mostName)
		if r := []rune(s.Digest); len(r) > 12 {
			s.Digest = string(r[:12])
		}
	}
	return s
}

// shown is untrusted text for a reader: on one line, with nothing invisible,
// and no longer than it may be.
func shown(s string, most int) string { return clip(termsafe.String(s), most) }
