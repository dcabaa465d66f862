package ci

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

// detail is a section as a folded diff block.
type detail struct {
	title string // HTML
	lines []string
	fence string
	shown int // how many lines fit
	// out says that not even the frame fits: the table above has its counts.
	out bool
}

// fit lays out the sections in so many bytes: where they are too many, the
// longest are cut first.
func fit(sections []section, limit int) []detail {
	var list []detail
	var sizes []int
	for i := range sections {
		d := newDetail(&sections[i])
		if size := d.frame(); size <= limit {
			limit -= size
			sizes = append(sizes, d.size())
		} else {
			d.out = true
		}
		list = append(list, d)
	}
	share := fairShare(sizes, limit)
	for i := range list {
		d := &list[i]
		room := share
		if d.out {
			continue
		}
		for d.shown < len(d.lines) && len(d.lines[d.shown]) <= room {
			room -= len(d.lines[d.shown])
			d.shown++
		}
	}
	return list
}

// fairShare returns the greatest share such that the sizes, each cut to it,
// have a sum within the limit.
func fairShare(sizes []int, limit int) int {
	sizes = slices.Sorted(slices.Values(sizes))
	for i, s := range sizes {
		if share := limit / (len(sizes) - i); s > share {
			return share
		}
		limit -= s
	}
	if len(sizes) == 0 {
		return 0
	}
	return sizes[len(sizes)-1]
}

func newDetail(s *section) detail {
	d := detail{title: "<code>" + html.EscapeString(termsafe.String(clip(s.name, mostName))) + "</code>"}
	if s.kind != "" {
		d.title += " (" + html.EscapeString(termsafe.String(s.kind)) + ")"
	}
	d.title += " " + html.EscapeString(s.counts.String())
	if s.title != "" {
		d.title = s.title
	}
	longest := 0
	for i, l := range s.lines {
		text := diffLine(l)
		switch {
		case l.mark == changedOld && i+1 < len(s.lines):
			text += carets(l, s.lines[i+1])
		case l.mark == changedNew && i > 0:
			text += carets(l, s.lines[i-1])
		}
		longest = max(longest, run(text, '`'))
		d.lines = append(d.lines, text+"\n")
	}
	d.fence = strings.Repeat("`", max(3, longest+1))
	return d
}

// diffLine is a line in the words of a diff: GitHub colours "+", "-", "!" and
// "@@". A changed rule is a removed and an added one.
func diffLine(l line) string {
	text := clip(termsafe.String(l.text), mostLine)
	if l.source != "" {
		text += "  # " + clip(termsafe.String(l.source), mostName)
	}
	switch l.mark {
	case heading:
		return "@@ " + text + " @@"
	case skipped:
		return "  " + positions(l) + "⋮"
	case changedOld:
		return "- " + positions(l) + text
	case changed:
		return "! " + text
	case changedNew:
		return "+ " + positions(l) + text
	case moved:
		return "! " + positions(l) + text + "  # moved"
	}
	return string(l.mark) + " " + positions(l) + text
}

// carets is a line that marks the words of a changed text which the other text
// has not, "" where there are none or no others.
func carets(l, other line) string {
	text, against := termsafe.String(l.text), termsafe.String(other.text)
	if max(len(text), len(against)) > mostLine {
		return ""
	}
	spans, _, ok := wordDiff(text, against)
	marks := ""
	for _, s := range spans {
		sign := " "
		if s.differs {
			sign = "^"
		}
		marks += strings.Repeat(sign, cells(s.text))
	}
	if !ok || !strings.Contains(marks, "^") {
		return ""
	}
	return "\n  " + strings.Repeat(" ", len(positions(l))) + strings.TrimRight(marks, " ")
}

func (d *detail) size() int {
	n := 0
	for _, l := range d.lines {
		n += len(l)
	}
	return n
}

// frame is the size of the detail without lines, with the note on those cut.
func (d *detail) frame() int { return len(d.around("", "")) + len(cutNote(len(d.lines))) }

func cutNote(n int) string { return fmt.Sprintf("@@ … %s more lines @@\n", grouped(n)) }

func (d *detail) text() string {
	note := ""
	if d.shown < len(d.lines) {
		note = cutNote(len(d.lines) - d.shown)
	}
	return d.around(strings.Join(d.lines[:d.shown], ""), note)
}

func (d *detail) around(body, note string) string {
	return fmt.Sprintf("<details><summary>%s</summary>\n\n%sdiff\n%s%s%s\n\n</details>\n\n", d.title, d.fence, body, note, d.fence)
}

// codeSpan shows untrusted text within a line: nothing in a code span is
// markup, a mention or a link. Its delimiter is longer than any run of
// backticks within, see CommonMark 6.1.
func codeSpan(s string) string {
	s = termsafe.String(s)
	if strings.Trim(s, " ") == "" {
		return "(empty)"
	}
	fence := strings.Repeat("`", run(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || s[0] == ' ' && s[len(s)-1] == ' ' {
		s = " " + s + " "
	}
	return fence + s + fence
}

// cellSpan is codeSpan for a table's cell, which a pipe ends even within a code
// span. A pipe may be escaped with a backslash, but then the text's own
// backslashes before it count too: so it is shown as the escape that termsafe
// would give it.
func cellSpan(s string) string { return codeSpan(strings.ReplaceAll(s, "|", `\x7c`)) }

// run is the length of the longest run of a byte.
func run(s string, c byte) int {
	longest, n := 0, 0
	for i := range len(s) {
		if s[i] != c {
			n = 0
			continue
		}
		n++
		longest = max(longest, n)
	}
	return longest
}

// clip cuts the middle out of a text of more than so many characters, and says
// how many went: a rule's target is at its end.
func clip(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	head, tail := most*2/3, most/3
	return fmt.Sprintf("%s …[%s characters cut]… %s", string(r[:head]), grouped(len(r)-head-tail), string(r[len(r)-tail:]))
}
