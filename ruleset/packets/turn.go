package packets

import (
	"net/netip"
	"slices"
)

// Turn is what becomes of a region's example on one side if the packet goes
// another way there. A region is about one journey on both sides; but what a
// side translates may come to this host on that side alone, or go through it on
// that side alone, and which addresses are this host's nobody here knows.
type Turn struct {
	// New says that it is about the new side, else the old one.
	New bool
	// Journey is the other way, Input or Forward.
	Journey Journey
	// Address decides: the packet goes the other way if it is this host's, or,
	// where Journey is Forward, if it is not.
	Address netip.Addr
	// Outcome and Rules are what becomes of it there.
	Outcome Outcome
	Rules   []Step
}

// mostWaysOut bounds the interfaces that a packet is followed to.
const mostWaysOut = 16

// turn returns the turn of a region's example, nil where it is as the region
// says anyway, or hangs on the interface that the packet would leave by.
func (d *differ) turn(j Journey, r *Region) *Turn {
	if j == Output || r.ExampleOld.Destination == r.ExampleNew.Destination {
		return nil
	}
	old, new := d.translationOf(d.old, j, r.Example), d.translationOf(d.new, j, r.Example)
	if (old == nil) == (new == nil) {
		return nil
	}
	to := old
	if new != nil {
		to = new
	}
	if to.to == nil || !to.known() || to.redirect || to.maps {
		return nil
	}
	out := &Turn{New: (new != nil) == (j == Input), Journey: Input, Address: r.Example.Dst}
	side, said := d.old, r.ExampleOld
	if out.New {
		side, said = d.new, r.ExampleNew
	}
	packet := r.Example
	ways := []string{""}
	if j == Input {
		out.Journey, out.Address = Forward, to.to[0].low.address(d.u.v6)
		ways = d.waysOut(packet)
	}
	for i, name := range ways {
		packet.Out = name
		t := tracer{program: side, packet: packet, journey: out.Journey, effect: noEffect}
		o, _ := t.run()
		if i > 0 && (o.Verdict != out.Outcome.Verdict || o.With != out.Outcome.With) {
			return nil
		}
		if i == 0 {
			out.Outcome, out.Rules = o, t.decided
		}
	}
	if out.Outcome.Verdict == said.Verdict && out.Outcome.With == said.With {
		return nil
	}
	if out.Journey == Input && d.u.translatedTo(out.Address) {
		return nil // where packets are sent on to is hardly this host
	}
	return out
}

// translatedTo says that a translation gives packets an address.
func (u *universe) translatedTo(a netip.Addr) bool {
	return slices.ContainsFunc(u.translations, func(t translation) bool { return t.to != nil && t.known() && t.to[0].low == ofAddress(a) })
}

// translationOf is the translation of a packet's destination, nil for none.
func (d *differ) translationOf(p *program, j Journey, packet Packet) *translation {
	t := tracer{program: p, packet: packet, journey: j, effect: noEffect}
	t.run()
	if t.effect.translation == 0 {
		return nil
	}
	return &d.u.translations[t.effect.translation]
}

// waysOut are interfaces that a packet may leave by: those that rules name, and
// one that none does.
func (d *differ) waysOut(p Packet) []string {
	out := []string{preferred(fieldOut, d.u.v6, &p)[0].name()}
	for _, n := range d.names128 {
		if name := n.set.low.name(); name != "" && name != p.In && name != "lo" && !slices.Contains(out, name) && len(out) < mostWaysOut {
			out = append(out, name)
		}
	}
	return out
}
