package packets

import (
	"cmp"
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// Space is the packet space of one family of a snapshot.
type Space struct{ program *program }

// New reads the tables of a family, ruleset.IPv4 or ruleset.IPv6, and the
// ipsets. A nil snapshot is one that accepts everything. Errors are a
// *LoopError, and those of rules that no parser of dumps lets through.
func New(s *ruleset.Snapshot, family ruleset.Family) (*Space, error) {
	p, err := load(newSharedUniverse(family, s), &specs{map[string]*xtables.Spec{}, map[string]*reading{}}, s, family, nil)
	if err != nil {
		return nil, err
	}
	return &Space{p}, nil
}

// Pair is New of two snapshots that are compared: an Atom of the one and of the
// other are the same where Diff takes them for the same, so that the Example
// of a Region holds in both.
func Pair(old, new *ruleset.Snapshot, family ruleset.Family) (a, b *Space, err error) {
	u := newSharedUniverse(family, old, new)
	shared := &specs{map[string]*xtables.Spec{}, map[string]*reading{}}
	x, err := load(u, shared, old, family, nil)
	if err != nil {
		return nil, nil, err
	}
	y, err := load(u, shared, new, family, align(old, new))
	if err != nil {
		return nil, nil, err
	}
	return &Space{x}, &Space{y}, nil
}

// Rules returns how many rules the family has, and how many of them hold an
// unknown.
func (s *Space) Rules() (all, withAtoms int) { return s.program.rules, s.program.unknown }

// Atoms returns the unknowns, by text.
func (s *Space) Atoms() []Atom {
	out := slices.Clone(s.program.atoms)
	slices.SortFunc(out, compareAtoms)
	return out
}

func compareAtoms(a, b Atom) int { return cmp.Compare(a.String(), b.String()) }

// Step is a rule that a packet fits, or a policy that it meets.
type Step struct {
	Backend ruleset.Backend
	Table   string
	Chain   string
	// Index is the rule's place from 1, 0 for the policy.
	Index  int
	Text   string // of the rule, or the policy's name
	Line   int    // of the dump, 0 if unknown
	Source ruleset.Position
}

// Verdict follows one packet and returns what becomes of it and the rules that
// it fits, in order. Of a translation to one of several destinations it takes
// the first.
func (s *Space) Verdict(j Journey, p Packet) (Outcome, []Step) {
	t := tracer{program: s.program, packet: p, journey: j, effect: noEffect}
	return t.run()
}
