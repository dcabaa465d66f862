package ci

import (
	"fmt"
	"strings"
)

const (
	mostWords = 400 // characters of a cell of the table of regions
	mostRows  = 25  // regions of that table; the details have the others
)

// packets writes what the change does to packets: a table of the first regions
// as far as there is room. What decides over them is in packetsSection.
func (r *Report) packets(b *strings.Builder, limit int) {
	if r.PacketsError != "" {
		fmt.Fprintf(b, "**Packets: not compared:** %s\n\n", codeSpan(clip(r.PacketsError, mostLine)))
	}
	if r.Verdict() == "" {
		return
	}
	p := r.Packets
	if note := p.structuralNote(); note != "" {
		fmt.Fprintf(b, "_%s_\n\n", strings.ToUpper(note[:1])+note[1:])
	}
	if len(p.Regions) == 0 {
		return
	}
	b.WriteString("| | | Packets | Fate |\n|:--|:--|:--|:--|\n")
	rows, left := 0, 0
	p.each(func(x *Region, change string) {
		row := fmt.Sprintf("| **%s** | %s&nbsp;%s | %s | %s → %s |\n", change, x.Journey, x.Family, cellSpan(clip(x.Match, mostWords)),
			cellSpan(clip(x.Old, mostName)), cellSpan(clip(x.New, mostName)))
		if rows == mostRows || b.Len()+len(row) > limit {
			left++
			return
		}
		rows++
		b.WriteString(row)
	})
	switch {
	case left > 0:
		fmt.Fprintf(b, "| | | … and %s more | |\n", grouped(left))
	case p.Cut:
		b.WriteString("| | | … and more | |\n")
	}
	b.WriteString("\n")
}

// each calls f for the regions in the order of reports.
func (p *Packets) each(f func(r *Region, change string)) {
	for _, c := range changeWords {
		for i := range p.Regions {
			if p.Regions[i].Change == c.change {
				f(&p.Regions[i], c.words)
			}
		}
	}
}

// packetsSection is what decides over each region, and an example of it.
func (r *Report) packetsSection() (s section) {
	if r.Packets == nil {
		return s
	}
	s.title = "The rules that decide, and an example packet of each"
	r.Packets.each(func(x *Region, change string) {
		s.lines = append(s.lines, line{mark: heading, text: fmt.Sprintf("%s: %s %s  %s", change, x.Journey, x.Family, x.Match)})
		for _, side := range []struct {
			mark  mark
			fate  string
			rules []Decider
		}{{removed, x.Old, x.OldRules}, {added, x.New, x.NewRules}} {
			text := side.fate
			for i := range side.rules {
				if i == mostDeciders {
					text = fmt.Sprintf("… and %s more rules", grouped(len(side.rules)-i))
				} else {
					text += mayBe(i == 0, " by ") + side.rules[i].String()
				}
				s.lines = append(s.lines, line{mark: side.mark, text: text})
				if text = "  "; i == mostDeciders {
					break
				}
			}
			if len(side.rules) == 0 {
				s.lines = append(s.lines, line{mark: side.mark, text: text})
			}
		}
		s.lines = append(s.lines, line{mark: unchanged, text: "example: " + x.Example.String()})
	})
	return s
}
