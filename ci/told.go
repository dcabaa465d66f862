package ci

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset/packets"
)

// told is a region as people are told of it. A translated packet comes to this
// host or goes through it, and which addresses are this host's the rules do not
// say: what both journeys have in common is said once.
type told struct {
	Region
	// also is the region of the other journey, nil for none.
	also *Region
}

// told are the regions in the order of reports.
func (p *Packets) told() []told {
	out := make([]told, 0, len(p.Regions))
	for i := range p.Regions {
		r := &p.Regions[i]
		k := -1
		if r.translated() {
			k = slices.IndexFunc(out, func(o told) bool { return o.also == nil && o.twin(r) })
		}
		if k < 0 {
			out = append(out, told{Region: *r})
			continue
		}
		o := &out[k]
		o.also = r
		o.OldRules, o.NewRules = both(o.OldRules, r.OldRules), both(o.NewRules, r.NewRules)
	}
	return out
}

// translated says that one side gives the packets another destination.
func (r *Region) translated() bool {
	return (r.Journey == packets.Input || r.Journey == packets.Forward) &&
		(strings.Contains(r.Old, ", DNAT ") || strings.Contains(r.New, ", DNAT "))
}

// twin says that two regions differ in the journey alone, and in the rules that
// decide there.
func (r *Region) twin(o *Region) bool {
	return r.translated() && r.Journey != o.Journey && r.Family == o.Family && r.Change == o.Change && r.Old == o.Old && r.New == o.New &&
		r.Match == o.Match && r.Cut == o.Cut && r.Turn == nil && o.Turn == nil
}

func both(list, more []Decider) []Decider {
	list = slices.Clone(list)
	for _, d := range more {
		if !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return list
}

// way is the journey, or both.
func (t *told) way() string {
	if t.also != nil {
		return string(packets.Input) + " or " + string(packets.Forward)
	}
	return string(t.Journey)
}

// examples are the regions whose examples are worth a line: what kernels made of
// the second one is.
func (t *told) examples() []*Region {
	if t.also == nil || t.Proof == nil && t.also.Proof == nil {
		return []*Region{&t.Region}
	}
	return []*Region{&t.Region, t.also}
}
