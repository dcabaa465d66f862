package ci

import (
	"fmt"
	"strings"
)

// mostWords bounds a cell of the table of regions.
const mostWords = 400

// packets writes what the change does to packets: a sentence, and a table of
// the regions as far as there is room.
func (r *Report) packets(b *strings.Builder, limit int) {
	if r.PacketsError != "" {
		fmt.Fprintf(b, "**Packets: not compared:** %s\n\n", codeSpan(clip(r.PacketsError, mostLine)))
	}
	v := r.Verdict()
	if v == "" {
		return
	}
	fmt.Fprintf(b, "**Packets: %s**\n\n", v)
	p := r.Packets
	if note := p.structuralNote(); note != "" {
		fmt.Fprintf(b, "_%s_\n\n", strings.ToUpper(note[:1])+note[1:])
	}
	if len(p.Regions) == 0 {
		return
	}
	b.WriteString("| | Packets | Was | Is | Decided by |\n|:--|:--|:--|:--|:--|\n")
	left := 0
	for _, c := range changeWords {
		for i := range p.Regions {
			x := &p.Regions[i]
			if x.Change != c.change {
				continue
			}
			row := regionRow(x, c.words)
			if b.Len()+len(row) > limit {
				left++
				continue
			}
			b.WriteString(row)
		}
	}
	if left > 0 || p.Cut {
		more := "more"
		if left > 0 {
			more = grouped(left) + " more"
		}
		fmt.Fprintf(b, "| | … and %s | | | |\n", more)
	}
	b.WriteString("\n")
}

func regionRow(x *Region, change string) string {
	place := fmt.Sprintf("%s %s", x.Journey, x.Family)
	what := cellSpan(clip(place+"  "+x.Match, mostWords)) + "<br>e.g. " + cellSpan(clip(x.Example.String(), mostWords))
	var by []string
	for _, d := range []*Decider{x.OldRule, x.NewRule} {
		if d != nil {
			by = append(by, cellSpan(clip(d.String(), mostWords)))
		}
	}
	return fmt.Sprintf("| **%s** | %s | %s | %s | %s |\n", change, what, cellSpan(clip(x.Old, mostName)), cellSpan(clip(x.New, mostName)),
		strings.Join(by, "<br>"))
}
