package ci

import (
	"fmt"
	"slices"
	"strings"
)

// pageSection is a table, or the sets, or the sysctls.
type pageSection struct {
	Name, Kind string
	ID         string
	Counts     []pageCount
	Groups     []pageGroup
}

// pageCount is a number of changes of one kind.
type pageCount struct {
	pageMark
	Count string
}

// pageGroup is a chain, a set, or the head of a table.
type pageGroup struct {
	ID, Kind, Name, About string
	Counts                []pageCount
	Open                  bool
	Plain                 bool // no line has a position
	Lines                 []pageLine
	Cut                   string
}

type pageLine struct {
	Mark     pageMark
	Old, New string // positions
	Spans    []pageSpan
	Source   string
	// Wide says that no positions stand before the text.
	Wide bool
}

type pageSpan struct {
	Text    string
	Differs bool
}

// rulesPage is the structural part of a page.
type rulesPage struct {
	sections []pageSection
	cut      string
	// ids are the anchors of the chains that are shown.
	ids map[where]string
}

const (
	// mostOpen is how many lines are unfolded at first.
	mostOpen = 500
	// lineFrame is about the markup around a line.
	lineFrame = 260
	// groupFrame is about the markup around a group.
	groupFrame = 700
)

func newRulesPage(list []section, limit int) rulesPage {
	out := rulesPage{ids: map[where]string{}}
	// The groups share the room: small ones are whole, the largest are cut.
	var sizes []int
	room, groups := limit, 0
	for i := range list {
		for j := range list[i].places {
			size := 0
			for _, l := range list[i].group(j) {
				size += lineSize(l)
			}
			if room -= groupFrame; room < 0 {
				continue
			}
			sizes = append(sizes, size)
			groups++
		}
	}
	share := fairShare(sizes, max(0, room))
	all, here, missing, open := 0, 0, 0, 0
	for i := range list {
		s := &list[i]
		if s.name == artifactName {
			continue
		}
		x := pageSection{Name: shown(s.name, mostName), Kind: shown(s.kind, mostName), ID: fmt.Sprintf("s%d", i), Counts: pageCounts(s.counts)}
		for j := range s.places {
			lines := s.group(j)
			all += len(lines)
			if groups--; groups < 0 {
				missing++
				continue
			}
			g := s.pageGroup(j, share)
			g.ID = fmt.Sprintf("s%d-%d", i, j)
			if at := s.places[j].at; at.chain != "" {
				out.ids[at] = g.ID
			}
			g.Open = open < mostOpen
			open += len(g.Lines)
			here += len(g.Lines)
			x.Groups = append(x.Groups, g)
		}
		out.sections = append(out.sections, x)
	}
	if missing > 0 || here < all {
		out.cut = fmt.Sprintf("Cut to keep the page small: %s of %s lines are shown", grouped(here), grouped(all))
		if missing > 0 {
			out.cut += fmt.Sprintf(", and %s chains or sets are left out", grouped(missing))
		}
		out.cut += ". fwc diff prints them all."
	}
	return out
}

func lineSize(l line) int { return lineFrame + min(len(l.text), mostLine) + len(l.source) }

// group returns the lines of a place of the section, without its heading.
func (s *section) group(i int) []line {
	end := len(s.lines)
	if i+1 < len(s.places) {
		end = s.places[i+1].first
	}
	lines := s.lines[s.places[i].first:end]
	if len(lines) > 0 && lines[0].mark == heading {
		lines = lines[1:]
	}
	return lines
}

// pageGroup lays out a group within so many bytes.
func (s *section) pageGroup(i, room int) pageGroup {
	p := &s.places[i]
	g := pageGroup{Name: shown(p.name, mostName), About: shown(p.about, mostLine), Counts: pageCounts(p.counts)}
	switch {
	case p.at.chain != "":
		g.Kind = "chain"
	case s.name == setsName:
		g.Kind = "ipset"
	case p.name == "":
		g.Kind = shown(s.name, mostName)
	}
	lines := s.group(i)
	g.Plain = !slices.ContainsFunc(lines, line.placed)
	for k := 0; k < len(lines); k++ {
		if room -= lineSize(lines[k]); room < 0 {
			g.Cut = fmt.Sprintf("… %s more lines, which fwc diff prints", grouped(len(lines)-k))
			break
		}
		if lines[k].mark == changedOld && k+1 < len(lines) && lines[k+1].mark == changedNew {
			a, b, _ := wordDiff(lines[k].text, lines[k+1].text)
			g.Lines = append(g.Lines, pageLineOf(lines[k], a), pageLineOf(lines[k+1], b))
			k++
			room -= lineSize(lines[k])
			continue
		}
		g.Lines = append(g.Lines, pageLineOf(lines[k], []span{{text: lines[k].text}}))
	}
	return g
}

func pageLineOf(l line, spans []span) pageLine {
	x := pageLine{Mark: pageMarks[l.mark], Source: shown(l.source, mostName), Wide: l.width == 0}
	if l.old > 0 {
		x.Old = grouped(l.old)
	}
	if l.new > 0 {
		x.New = grouped(l.new)
	}
	if l.mark == skipped {
		if x.Wide = true; l.gap > 0 {
			x.Spans = []pageSpan{{Text: fmt.Sprintf("%s unchanged %s", grouped(l.gap), plural(l.gap, "rule", "rules"))}}
		}
		return x
	}
	room := 2 * mostLine
	for _, s := range spans {
		text := shown(s.text, max(20, room))
		room -= len(text)
		x.Spans = append(x.Spans, pageSpan{text, s.differs})
		if room < 0 {
			x.Spans = append(x.Spans, pageSpan{Text: " …"})
			break
		}
	}
	return x
}

func pageCounts(c Counts) (out []pageCount) {
	for _, k := range []struct {
		mark mark
		n    int
	}{{added, c.Added}, {removed, c.Removed}, {moved, c.Moved}, {changed, c.Changed}} {
		if k.n > 0 {
			out = append(out, pageCount{pageMarks[k.mark], grouped(k.n)})
		}
	}
	return out
}

// countWords says counts aloud: "2 added, 1 changed".
func countWords(c Counts) string {
	var parts []string
	for _, k := range pageCounts(c) {
		parts = append(parts, k.Count+" "+k.Word)
	}
	return strings.Join(parts, ", ")
}
