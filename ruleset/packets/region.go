package packets

import (
	"cmp"
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// Change says what became of a region's packets.
type Change string

// The changes.
const (
	Allowed Change = "allowed"
	Blocked Change = "blocked"
	Other   Change = "other" // another answer, translation or mark
)

var changeOrder = []Change{Allowed, Blocked, Other}

// Region is a set of packets that two snapshots treat in two ways.
type Region struct {
	Journey Journey
	Family  ruleset.Family
	Change  Change
	// Old and New are what becomes of all of its packets; Partly says what else
	// becomes of some. Of a region that is neither newly allowed nor newly
	// blocked they say what changed.
	Old, New Outcome
	// Boxes are the packets, exactly; a packet may be in several. More are
	// left out where Options bound them: then Cut is true.
	Boxes []Box
	Cut   bool
	// OldRules and NewRules decide on each side, that of Example first.
	OldRules, NewRules []Step
	// Example is one of the packets, ExampleOld and ExampleNew are what becomes of
	// it, in full.
	Example                Packet
	ExampleOld, ExampleNew Outcome
	// Turn is what becomes of Example if a translation takes it another way than
	// Journey, nil where that is nothing else.
	Turn *Turn

	words string
}

// Words returns the region in one line: "tcp  any → 192.0.2.5:8800  in eth0". It
// is the shorter of the boxes and one box "except" a few. Where the fates have an
// If, it is of all packets that they are about.
func (r *Region) Words() string { return r.words }

// Conditions returns the unknowns that the region depends on.
func (r *Region) Conditions() []Condition {
	var out []Condition
	for _, b := range r.Boxes {
		for _, c := range b.Conditions {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// regions returns parts as reported.
func (d *differ) regions(j Journey, parts []*part, domain node) ([]Region, bool) {
	parts = d.reckoned(d.neighbours(d.merge(parts), domain))
	slices.SortStableFunc(parts, func(a, b *part) int {
		return cmp.Or(slices.Index(changeOrder, a.kind)-slices.Index(changeOrder, b.kind),
			d.compareSteps(a.newBy, b.newBy), d.compareSteps(a.oldBy, b.oldBy), cmp.Compare(a.group.key, b.group.key))
	})
	cut := len(parts) > d.opts.MaxRegions
	if cut {
		parts = parts[:d.opts.MaxRegions]
	}
	regions := make([]Region, 0, len(parts))
	for _, p := range parts {
		// What the words for one take is of no use to the next.
		w, in := d.fork(nil)
		regions = append(regions, w.region(j, d.moved(p, in), in.node(domain)))
	}
	return regions, cut
}

// moved is a part in another store, with its own share of the group's fates.
func (d *differ) moved(p *part, to *copier) *part {
	q, g := *p, *p.group
	q.group, g.fates = &g, nil
	for _, f := range p.group.fates {
		if n := d.and(p.where, f.where); n != falseNode {
			f.where = to.node(n)
			g.fates = append(g.fates, f)
		}
	}
	q.where, q.first = to.node(p.where), to.node(p.first)
	if p.rate != nil {
		q.whole, q.half = to.node(p.whole), to.node(p.half)
	}
	return &q
}

// region is a part as reported.
func (d *differ) region(j Journey, p *part, domain node) Region {
	r := Region{Journey: j, Family: d.new.family, Change: p.kind}
	if p.boxes == nil {
		p.boxes, p.cut = d.boxes(p.where, domain)
	}
	r.Boxes, r.Cut = p.boxes, p.cut
	if r.words = d.telling(p.where, domain, r.Boxes, r.Cut); p.rate != nil {
		boxes, cut := d.boxes(p.whole, domain)
		r.words = d.telling(p.whole, domain, boxes, cut)
	}
	var exactly node
	r.Example, exactly = d.example(j, p.first)
	var old, new []Outcome
	for _, f := range p.group.fates {
		if d.and(p.where, f.where) != falseNode {
			old, new = append(old, f.old), append(new, f.new)
		}
		if d.and(exactly, f.where) != falseNode {
			r.ExampleOld, r.ExampleNew = f.old, f.new
		}
	}
	if p.kind == Other {
		r.Example = d.telltale(j, r.Example)
	}
	r.Old, r.New = together(old), together(new)
	if p.kind == Other {
		r.Old.Partly, r.New.Partly = nil, nil
	}
	if p.rate != nil {
		r.Old, r.New = d.reckonedFates(p)
	}
	r.OldRules, r.NewRules = d.steps(p.oldBy), d.steps(p.newBy)
	if r.OldRules == nil {
		r.OldRules = d.old.deciding(j, r.Example)
	}
	if r.NewRules == nil {
		r.NewRules = d.new.deciding(j, r.Example)
	}
	r.Turn = d.turn(j, &r)
	return r
}

// telltale returns the example with a mark by which the two outcomes differ,
// where they differ in marks and come to the same for those that it has.
func (d *differ) telltale(j Journey, example Packet) Packet {
	end := func(p *program, packet Packet) (string, [2]uint32) {
		t := tracer{program: p, packet: packet, journey: j, effect: noEffect}
		o, _ := t.run()
		return o.String() + " " + itoa(int(t.packet.TOS)), [2]uint32{t.packet.Mark, t.packet.Connmark}
	}
	old, a := end(d.old, example)
	new, b := end(d.new, example)
	if old == new || a != b {
		return example
	}
	for _, marks := range [][2]uint32{{1<<32 - 1, example.Connmark}, {example.Mark, 1<<32 - 1}} {
		p := example
		p.Mark, p.Connmark = marks[0], marks[1]
		if p.State == StateNew {
			p.Connmark = example.Connmark
		}
		old2, a := end(d.old, p)
		new2, b := end(d.new, p)
		if old2 == old && new2 == new && a != b {
			return p
		}
	}
	return example
}

// deciding is the rule or policy that decides over one packet.
func (p *program) deciding(j Journey, packet Packet) []Step {
	t := tracer{program: p, packet: packet, journey: j, effect: noEffect}
	t.run()
	return t.decided
}

// steps returns the rules of deciders.
func (d *differ) steps(by []int32) []Step {
	var out []Step
	for _, n := range by {
		out = append(out, d.deciders[n].step())
	}
	return out
}

func (x decider) step() Step {
	if x.rule != nil {
		return x.rule.step()
	}
	return x.chain.policyStep()
}

// policyStep is a base chain's policy.
func (c *chain) policyStep() Step {
	s := Step{Backend: c.table.backend, Table: c.table.name, Chain: c.name, Text: "ACCEPT", Source: c.set}
	if c.policy.kind == finish {
		s.Text = "DROP"
	}
	return s
}

func (d *differ) compareSteps(a, b []int32) int {
	return slices.CompareFunc(d.steps(a), d.steps(b), func(x, y Step) int {
		return cmp.Or(cmp.Compare(x.Table, y.Table), cmp.Compare(x.Chain, y.Chain), cmp.Compare(x.Index, y.Index))
	})
}
