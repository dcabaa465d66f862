package ci

import (
	"fmt"
	"io"
	"strings"
)

// MarkdownOptions say how Markdown writes.
type MarkdownOptions struct {
	// Limit is the greatest size in bytes; 0 is CommentLimit. Less than 4096
	// is taken as that.
	Limit int
	// Members is how many members of a batch are named; 0 is 100.
	Members int
}

// CommentLimit is the greatest size of a GitHub comment, whose API refuses more
// than 65,536 characters ("body is too long"), less a kilobyte for what a
// pipeline puts around a report. Counted in bytes, of which there are never
// fewer.
const CommentLimit = 65536 - 1024

const (
	mostPlaces   = 40  // rows of the summary table
	mostPolicies = 20  // policies named above it
	mostName     = 100 // characters of a name outside of the diff blocks
	mostLine     = 1000
)

// Markdown writes the report for a comment on a pull request, in GitHub's
// flavour: what becomes of packets, the counts, the policies, a table of what
// changed where, and the details folded, the artifact's last. What does not fit into the limit is cut, evenly from the
// longest parts, and a note above the details says how much; counts and table
// are never cut for the sake of details.
//
// No text from the two sides can leave its place: in running text it stands in
// code spans, in summaries it is escaped HTML, details are fenced.
func (r *Report) Markdown(out io.Writer, opt MarkdownOptions) error {
	if opt.Limit <= 0 {
		opt.Limit = CommentLimit
	}
	opt.Limit = max(opt.Limit, 4096)
	if opt.Members <= 0 {
		opt.Members = 100
	}
	sections := r.sections(opt.Members)
	top := r.top(sections, opt.Limit*2/3)
	const note = 300 // room for the notes on what was cut
	if s := r.packetsSection(); len(s.lines) > 0 {
		sections = append([]section{s}, sections...)
	}
	details := fit(sections, opt.Limit-len(top)-note)

	var b strings.Builder
	b.WriteString(top)
	shown, all := 0, 0
	for _, d := range details {
		shown, all = shown+d.shown, all+len(d.lines)
	}
	if shown < all {
		fmt.Fprintf(&b, "> [!WARNING]\n> **Cut to fit a comment: %s of %s lines of the details are shown.** `fwc diff` prints them all.\n\n", grouped(shown), grouped(all))
	}
	for _, d := range details {
		if !d.out {
			b.WriteString(d.text())
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// top is everything above the details.
func (r *Report) top(sections []section, limit int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Firewall: %s → %s\n\n", codeSpan(clip(r.Old.describe(), mostName)), codeSpan(clip(r.New.describe(), mostName)))
	if v := r.Verdict(); v != "" {
		fmt.Fprintf(&b, "**Packets: %s**\n\n", v)
	}
	fmt.Fprintf(&b, "**%s**\n\n", r.Headline())
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "%s.\n\n", n)
	}
	r.packets(&b, limit/2)
	r.policies(&b, limit)
	if len(sections) == 0 {
		return b.String()
	}
	b.WriteString("| Where | Added | Removed | Moved | Changed |\n|:--|--:|--:|--:|--:|\n")
	rows, left := 0, 0
	for i := range sections {
		s := &sections[i]
		for _, p := range s.places {
			row := tableRow(s, p)
			if rows == mostPlaces || b.Len()+len(row) > limit {
				left++
				continue
			}
			rows++
			b.WriteString(row)
		}
	}
	if left > 0 {
		fmt.Fprintf(&b, "| … and %s more places | | | | |\n", grouped(left))
	}
	b.WriteString("\n")
	return b.String()
}

// policies names the changed policies: each decides over everything that no
// rule does.
func (r *Report) policies(b *strings.Builder, limit int) {
	n, named := 0, 0
	for i := range r.Structure {
		it := &r.Structure[i]
		if it.Subject != "policy" {
			continue
		}
		n++
		name, _ := titleOf(it)
		row := fmt.Sprintf("- policy of %s: %s → %s\n", codeSpan(clip(name+" "+it.Chain, mostName)), codeSpan(clip(it.Old, mostName)), codeSpan(clip(it.New, mostName)))
		if named == mostPolicies || b.Len()+len(row) > limit {
			continue
		}
		named++
		b.WriteString(row)
	}
	if n > named {
		fmt.Fprintf(b, "- … and %s more policies\n", grouped(n-named))
	}
	if n > 0 {
		b.WriteString("\n")
	}
}

func tableRow(s *section, p placeCount) string {
	cell := func(n int) string {
		if n == 0 {
			return ""
		}
		return grouped(n)
	}
	place := cellSpan(clip(s.name, mostName))
	if p.name != "" {
		place += " " + cellSpan(clip(p.name, mostName))
	}
	if s.kind != "" {
		place += " " + cellSpan(s.kind)
	}
	c := p.counts
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", place, cell(c.Added), cell(c.Removed), cell(c.Moved), cell(c.Changed))
}
