package prove

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// plan is how a region's example is sent.
type plan struct {
	region *packets.Region
	spaces [2]*packets.Space
	packet packets.Packet // the example, or one like it that can be sent
	ways   [2]packets.Way
	claims [2]packets.Outcome
	native bool
	id     uint16

	send       lab.Packet
	connection *lab.Connection
	expected   bool // by connection tracking
	// moved says that the connection's own translation changes the packet's
	// addresses beside.
	moved bool
	// toRouter says of each packet of job.Also that it is one to the router.
	toRouter []bool
	local    map[netip.Addr]bool
	wide     map[netip.Addr]bool // broadcast addresses
	warm     [2]int
	job      int
	reason   string
	// told is what the rules say one by one, on a side of which the region claims
	// something else.
	told [2]string
}

// contradicted is the proof of a claim that is wrong whatever a kernel does, nil
// if there is no such claim.
func (p *plan) contradicted() *Proof {
	if p.told == [2]string{} {
		return nil
	}
	side := func(i int) Side {
		s := Side{Claimed: p.claims[i].String(), Seen: "not asked", Agrees: p.told[i] == ""}
		if !s.Agrees {
			s.Seen += ": the rules, one by one, say " + p.told[i]
		}
		return s
	}
	return &Proof{Sent: p.send.String(), Old: side(0), New: side(1)}
}

func newPlan(x *packets.Region, spaces [2]*packets.Space, id uint16) *plan {
	p := &plan{region: x, spaces: spaces, packet: x.Example, claims: [2]packets.Outcome{x.ExampleOld, x.ExampleNew}, id: id}
	p.send = p.base()
	p.packet.Holds = map[string]bool{}
	for a, yes := range x.Example.Holds {
		p.packet.Holds[a] = yes
	}
	p.follow()
	for i, w := range p.ways {
		if w.Outcome.String() != p.claims[i].String() {
			p.reason, p.told[i] = "fwc contradicts itself", w.Outcome.String()
		}
	}
	if p.reason != "" {
		return p
	}
	for _, step := range []func() string{p.shows, p.ordinary, p.makeable, p.unknowns} {
		if p.reason = step(); p.reason != "" {
			return p
		}
	}
	return p
}

// follow finds the packet's way on both sides.
func (p *plan) follow() {
	for i, s := range p.spaces {
		p.ways[i] = s.Follow(p.region.Journey, p.packet)
	}
}

// try takes another packet if it fares on both sides as the example does.
func (p *plan) try(change func(q *packets.Packet)) bool {
	q := p.packet
	q.Holds = map[string]bool{}
	for a, yes := range p.packet.Holds {
		q.Holds[a] = yes
	}
	change(&q)
	for i, s := range p.spaces {
		w := s.Follow(p.region.Journey, q)
		if w.Outcome.String() != p.claims[i].String() {
			return false
		}
	}
	p.packet = q
	p.follow()
	return true
}

// shows says why the two outcomes cannot be told apart by looking at packets.
func (p *plan) shows() string {
	for _, o := range p.claims {
		switch o.Verdict {
		case packets.Queue:
			return "a program decides over it: queue " + o.With
		case packets.Handled:
			return "a target decides that fwc does not know: " + o.With
		}
	}
	for _, w := range p.ways {
		if redirected(&w) && p.region.Journey == packets.Output {
			return "a REDIRECT makes it a packet to the router itself"
		}
	}
	a, b := p.claims[0], p.claims[1]
	if a.Verdict == b.Verdict && a.With == b.With && a.Destination == b.Destination && a.Source == b.Source && fmt.Sprint(a.Marks) == fmt.Sprint(b.Marks) {
		return "what changed does not show in the packet: " + strings.Join(append(append([]string{}, a.Notes...), b.Notes...), ", ")
	}
	return ""
}

// ordinary replaces what no packet can have by what it may have instead.
func (p *plan) ordinary() string {
	q := &p.packet
	if q.Fragment && !p.try(func(q *packets.Packet) { q.Fragment = false }) {
		return "connection tracking puts fragments together before any rule"
	}
	if q.Type > 2 {
		return "the packet is for another host"
	}
	probe := p.base()
	if _, err := lab.Frame(&probe); err != nil {
		probe.Length = 0
		b, err := lab.Frame(&probe)
		if err != nil {
			return err.Error()
		}
		if !p.try(func(q *packets.Packet) { q.Length = uint16(len(b)) }) {
			return fmt.Sprintf("no whole %s packet has %d bytes", lab.ProtocolName(q.Proto), q.Length)
		}
	}
	if q.State == packets.StateNew && q.Connmark != 0 {
		p.try(func(q *packets.Packet) { q.Connmark = 0 })
	}
	if !q.Src.IsGlobalUnicast() || q.Src == q.Dst {
		other := netip.MustParseAddr("192.0.2.77")
		if q.Src.Is6() {
			other = netip.MustParseAddr("2001:db8::77")
		}
		p.try(func(q *packets.Packet) { q.Src = other })
	}
	return ""
}

// base is the packet without what its state needs.
func (p *plan) base() lab.Packet {
	q := &p.packet
	out := lab.Packet{In: q.In, Src: q.Src, Dst: q.Dst, Proto: q.Proto, SPort: q.SPort, DPort: q.DPort, ICMPType: q.ICMPType, ICMPCode: q.ICMPCode,
		Flags: q.Flags, TTL: q.TTL, TOS: q.TOS, Length: q.Length, MAC: q.MAC, Cast: lab.Cast(q.Type), Mark: q.Mark, ID: p.id}
	if q.State == packets.StateNew {
		out.Connmark = q.Connmark
	}
	if p.region.Journey == packets.Output {
		out.In, out.Cast = "", lab.Unicast
	}
	return out
}

// work is the job of a plan that has no reason against it.
func (p *plan) work() job {
	j := job{Packet: p.send, Connection: p.connection, Expect: p.expected, ExpectMark: p.packet.Connmark, Arrange: p.arrangement(), Warm: p.warm}
	seen := map[netip.Addr]bool{p.send.Dst: true}
	p.toRouter = nil
	for i, w := range p.ways {
		if dst := w.Final.Dst; !seen[dst] {
			seen[dst] = true
			also := p.send
			also.Dst, also.Inner = dst, nil
			j.Also = append(j.Also, also)
			p.toRouter = append(p.toRouter, p.arrives(i))
		}
	}
	return j
}

// arrangement is what the routers must know for the packet to take its journey:
// the same for all three.
func (p *plan) arrangement() lab.Arrangement {
	q := &p.packet
	a := lab.Arrangement{Routes: map[netip.Prefix]string{}, Groups: map[netip.Addr]string{}, Primary: map[string]netip.Addr{}}
	host := func(x netip.Addr) netip.Prefix { return netip.PrefixFrom(x, x.BitLen()) }
	p.redirect(&a)
	for _, dst := range p.destinations() {
		switch {
		case dst == p.packet.Local && (p.arrives(0) || p.arrives(1)):
		case p.region.Journey != packets.Input:
			if q.Out != "lo" {
				a.Routes[host(dst)] = q.Out
			}
		case dst.IsMulticast():
			a.Groups[dst] = q.In
		}
	}
	if p.region.Journey != packets.Output && q.In != "lo" && !p.local[q.Src] {
		if _, taken := a.Routes[host(q.Src)]; !taken && !q.Src.IsMulticast() && !q.Src.IsUnspecified() {
			a.Routes[host(q.Src)] = q.In
		}
	}
	for addr := range p.local {
		own := false
		for _, x := range a.Primary {
			own = own || x == addr
		}
		if _, routed := a.Routes[host(addr)]; !own && !routed {
			a.Local = append(a.Local, addr)
		}
	}
	for addr := range p.wide {
		a.Broadcast = append(a.Broadcast, addr)
	}
	return a
}

// redirect gives the interface that the packet comes in by the address that a
// REDIRECT takes.
func (p *plan) redirect(a *lab.Arrangement) {
	for _, w := range p.ways {
		if p.region.Journey != packets.Output && p.packet.In != "lo" && redirected(&w) && w.Final.Dst == p.packet.Local {
			a.Primary[p.packet.In] = p.packet.Local
		}
	}
}

// arrives says whether a REDIRECT makes a packet on its way through one to the
// router, on one side.
func (p *plan) arrives(side int) bool {
	return p.region.Journey == packets.Forward && redirected(&p.ways[side])
}

func redirected(w *packets.Way) bool {
	for _, s := range w.Steps {
		if strings.Contains(s.Text, "-j REDIRECT") {
			return true
		}
	}
	return false
}

// translated is the destination that a packet was given, also one that is dropped
// then.
func translated(w *packets.Way) target {
	var to target
	for _, s := range w.Steps {
		for _, name := range []string{" -j DNAT ", " -j NETMAP "} {
			if _, text, ok := strings.Cut(" "+s.Text, name); ok && s.Table == "nat" && s.Chain != "POSTROUTING" && s.Chain != "INPUT" {
				to, _ = translationOf(name[4:] + text)
			}
		}
	}
	return to
}

// destinations are where the packet goes: as it is, and as the rules translate
// it.
func (p *plan) destinations() []netip.Addr {
	out := []netip.Addr{p.packet.Dst}
	for _, w := range p.ways {
		out = append(out, w.Final.Dst)
		if r := translated(&w); r.low.IsValid() {
			for a, n := r.low, 0; a.IsValid() && n < 64; a, n = a.Next(), n+1 {
				out = append(out, a)
				if a == r.high {
					break
				}
			}
		}
	}
	return out
}
