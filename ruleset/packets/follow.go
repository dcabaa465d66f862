package packets

import "slices"

// Way is what becomes of one packet, and all that has a part in it.
type Way struct {
	Outcome Outcome
	// Steps are the rules that the packet fits, in order.
	Steps []Step
	// Final is the packet as it is where its way ends, dropped or not. Its time
	// to live is what it would have come in with.
	Final Packet
	// MarkMade and ConnmarkMade say that nobody knows the final mark: a rule made
	// it in a way that is not followed.
	MarkMade, ConnmarkMade bool
	// Asked are the unknowns whose value counted, in order of their text.
	Asked []Atom
}

// Follow is Verdict with all that has a part in it.
func (s *Space) Follow(j Journey, p Packet) Way {
	t := tracer{program: s.program, packet: p, journey: j, effect: noEffect, asked: map[Atom]bool{}}
	w := Way{}
	w.Outcome, w.Steps = t.run()
	w.Final, w.MarkMade, w.ConnmarkMade = t.packet, t.effect.markMade, t.effect.connmarkMade
	for a := range t.asked {
		w.Asked = append(w.Asked, a)
	}
	slices.SortFunc(w.Asked, compareAtoms)
	return w
}
