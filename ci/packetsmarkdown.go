package ci

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset/packets"
)

const (
	mostWords = 400 // characters of a cell of the table of regions
	mostFate  = 200 // characters of a fate there
	mostRows  = 8   // regions of a kind in that table; the details have the others
)

// packets writes what the change does to packets: a table of each kind's first
// regions as far as there is room. What decides over them is in packetsSection.
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
	if s := p.proofSentence(); s != "" {
		mark := "_"
		if p.Proof.Disagree > 0 {
			mark = "**"
		}
		fmt.Fprintf(b, "%s%s%s\n\n", mark, s, mark)
	}
	regions := p.told()
	for _, c := range changeWords {
		var rows []string
		for i := range regions {
			if x := &regions[i]; x.Change == c.change {
				rows = append(rows, regionRow(x))
			}
		}
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintf(b, "**%s** (%s)\n\n| | Packets | Fate |\n|:--|:--|:--|\n", strings.ToUpper(c.words[:1])+c.words[1:], grouped(len(rows)))
		for i, row := range rows {
			if i == mostRows || b.Len()+len(row) > limit {
				fmt.Fprintf(b, "| | … and %s more | |\n", grouped(len(rows)-i))
				break
			}
			b.WriteString(row)
		}
		b.WriteString("\n")
	}
	if p.Cut {
		b.WriteString("_There are more, which are left out._\n\n")
	}
}

// regionRow is a region in a table. What else becomes of packets that newly
// get through, or no longer do, is in the details.
func regionRow(x *told) string {
	old, new, arrow := x.Old, x.New, " → "
	if x.Change != packets.Other {
		old, new, arrow = verdictOf(old), verdictOf(new), "&nbsp;→&nbsp;"
	}
	but := ""
	if x.Turn != nil {
		but = ", but " + cellSpan(clip(x.Turn.short(), mostFate))
	}
	return fmt.Sprintf("| %s&nbsp;%s | %s | %s%s%s%s |\n", strings.ReplaceAll(x.way(), " ", "&nbsp;"), x.Family, cellSpan(clip(x.Match, mostWords)),
		cellSpan(clip(old, mostFate)), arrow, cellSpan(clip(new, mostFate)), but)
}

// verdictOf is an outcome without what comes with it, but for where a packet
// goes instead.
func verdictOf(outcome string) string {
	parts := strings.Split(outcome, ", ")
	verdict := parts[0]
	for _, p := range parts[1:] {
		name, _, _ := strings.Cut(strings.TrimPrefix(p, "partly "), " ")
		if name == "DNAT" || name == "REDIRECT" || name == "NETMAP" {
			verdict += ", " + p
		}
	}
	return verdict
}

// each calls f for the regions in the order of reports.
func (p *Packets) each(f func(r *told, change string)) {
	regions := p.told()
	for _, c := range changeWords {
		for i := range regions {
			if regions[i].Change == c.change {
				f(&regions[i], c.words)
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
	r.Packets.each(func(x *told, change string) {
		s.lines = append(s.lines, line{mark: heading, text: fmt.Sprintf("%s: %s %s  %s", change, x.way(), x.Family, x.Match)})
		for _, side := range []struct {
			mark  mark
			fate  string
			rules []Decider
		}{{removed, x.Old, x.OldRules}, {added, x.New, x.NewRules}} {
			text := side.fate
			if len(side.rules) == 0 {
				text += " by " + nobody
			}
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
		for _, x := range x.examples() {
			s.lines = append(s.lines, line{mark: unchanged, text: "example: " + x.Example.String()})
			if x.Turn != nil {
				s.lines = append(s.lines, line{mark: unchanged, text: "but: " + x.Turn.String()})
			}
			if x.Proof != nil {
				s.lines = append(s.lines, line{mark: unchanged, text: "kernel: " + x.Proof.String()})
			}
		}
	})
	return s
}
