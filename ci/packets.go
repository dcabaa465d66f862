package ci

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// Packets is what the difference of two firewalls does to packets.
type Packets struct {
	// Changed says whether any packet's fate changed.
	Changed bool `json:"changed"`
	// Regions are the packets whose fate changed. Cut says that there are more.
	Regions []Region `json:"regions"`
	Cut     bool     `json:"cut,omitempty"`
	// Structural names what changed and is compared by its rules only, such as
	// "bridge".
	Structural []string `json:"structural,omitempty"`
	// Proof counts the regions' proofs, nil where nobody asked; see AddProofs.
	Proof *Proofs `json:"proof,omitempty"`
	// Compared are the regions as they were found, in the order of Regions.
	Compared []packets.Region `json:"-"`
}

// Region is a set of packets with a former and a new fate.
type Region struct {
	Journey packets.Journey `json:"journey"`
	Family  ruleset.Family  `json:"family"`
	Change  packets.Change  `json:"change"`
	Old     string          `json:"old"`
	New     string          `json:"new"`
	// Match is the set in words, Space exactly: a packet is in it if it is in
	// one of the boxes. Cut says that boxes are left out.
	Match string `json:"match"`
	Space []Box  `json:"space"`
	Cut   bool   `json:"cut,omitempty"`
	// Conditions are matches that are not looked into: "if -m limit …".
	Conditions []string `json:"conditions,omitempty"`
	// OldRule and NewRule decide over Example, OldRules and NewRules over all of
	// the region.
	OldRule  *Decider  `json:"oldRule,omitempty"`
	NewRule  *Decider  `json:"newRule,omitempty"`
	OldRules []Decider `json:"oldRules,omitempty"`
	NewRules []Decider `json:"newRules,omitempty"`
	Example  Example   `json:"example"`
	// Turn is what becomes of Example if a translation takes it another way than
	// Journey, nil where that is nothing else.
	Turn *Turn `json:"turn,omitempty"`
	// Proof is what kernels made of Example, nil where nobody asked.
	Proof *Proof `json:"proof,omitempty"`
}

// Turn is packets.Turn.
type Turn struct {
	Side    string          `json:"side"` // "old" or "new"
	Journey packets.Journey `json:"journey"`
	// Address is this host's where Journey is input, another's where it is
	// forward.
	Address netip.Addr `json:"address"`
	Fate    string     `json:"fate"`
	Rule    *Decider   `json:"rule,omitempty"`
}

// String is the turn in words: "dropped now if 10.0.0.5 is another host's: filter
// FORWARD  policy DROP".
func (t *Turn) String() string {
	s := t.short()
	if t.Rule != nil {
		s += ": " + t.Rule.String()
	}
	return s
}

// short is String without the rule.
func (t *Turn) short() string {
	when, whose := "before", "this host's"
	if t.Side == "new" {
		when = "now"
	}
	if t.Journey == packets.Forward {
		whose = "another host's"
	}
	return fmt.Sprintf("%s %s if %s is %s", t.Fate, when, t.Address, whose)
}

// Decider is a rule or a policy.
type Decider struct {
	Backend ruleset.Backend `json:"backend"`
	Table   string          `json:"table"`
	Chain   string          `json:"chain"`
	// Index is the rule's place from 1, absent for a policy.
	Index  int    `json:"index,omitempty"`
	Text   string `json:"text"` // of the rule, or the policy's name
	Line   int    `json:"line"` // of the dump, 0 if unknown
	Source string `json:"source,omitempty"`
}

// String is the decider in one line: "filter FORWARD 3 (fw.sh:42)  -j ACCEPT".
func (d *Decider) String() string {
	s := d.Table + " " + d.Chain
	if d.Index > 0 {
		s += " " + strconv.Itoa(d.Index)
	}
	if d.Source != "" {
		s += " (" + d.Source + ")"
	}
	if d.Index == 0 {
		return s + "  policy " + d.Text
	}
	return s + "  " + d.Text
}

// ComparePackets adds to the report what the change does to packets. Where the
// two sides cannot be compared so within the bounds of memory, or a dump is one
// that no kernel loads, the report says so in PacketsError.
// The error is the context's.
func (r *Report) ComparePackets(ctx context.Context, old, new Side) error {
	rep, err := packets.Diff(ctx, old.Snapshot, new.Snapshot, packets.Options{})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		r.PacketsError = valid(err.Error())
		return nil
	}
	p := &Packets{Changed: len(rep.Regions) > 0, Regions: []Region{}, Cut: rep.Cut, Structural: rep.Structural, Compared: rep.Regions}
	for i := range rep.Regions {
		p.Regions = append(p.Regions, regionOf(&rep.Regions[i]))
	}
	r.Packets = p
	return nil
}

func regionOf(x *packets.Region) Region {
	out := Region{Journey: x.Journey, Family: x.Family, Change: x.Change, Old: valid(x.Old.String()), New: valid(x.New.String()),
		Match: valid(x.Words()), Space: []Box{}, Cut: x.Cut, OldRules: deciders(x.OldRules), NewRules: deciders(x.NewRules),
		Example: exampleOf(&x.Example)}
	for _, c := range x.Conditions() {
		out.Conditions = append(out.Conditions, valid(c.String()))
	}
	if t := x.Turn; t != nil {
		out.Turn = &Turn{Side: "old", Journey: t.Journey, Address: t.Address, Fate: valid(t.Outcome.String())}
		if t.New {
			out.Turn.Side = "new"
		}
		if by := deciders(t.Rules); len(by) > 0 {
			out.Turn.Rule = &by[0]
		}
	}
	for i := range x.Boxes {
		out.Space = append(out.Space, boxOf(&x.Boxes[i]))
	}
	if len(out.OldRules) > 0 {
		out.OldRule = &out.OldRules[0]
	}
	if len(out.NewRules) > 0 {
		out.NewRule = &out.NewRules[0]
	}
	return out
}

func deciders(steps []packets.Step) (out []Decider) {
	for _, s := range steps {
		out = append(out, Decider{Backend: s.Backend, Table: valid(s.Table), Chain: valid(s.Chain), Index: s.Index,
			Text: valid(s.Text), Line: s.Line, Source: valid(s.Source.String())})
	}
	return out
}

// Headline is the comparison in one line: "2 newly allowed, 1 newly blocked".
func (p *Packets) Headline() string {
	count := map[packets.Change]int{}
	for _, r := range p.told() {
		count[r.Change]++
	}
	var parts []string
	for _, c := range changeWords {
		if n := count[c.change]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", grouped(n), c.words))
		}
	}
	if p.Cut {
		parts = append(parts, "and more")
	}
	if len(parts) == 0 {
		return "no packet's fate changed"
	}
	s := parts[0]
	for _, part := range parts[1:] {
		s += ", " + part
	}
	return s
}

// changeWords are the changes in the order of reports.
var changeWords = []struct {
	change packets.Change
	words  string
}{{packets.Allowed, "newly allowed"}, {packets.Blocked, "newly blocked"}, {packets.Other, "changed otherwise"}}
