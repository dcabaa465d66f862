package ci

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

// line renders a line; other is the other text of a changed pair.
func (t textWriter) line(l line, other string) string {
	text := strings.TrimRight(termsafe.String(l.text), " ")
	sign := string(l.mark)
	switch l.mark {
	case heading:
		return "  " + t.paint(bold, text)
	case changedOld, changedNew:
		sign = "~"
	case skipped:
		sign, text = " ", "⋮"
	}
	head, middle, tail := sign+" "+positions(l)+text, "", ""
	if other != "" {
		head, middle, tail = differing(text, strings.TrimRight(termsafe.String(other), " "))
		head = sign + " " + positions(l) + head
	}
	if middle+tail == "" {
		head = strings.TrimRight(head, " ")
	}
	color := colors[l.mark]
	body := "    " + t.paint(color, head) + t.paint(color+";"+bold, middle) + t.paint(color, tail)
	if l.source != "" {
		body += "  " + t.paint(faint, "# "+termsafe.String(l.source))
	}
	return body
}

// differing cuts a text into the words that it begins with as other does, the
// words that differ, and those that it ends with as other does.
func differing(text, other string) (head, middle, tail string) {
	a, b := strings.SplitAfter(text, " "), strings.SplitAfter(other, " ")
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	end := 0
	for end < len(a)-same && end < len(b)-same && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	return strings.Join(a[:same], ""), strings.Join(a[same:len(a)-end], ""), strings.Join(a[len(a)-end:], "")
}

// tooMany returns how many of the lines that start alike are to be cut, if the
// first of them is one too many in its run: the caller has shown the others.
func (t textWriter) tooMany(lines []line, before int) int {
	if t.run <= 0 || before < t.run || !lines[0].placed() || lines[0].mark != added && lines[0].mark != removed {
		return 0
	}
	n := 0
	for n < len(lines) && lines[n].mark == lines[0].mark {
		n++
	}
	return n
}

// placed says whether the line has a position: a rule's has.
func (l line) placed() bool { return l.old+l.new > 0 }

// positions are the columns of the old and the new position.
func positions(l line) string {
	if l.width == 0 || l.mark != skipped && !l.placed() {
		return ""
	}
	number := func(n int) string {
		if n == 0 {
			return strings.Repeat(" ", l.width)
		}
		return fmt.Sprintf("%*d", l.width, n)
	}
	return number(l.old) + " " + number(l.new) + "  "
}
