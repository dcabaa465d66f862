package ci

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// pagePackets are the regions, those with the same deciding rules together.
type pagePackets struct {
	Cases []pageCase
	// Journeys and Families are those that there are, to filter by.
	Journeys []string
	Families []string
	Changes  []pageChange
	Note     string
	Proof    string
	Cut      string
}

type pageChange struct{ Change, Words string }

// pageCase is the regions over which the same two rules decide: they differ in
// what else becomes of their packets.
type pageCase struct {
	Change, Words, Journey, Family string
	Regions                        []pageRegion
	Was, Is                        []pageDecider // the first ones
	WasMore, IsMore                []pageDecider
	Examples                       []pageExample // of the regions but the first
	More                           string        // how many of these, "" for none
	Left                           string        // those that not even the fold names
	was, is                        []Decider
}

// Rows is how many rows the case takes: one a region, and why.
func (c pageCase) Rows() int { return len(c.Regions) + 1 }

type pageRegion struct {
	Match    [][]string // the parts of each box
	Old, New pageFate
	Example  pageExample
}

// pageExample is a packet, and what kernels made of it.
type pageExample struct {
	Packet, Turn, Proof string
	Wrong               bool
}

// pageFate is an outcome: what becomes of the packet, and what else.
type pageFate struct{ Verdict, Rest string }

type pageDecider struct{ Place, Source, Text string }

// mostFolded is how many deciding rules of a region its fold names.
const mostFolded = 20

func (p *Packets) figures() (out []pageFigure) {
	regions := p.told()
	for _, c := range changeWords {
		n := 0
		for _, r := range regions {
			if r.Change == c.change {
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
	out := &pagePackets{Note: p.structuralNote(), Proof: p.proofSentence()}
	left := 0
	index := map[string]int{}
	p.each(func(r *told, words string) {
		x := r.page()
		if limit -= x.size(); limit < 0 {
			left++
			return
		}
		key := fmt.Sprintf("%s %s %s\n%v\n%v", r.Change, r.way(), r.Family, r.OldRule, r.NewRule)
		at, ok := index[key]
		if !ok {
			at = len(out.Cases)
			index[key] = at
			out.Cases = append(out.Cases, pageCase{Change: string(r.Change), Words: words, Journey: r.way(), Family: string(r.Family)})
			if n := len(out.Changes); n == 0 || out.Changes[n-1].Words != words {
				out.Changes = append(out.Changes, pageChange{string(r.Change), words})
			}
		}
		c := &out.Cases[at]
		c.Regions = append(c.Regions, x)
		for _, also := range r.examples()[1:] {
			c.Examples = append(c.Examples, also.example())
		}
		c.was, c.is = union(c.was, r.OldRules), union(c.is, r.NewRules)
	})
	for i := range out.Cases {
		out.Cases[i].why()
	}
	has := func(f func(*pageCase) bool) bool {
		for i := range out.Cases {
			if f(&out.Cases[i]) {
				return true
			}
		}
		return false
	}
	for _, j := range packets.Journeys {
		if has(func(c *pageCase) bool { return slices.Contains(strings.Fields(c.Journey), string(j)) }) {
			out.Journeys = append(out.Journeys, string(j))
		}
	}
	for _, f := range []ruleset.Family{ruleset.IPv4, ruleset.IPv6} {
		if has(func(c *pageCase) bool { return c.Family == string(f) }) {
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

// union adds the rules that are not there yet, as many as a fold may name and
// one more.
func union(list, more []Decider) []Decider {
	for _, d := range more {
		if len(list) <= mostFolded && !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return list
}

func (r *Region) page() pageRegion {
	return pageRegion{Match: matchParts(shown(r.Match, 2*mostLine)), Old: fateOf(r.Old), New: fateOf(r.New), Example: r.example()}
}

func (r *Region) example() pageExample {
	x := pageExample{Packet: shown(r.Example.String(), mostWords), Wrong: r.Proof.Wrong()}
	if r.Turn != nil {
		x.Turn = shown(r.Turn.String(), mostWords)
	}
	if r.Proof != nil {
		x.Proof = shown(r.Proof.String(), mostWords)
	}
	return x
}

// why sets what decides, and what of it is folded.
func (c *pageCase) why() {
	was, is := pageDeciders(c.was), pageDeciders(c.is)
	c.Was, c.Is = was[:min(1, len(was))], is[:min(1, len(is))]
	c.WasMore, c.IsMore = was[len(c.Was):min(len(was), mostFolded)], is[len(c.Is):min(len(is), mostFolded)]
	if len(was) > mostFolded || len(is) > mostFolded {
		c.Left = "… and more rules"
	}
	for _, r := range c.Regions[1:min(len(c.Regions), mostFolded)] {
		c.Examples = append(c.Examples, r.Example)
	}
	var parts []string
	if n := len(c.WasMore) + len(c.IsMore); n > 0 {
		parts = append(parts, fmt.Sprintf("%d more %s", n, plural(n, "rule", "rules")))
	}
	if n := len(c.Examples); n > 0 {
		parts = append(parts, fmt.Sprintf("%d more %s", n, plural(n, "example", "examples")))
	}
	c.More = strings.Join(parts, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func pageDeciders(list []Decider) (out []pageDecider) {
	if len(list) == 0 {
		return []pageDecider{{Place: nobody}}
	}
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

// size is about how many bytes the region takes, with what decides over it.
func (r *pageRegion) size() int {
	n := 2500 + len(r.Old.Rest) + len(r.New.Rest) + 2*len(r.Example.Packet) + 2*len(r.Example.Turn) + 2*len(r.Example.Proof)
	for _, box := range r.Match {
		for _, part := range box {
			n += 40 + len(part)
		}
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
