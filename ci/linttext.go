package ci

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

var severityColors = map[Severity]string{Error: red, Warning: yellow, Note: cyan}

// byWords say what the rules of a finding are to it.
var byWords = map[packets.FindingKind]string{
	packets.NeverMatches: "taken by", packets.ChangesNothing: "the same by", packets.LateEstablished: "behind", packets.FamilyOpen: "IPv4 has",
}

// Text writes the findings for a terminal, in the order of tables, chains and
// rules, each as compilers do: where, how grave, and what; then the rule and
// those that it is about. The counts are the last line.
func (l *Lint) Text(out io.Writer, opt TextOptions) error {
	t := textWriter{Writer: bufio.NewWriter(out), color: opt.Color}
	for i := range l.Findings {
		t.finding(l, &l.Findings[i])
	}
	if len(l.Findings) > 0 {
		fmt.Fprintln(t)
	}
	if len(l.Unread) > 0 {
		fmt.Fprintf(t, "note: not looked at: %s\n", termsafe.String(strings.Join(l.Unread, ", ")))
	}
	for i := range l.Partial {
		fmt.Fprintf(t, "note: looked at rule by rule only: %s\n", termsafe.String(l.Partial[i].String()))
	}
	fmt.Fprintf(t, "%s: %s\n", t.paint(bold, termsafe.String(l.File.describe())), l.Headline())
	return t.Flush()
}

func (t textWriter) finding(l *Lint, f *Finding) {
	at := &f.Decider
	if at.Source == "" && f.Kind == packets.FamilyOpen {
		at = &f.By[0] // a family that the script does not speak of has no line
	}
	fmt.Fprintf(t, "%s: %s: %s\n", t.paint(bold, termsafe.String(l.where(at))), t.paint(severityColors[f.Severity]+";"+bold, string(f.Severity)),
		termsafe.String(f.Message))
	rule := fmt.Sprintf("%s %s %s", f.Family, f.Table, f.Chain)
	if f.Index > 0 {
		rule += fmt.Sprintf(" %d  %s", f.Index, f.Text)
	}
	fmt.Fprintf(t, "      %s\n", termsafe.String(clip(rule, mostLine)))
	for i := range f.By {
		if i == mostDeciders {
			fmt.Fprintf(t, "      %-11s … and %s more\n", "", grouped(len(f.By)-i))
			break
		}
		word := byWords[f.Kind]
		if i > 0 {
			word = ""
		}
		fmt.Fprintf(t, "      %-11s %s\n", word, t.paint(faint, termsafe.String(clip(f.By[i].String(), mostLine))))
	}
}

// where is the script's line, or the dump's in its own file, or the file.
func (l *Lint) where(d *Decider) string {
	switch {
	case d.Source != "":
		return d.Source
	case l.dump && d.Line > 0:
		return fmt.Sprintf("%s:%d", l.File.Name, d.Line)
	}
	return l.File.Name
}
