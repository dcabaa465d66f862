package ci

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// Verdict is what the change does to packets in one sentence, "" where that is
// not known: "3 rules changed, no packet's fate did" for one that does nothing.
func (r *Report) Verdict() string {
	switch p := r.Packets; {
	case p == nil || r.Equal:
		return ""
	case p.Changed:
		return p.Headline()
	case len(p.Structural) > 0:
		return "no packet's fate changed, " + strings.Join(p.Structural, " and ") + " aside"
	}
	n := 0
	for _, c := range r.Summary {
		n += c.total()
	}
	if n == 1 {
		return "1 change, and no packet's fate changed"
	}
	return grouped(n) + " changes, and no packet's fate changed"
}

// structuralNote says what was compared by its rules only.
func (p *Packets) structuralNote() string {
	if len(p.Structural) == 0 {
		return ""
	}
	return "compared by rules only, not by packets: " + strings.Join(p.Structural, ", ")
}

// nobody is what decides where there is no table.
const nobody = "no rule or policy: nothing filters these packets"

// packets writes the regions.
func (t textWriter) packets(p *Packets) {
	if note := p.structuralNote(); note != "" {
		fmt.Fprintf(t, "note: %s\n", note)
	}
	if s := p.proofSentence(); s != "" {
		color := faint
		if p.Proof.Disagree > 0 {
			color = red
		}
		fmt.Fprintf(t, "proof: %s\n", t.paint(color, s))
	}
	regions := p.told()
	for _, c := range changeWords {
		first := true
		for i := range regions {
			r := &regions[i]
			if r.Change != c.change {
				continue
			}
			if first {
				fmt.Fprintf(t, "\n%s\n", t.paint(bold, c.words))
				first = false
			}
			t.region(r)
		}
	}
	if p.Cut {
		fmt.Fprintln(t, "  … and more, which are left out")
	}
}

// changeColors are red for what is let in: that is what a reviewer must see.
var changeColors = map[packets.Change]string{packets.Allowed: red, packets.Blocked: green, packets.Other: yellow}

func (t textWriter) region(r *told) {
	fmt.Fprintf(t, "  %s %s  %s : %s\n", r.way(), r.Family, t.paint(changeColors[r.Change], termsafe.String(r.Match)),
		termsafe.String(r.Old+" → "+r.New))
	for _, side := range []struct {
		word  string
		rules []Decider
	}{{"was", r.OldRules}, {"is", r.NewRules}} {
		if len(side.rules) == 0 {
			fmt.Fprintf(t, "      %-8s%s\n", side.word, t.paint(faint, nobody))
		}
		for i := range side.rules {
			if i == mostDeciders {
				fmt.Fprintf(t, "      %-8s… and %s more rules\n", "", grouped(len(side.rules)-i))
				break
			}
			word := side.word
			if i > 0 {
				word = ""
			}
			fmt.Fprintf(t, "      %-8s%s\n", word, t.paint(faint, termsafe.String(side.rules[i].String())))
		}
	}
	for _, x := range r.examples() {
		fmt.Fprintf(t, "      %-8s%s\n", "example", termsafe.String(x.Example.String()))
		if x.Turn != nil {
			fmt.Fprintf(t, "      %-8s%s\n", "but", termsafe.String(x.Turn.String()))
		}
		if x.Proof != nil {
			color := faint
			if x.Proof.Wrong() {
				color = red
			}
			fmt.Fprintf(t, "      %-8s%s\n", "kernel", t.paint(color, termsafe.String(x.Proof.String())))
		}
	}
}

// mostDeciders is how many deciding rules of a region are named.
const mostDeciders = 3
