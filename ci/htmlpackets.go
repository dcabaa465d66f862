package ci

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// pagePackets are the regions.
type pagePackets struct {
	Regions []pageRegion
	Total   string
	// Journeys and Families are those that there are, to filter by.
	Journeys []string
	Families []string
	Changes  []pageChange
	Note     string
	Cut      string
}

type pageChange struct{ Change, Words string }

type pageRegion struct {
	Change, Words, Journey, Family string
	Match                          [][]string // the parts of each box
	Old, New                       pageFate
	Example                        string
	Was, Is                        []pageDecider // the first ones
	WasMore, IsMore                []pageDecider
	More                           string // how many, "" for none
	Left                           string // those that not even the fold names
}

// pageFate is an outcome: what becomes of the packet, and what else.
type pageFate struct{ Verdict, Rest string }

type pageDecider struct{ Place, Source, Text string }

// mostFolded is how many deciding rules of a region its fold names.
const mostFolded = 20

func (p *Packets) figures() (out []pageFigure) {
	for _, c := range changeWords {
		n := 0
		for i := range p.Regions {
			if p.Regions[i].Change == c.change {
				n++
			}
		}
		f := pageFigure{Count: grouped(n), Words: c.words, Change: string(c.change), None: n == 0}
		if p.Cut && n > 0 {
			f.Count += "+"
		}
		out = append(out, f)
	}
	return out
}

func (p *Packets) page(limit int) *pagePackets {
	out := &pagePackets{Total: grouped(len(p.Regions)), Note: p.structuralNote()}
	left := 0
	for _, c := range changeWords {
		seen := false
		for i := range p.Regions {
			r := &p.Regions[i]
			if r.Change != c.change {
				continue
			}
			x := r.page(c.words)
			if limit -= x.size(); limit < 0 {
				left++
				continue
			}
			seen = true
			out.Regions = append(out.Regions, x)
		}
		if seen {
			out.Changes = append(out.Changes, pageChange{string(c.change), c.words})
		}
	}
	for _, j := range packets.Journeys {
		if slices.ContainsFunc(out.Regions, func(r pageRegion) bool { return r.Journey == string(j) }) {
			out.Journeys = append(out.Journeys, string(j))
		}
	}
	for _, f := range []ruleset.Family{ruleset.IPv4, ruleset.IPv6} {
		if slices.ContainsFunc(out.Regions, func(r pageRegion) bool { return r.Family == string(f) }) {
			out.Families = append(out.Families, string(f))
		}
	}
	switch {
	case left > 0:
		out.Cut = fmt.Sprintf("%s more are left out to keep the page small; fwc diff prints them all.", grouped(left))
	case p.Cut:
		out.Cut = "There are more, beyond what a comparison looks for."
	}
	return out
}

func (r *Region) page(words string) pageRegion {
	out := pageRegion{Change: string(r.Change), Words: words, Journey: string(r.Journey), Family: string(r.Family),
		Match: matchParts(shown(r.Match, 2*mostLine)), Old: fateOf(r.Old), New: fateOf(r.New), Example: shown(r.Example.String(), mostWords)}
	was, is := pageDeciders(r.OldRules), pageDeciders(r.NewRules)
	more := max(0, len(was)-1) + max(0, len(is)-1)
	out.Was, out.Is = was[:min(1, len(was))], is[:min(1, len(is))]
	if more == 0 {
		return out
	}
	out.More = grouped(more) + " more deciding " + plural(more, "rule", "rules")
	out.WasMore, out.IsMore = was[len(out.Was):min(len(was), mostFolded)], is[len(out.Is):min(len(is), mostFolded)]
	if left := more - len(out.WasMore) - len(out.IsMore); left > 0 {
		out.Left = fmt.Sprintf("… and %s more", grouped(left))
	}
	return out
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func pageDeciders(list []Decider) (out []pageDecider) {
	for i := range list {
		d := &list[i]
		x := pageDecider{Place: shown(d.Table+" "+d.Chain, mostName), Source: shown(d.Source, mostName), Text: shown(d.Text, mostLine)}
		if d.Index > 0 {
			x.Place += " " + grouped(d.Index)
			if d.Source == "" && d.Line > 0 {
				x.Source = fmt.Sprintf("line %d", d.Line)
			}
		} else {
			x.Text = "policy " + x.Text
		}
		out = append(out, x)
	}
	return out
}

// size is about how many bytes the region takes.
func (r *pageRegion) size() int {
	n := 1200 + len(r.Old.Rest) + len(r.New.Rest) + len(r.Example)
	for _, box := range r.Match {
		for _, part := range box {
			n += 40 + len(part)
		}
	}
	for _, d := range slices.Concat(r.Was, r.Is, r.WasMore, r.IsMore) {
		n += 150 + len(d.Place) + len(d.Source) + len(d.Text)
	}
	return n
}

// matchParts cuts words as packets.Region has them: a box after each "; ", its
// parts two spaces apart.
func matchParts(words string) (out [][]string) {
	for box := range strings.SplitSeq(words, "; ") {
		out = append(out, strings.Split(box, "  "))
	}
	return out
}

func fateOf(outcome string) pageFate {
	verdict, rest, _ := strings.Cut(shown(outcome, mostWords), ", ")
	return pageFate{verdict, rest}
}
