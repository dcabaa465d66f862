package ci

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

// TextOptions say how Text writes.
type TextOptions struct {
	// Color asks for SGR escape sequences.
	Color bool
	// Members is how many members of a batch are named; 0 is 24.
	Members int
	// Run is how many rules of one kind in a row are shown; 0 is all.
	Run int
}

// SGR parameters, see ECMA-48.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

var colors = map[mark]string{
	heading: bold, unchanged: faint, skipped: faint,
	added: green, removed: red, changedOld: yellow, changedNew: yellow, changed: yellow, moved: cyan,
}

// Text writes the report for a terminal. The counts are the first line and,
// where there is anything between, the last, each with what that does to
// packets, whose regions come before the rules. Rules stand with their old and
// new position, marked "+" added, "-" removed, "~" changed (the old rule, then
// the new one) and ">" moved, among their unchanged neighbours.
func (r *Report) Text(out io.Writer, opt TextOptions) error {
	if opt.Members <= 0 {
		opt.Members = 24
	}
	t := textWriter{Writer: bufio.NewWriter(out), color: opt.Color, run: opt.Run}
	fmt.Fprintf(t, "%s → %s: %s\n", t.paint(bold, termsafe.String(r.Old.describe())), t.paint(bold, termsafe.String(r.New.describe())), r.Headline())
	for _, n := range r.Notes {
		fmt.Fprintf(t, "note: %s\n", n)
	}
	if r.PacketsError != "" {
		fmt.Fprintf(t, "packets: not compared: %s\n", termsafe.String(r.PacketsError))
	}
	if v := r.Verdict(); v != "" {
		fmt.Fprintf(t, "packets: %s\n", v)
		t.packets(r.Packets)
	}
	sections := r.sections(opt.Members)
	for i := range sections {
		t.section(&sections[i])
	}
	if len(sections) > 0 {
		fmt.Fprintf(t, "\n%s\n", r.Headline())
		if v := r.Verdict(); v != "" {
			fmt.Fprintf(t, "packets: %s\n", v)
		}
	}
	return t.Flush()
}

// describe is a side's name, with the serial of an artifact.
func (h Head) describe() string {
	if h.Digest == "" {
		return h.Name
	}
	return fmt.Sprintf("%s (serial %d)", h.Name, h.Serial)
}

type textWriter struct {
	*bufio.Writer
	color bool
	run   int
}

func (t textWriter) paint(sgr, text string) string {
	if !t.color || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

func (t textWriter) section(s *section) {
	title := t.paint(bold, termsafe.String(s.name))
	if s.kind != "" {
		title += "  " + t.paint(faint, termsafe.String(s.kind))
	}
	fmt.Fprintf(t, "\n%s  %s\n", title, s.counts)
	for i, run := 0, 0; i < len(s.lines); i++ {
		l := s.lines[i]
		if i > 0 && (l.mark != s.lines[i-1].mark || !s.lines[i-1].placed()) {
			run = 0
		}
		if cut := t.tooMany(s.lines[i:], run); cut > 1 {
			fmt.Fprintln(t, "    "+t.paint(colors[l.mark], fmt.Sprintf("%c … and %s more", l.mark, grouped(cut))))
			i += cut - 1
			continue
		}
		run++
		other := ""
		switch l.mark {
		case changedOld:
			other = s.lines[i+1].text
		case changedNew:
			other = s.lines[i-1].text
		}
		fmt.Fprintln(t, t.line(l, other))
	}
}

// String is "+2 -1 >1 ~3", of the kinds that there are.
func (c Counts) String() string {
	var parts []string
	for _, k := range []struct {
		mark string
		n    int
	}{{"+", c.Added}, {"-", c.Removed}, {">", c.Moved}, {"~", c.Changed}} {
		if k.n > 0 {
			parts = append(parts, k.mark+grouped(k.n))
		}
	}
	return strings.Join(parts, " ")
}
