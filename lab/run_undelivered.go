package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// lostWay is how far a packet came that arrived nowhere.
type lostWay struct {
	came    bool   // to the router
	through bool   // behind the rules of PREROUTING
	ruled   bool   // the rules of INPUT, FORWARD or OUTPUT met it
	gone    *sight // the router let it go
	at      *node  // it came to this one last, which is neither the router nor where it was to go
}

// undelivered tells a rejection from a drop, and both from what is not the
// router's doing: want of a route, or of anybody who has the address.
func (b *rig) undelivered(f *flow, back *sight, way lostWay, out *Finding) {
	out.Verdict = Dropped
	elsewhere := func(format string, args ...any) {
		out.Verdict, out.Note = Unroutable, fmt.Sprintf(format, args...)
	}
	switch {
	case back != nil:
		kind := b.refusal(f, back)
		who := b.owner(back.Src)
		switch {
		case kind == tcpReset || refusalKind(kind) && b.says(f, back) && (way.ruled || way.came && !way.through):
			out.Verdict, out.Reject = Rejected, kind
		case refusalKind(kind):
			elsewhere("%s has no route for it: %s", who, kind)
		case kind != "":
			out.Note = fmt.Sprintf("%s says %s", who, kind)
		default:
			out.Note = "somebody answers whom nothing arrived at"
		}
	case f.sendErr != nil && unroutable(f.sendErr):
		elsewhere("%s has no route to %s: %v", f.node.name, f.dst.Addr(), f.sendErr)
	case f.sendErr != nil && !way.ruled:
		elsewhere("%s cannot send it: %v", f.node.name, f.sendErr)
	case f.sendErr != nil:
		out.Note = fmt.Sprintf("%s may not send it: %v", f.node.name, f.sendErr)
	case f.node != b.router && !b.leftHost(f):
		if next := b.nextHop(f.node, f.dst.Addr()); !b.owned(next) {
			elsewhere("it never left %s: nobody has the address %s", f.node.name, next)
			return
		}
		out.Note = fmt.Sprintf("it never left %s: nobody answers who has the next hop's address (ARP, neighbour solicitation)", f.node.name)
	case way.gone != nil && way.at != nil:
		elsewhere("the router lets it through, and %s does not pass it on", way.at.name)
	case way.gone != nil:
		dst := way.gone.Dst
		if next := b.nextHop(b.router, dst); !b.owned(dst) || !b.owned(next) {
			if b.owned(dst) {
				dst = next
			}
			elsewhere("the router lets it through, and nobody has the address %s", dst)
			return
		}
		out.Note = "behind all tables of IP: arptables, ebtables, a chain at egress, or nobody answers who has the next hop's address"
	case f.node == b.router || way.ruled:
	case !way.came && way.at != nil:
		elsewhere("it never came to the router: %s does not pass it on", way.at.name)
	case !way.came:
		elsewhere("it left %s and never came to the router", f.node.name)
	case way.through:
		out.Note = "neither INPUT nor FORWARD saw it: routing drops it without a word (rp_filter, ip_forward, a martian address)"
	default:
		out.Note = "a rule ahead of INPUT and FORWARD drops it"
	}
}

// says says whether the router itself made an ICMP error that came back. Its
// source does not tell: NAT gives it the address that the sender knows.
func (b *rig) says(f *flow, back *sight) bool {
	return slices.ContainsFunc(b.sights, func(s sight) bool {
		return s.place == made && s.Quoted != nil && s.ICMPType == back.ICMPType && s.ICMPCode == back.ICMPCode && s.Quoted.Proto == f.proto
	})
}

// owned says whether somebody in the lab has an address, or many at once.
func (b *rig) owned(a netip.Addr) bool {
	if a.IsMulticast() || a == broadcast {
		return true
	}
	return slices.ContainsFunc(b.top.nodes, func(n *node) bool { return n.local[a] })
}

// nextHop is the neighbour that a node hands a packet to.
func (b *rig) nextHop(n *node, dst netip.Addr) netip.Addr {
	for _, m := range b.spec.Interfaces(n.name) {
		if slices.ContainsFunc(m.Addresses, func(p netip.Prefix) bool { return p.Contains(dst) }) {
			return dst
		}
	}
	best := Route{Via: dst}
	for _, r := range b.spec.routesOf(b.spec.Host(n.name)) {
		if r.Prefix.Contains(dst) && (best.Via == dst || r.Prefix.Bits() > best.Prefix.Bits()) {
			best = r
		}
	}
	return best.Via
}

// leftHost says whether the flow's first packet left its sender.
func (b *rig) leftHost(f *flow) bool { return b.leftFrom(f).IsValid() }

// leftFrom is the address from which the flow's first packet left its sender.
func (b *rig) leftFrom(f *flow) netip.Addr {
	for i := range b.sights {
		if s := &b.sights[i]; s.node == f.node && s.place == left && f.request(s) {
			return s.Src
		}
	}
	return netip.Addr{}
}

func refusalKind(name string) bool {
	for _, n := range refusals {
		if n == name {
			return true
		}
	}
	return name == tcpReset
}

func unroutable(err error) bool {
	for _, e := range []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENONET} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// owner is the host of an address, or the address.
func (b *rig) owner(a netip.Addr) string {
	for _, n := range b.top.nodes {
		if n.local[a] {
			return n.name
		}
	}
	return a.String()
}

// wantsAnswer says whether whoever got the packet is to answer it: raw segments
// and protocols, and spoofed senders, get none or none that comes back.
func (b *rig) wantsAnswer(f *flow, end *sight) bool {
	if f.probe.FromAddress.IsValid() && !f.node.local[f.probe.FromAddress] {
		return false
	}
	if !end.node.local[end.Dst] { // to everybody, or to a group
		return false
	}
	switch f.probe.Proto {
	case "ping", "udp", "http":
	case "tcp":
		if f.raw && f.flags != synFlag {
			return false
		}
	case "icmp":
		return f.kind == echoRequest && !f.probe.V6 || f.kind == echoRequestV6 && f.probe.V6
	default:
		return false
	}
	silent := func(v Service) bool { return v.Proto == "udp" && v.Port == end.DPort && v.Silent }
	return f.proto != UDP || !slices.ContainsFunc(b.serving[end.node.name], silent)
}

func (b *rig) whyUnanswered(f *flow, end *sight, src, dst netip.AddrPort) string {
	for i := range b.sights {
		s := &b.sights[i]
		if s.node == end.node && (s.place == left || s.place == gone) && f.answers(s, src, dst) {
			return fmt.Sprintf("the answer of %s to %s does not come back", end.node.name, src.Addr())
		}
	}
	err := b.top.in(end.node, func() error { _, err := sourceFor(src.Addr()); return err })
	if err != nil {
		return fmt.Sprintf("%s has no route to %s", end.node.name, src.Addr())
	}
	return end.node.name + " sends no answer"
}

// whyMute says why a connection that was made is not talked on to the end, "" if
// that is not so: rules that let a connection begin may stop what follows.
func (b *rig) whyMute(f *flow, end *sight) string {
	if f.proto != TCP || f.raw {
		return ""
	}
	i := slices.IndexFunc(b.open, func(c *served) bool { return c.node == end.node && c.heard > 0 })
	if i < 0 {
		return fmt.Sprintf("the connection is made, and what %s says on it does not arrive", f.node.name)
	}
	switch want := b.open[i].answer; {
	case len(f.answer) == 0 && want > 0:
		return fmt.Sprintf("the connection is made, and what %s says on it does not come back", end.node.name)
	case len(f.answer) < want:
		return fmt.Sprintf("of what %s says only the first %d bytes of %d come back", end.node.name, len(f.answer), want)
	}
	return ""
}
