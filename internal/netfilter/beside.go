package netfilter

import (
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

// Object is a named set, map, flowtable or stateful object of nft.
type Object struct {
	Family     ruleset.Family
	Table      string
	Kind, Name string
	Elements   int // of a set or map
}

// Beside returns the objects of nft in tables that are named as those of an
// iptables program. Its save prints none of them.
func (s *State) Beside() (out []Object) {
	for i := range s.whole {
		t := &s.whole[i]
		if nft.OwnedChains(t.family, t.name) == nil {
			continue
		}
		for _, o := range t.objects {
			out = append(out, Object{Family: t.family, Table: t.name, Kind: o.kind, Name: o.name, Elements: len(o.elems)})
		}
	}
	return out
}
