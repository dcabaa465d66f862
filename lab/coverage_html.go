package lab

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

//go:embed coverage.html
var coveragePage string

var coverageTemplate = template.Must(template.New("coverage").Parse(coveragePage))

// CoverageSource is what a coverage page shows beside the rules.
type CoverageSource struct {
	Title  string
	Script string // the name that the rules' sources have
	Text   []byte // of the script; nil if it is not at hand
}

type coverageView struct {
	Title, Share string
	Percent      float64
	Script       string
	Lines        []coverageLine
	Chains       []coverageChain
}

// coverageLine is a line of the script. Class is met, part or unmet, and "" for
// a line that made no rule; Packets is how many met its rules.
type coverageLine struct {
	N                          int
	Packets, Text, Class, Note string
}

type coverageChain struct {
	Place, Share string
	Counted      bool
	Rules        []coverageRule
}

type coverageRule struct {
	Class, Packets, Source, Text string
}

// HTML writes the coverage as one page without anything from elsewhere: the
// script, its lines coloured, and the chains with each rule's packets.
func (c *Coverage) HTML(w io.Writer, src CoverageSource) error {
	v := coverageView{Title: src.Title, Share: share(c.Met, c.Rules), Percent: c.Percent(), Script: src.Script}
	type tally struct {
		rules, met int
		packets    uint64
	}
	lines := map[int]*tally{}
	for i := range c.Chains {
		ch := &c.Chains[i]
		cc := coverageChain{Place: ch.place(), Share: share(ch.met(), len(ch.Rules)), Counted: ch.Counted}
		for j, r := range ch.Rules {
			cr := coverageRule{Class: "unmet", Packets: fmt.Sprint(r.Packets), Source: r.Source, Text: termsafe.String(ch.command(j))}
			switch {
			case !ch.Counted:
				cr.Class, cr.Packets = "", "?"
			case r.Packets > 0:
				cr.Class = "met"
			}
			cc.Rules = append(cc.Rules, cr)
			if !ch.Counted || r.File != src.Script || r.Line < 1 {
				continue
			}
			t := lines[r.Line]
			if t == nil {
				t = &tally{}
				lines[r.Line] = t
			}
			t.rules++
			t.packets += r.Packets
			if r.Packets > 0 {
				t.met++
			}
		}
		if n := ch.PolicyPackets; n != nil {
			// One that lets everything pass is no rule that wants a test.
			class := map[bool]string{true: "unmet", false: "met"}[ch.untested()]
			if *n == 0 && !drops(ch.Policy) {
				class = ""
			}
			cc.Rules = append(cc.Rules, coverageRule{Class: class, Packets: fmt.Sprint(*n), Text: termsafe.String(ch.policyCommand())})
		}
		v.Chains = append(v.Chains, cc)
	}
	if src.Text != nil {
		for n, text := range strings.Split(strings.TrimSuffix(string(src.Text), "\n"), "\n") {
			l := coverageLine{N: n + 1, Text: termsafe.String(strings.TrimSuffix(text, "\r"))}
			if t := lines[n+1]; t != nil {
				l.Class = map[bool]string{true: "met", false: "part"}[t.met == t.rules]
				if t.met == 0 {
					l.Class = "unmet"
				}
				l.Note, l.Packets = fmt.Sprintf("%d of %d rules met", t.met, t.rules), fmt.Sprint(t.packets)
			}
			v.Lines = append(v.Lines, l)
		}
	}
	return coverageTemplate.Execute(w, v)
}
