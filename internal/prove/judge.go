package prove

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// judge holds what became of a packet to what was claimed.
func (p *plan) judge(r *result) Proof {
	out := Proof{Sent: p.send.String()}
	if why := p.untested(r); why != "" {
		return Proof{NotProved: why, Sent: out.Sent}
	}
	for i, side := range []*Side{&out.Old, &out.New} {
		if r.SideErrs[i] != "" {
			return Proof{NotProved: "this kernel does not send it: " + r.SideErrs[i], Sent: out.Sent}
		}
		wrong, why := p.compare(i, &r.Sides[i])
		if why != "" {
			return Proof{NotProved: why, Sent: out.Sent}
		}
		*side = Side{Claimed: p.claims[i].String(), Seen: p.words(&r.Sides[i]), Agrees: wrong == ""}
		if wrong != "" {
			side.Seen += ": " + wrong
		}
	}
	if !out.Agrees() && p.native {
		return Proof{NotProved: "native nftables chains decide over it too", Sent: out.Sent}
	}
	return out
}

// untested says why no rule was put to the test: without rules the packet does
// not take its journey, or is not in its state.
func (p *plan) untested(r *result) string {
	if r.BareErr != "" {
		return "this kernel does not send it: " + r.BareErr
	}
	if why := p.astray(&r.Bare, p.region.Journey); why != "" {
		return "without any rule " + why
	}
	for i := range r.Also {
		j := p.region.Journey
		if p.toRouter[i] {
			j = packets.Input
		}
		if why := p.astray(&r.Also[i], j); why != "" {
			return "without any rule, to where the rules send it, " + why
		}
	}
	q, end := &p.packet, r.Bare.End
	if end.State != q.State.String() && !p.try(func(q *packets.Packet) { q.State = stateOf(end.State) }) {
		return fmt.Sprintf("no such packet is %s: the kernel takes it for %s", q.State, end.State)
	}
	q = &p.packet
	if (q.State == packets.StateEstablished || q.State == packets.StateRelated) && end.Reply != q.Reply {
		return "the packet goes the other way of its connection"
	}
	if q.State == packets.StateEstablished && (end.DNAT != q.DNAT || end.SNAT != q.SNAT) {
		return "the connection is not translated as it should be"
	}
	return ""
}

// stateOf is the state of a name.
func stateOf(name string) packets.State {
	for _, s := range []packets.State{packets.StateNew, packets.StateEstablished, packets.StateRelated, packets.StateInvalid} {
		if s.String() == name {
			return s
		}
	}
	return packets.StateUntracked
}

// astray says where a packet went that the router without rules was sent, if
// that is not its journey.
func (p *plan) astray(o *lab.Outcome, j packets.Journey) string {
	q := &p.packet
	switch {
	case o.End == nil:
		return "the kernel does not let it through: " + o.String()
	case j == packets.Input && o.End.Place != lab.Delivered,
		j != packets.Input && (o.End.Place != lab.Left || o.End.Out != q.Out):
		return "it goes another way: " + o.String()
	}
	return ""
}

// compare says what is wrong with an outcome, or why it shows nothing.
func (p *plan) compare(side int, o *lab.Outcome) (wrong, untold string) {
	claim, w := &p.claims[side], &p.ways[side]
	switch claim.Verdict {
	case packets.Drop:
		if o.Verdict != lab.Dropped {
			return "it was not dropped", ""
		}
	case packets.Reject:
		switch {
		case o.Verdict == lab.Rejected && o.With == claim.With:
		case o.Verdict == lab.Dropped && (p.unanswerable() || p.stale(w)):
			return "", "no kernel answers such a packet, so that a rejection looks like a drop"
		case o.Verdict == lab.Rejected:
			return "another answer", ""
		default:
			return "it was not rejected", ""
		}
	case packets.Accept:
		if o.Verdict != lab.Accepted {
			return "it did not get through", ""
		}
		return p.passed(claim, w, p.journey(side), o.End)
	}
	return "", ""
}

// unanswerable says that REJECT sends nothing for the packet (nf_reject_ipv4.c,
// nf_reject_ipv6.c, icmp_send).
func (p *plan) unanswerable() bool {
	q := &p.packet
	return q.Proto == lab.TCP && q.Flags&4 != 0 || isError(q) || q.Type != 0 || p.send.BadSum || q.Dst.IsMulticast() || q.Src.IsMulticast() ||
		q.Src.IsUnspecified() || q.Dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || p.wide[q.Dst]
}

// stale says that the packet's checksum is no longer right where a rule rejects
// it: a kernel without CONFIG_NF_CT_PROTO_DCCP does not mend DCCP's, and REJECT
// answers no wrong one (nf_nat_proto.c, nf_reject_ipv6.c).
func (p *plan) stale(w *packets.Way) bool {
	return p.packet.Proto == lab.DCCP && (w.Final.DNAT || w.Final.SNAT || w.Final.Dst != p.packet.Dst || w.Final.Src != p.packet.Src)
}

// journey is the one that ends on a side.
func (p *plan) journey(side int) packets.Journey {
	if p.arrives(side) {
		return packets.Input
	}
	return p.region.Journey
}

// passed compares an accepted packet with what it should be in the end.
func (p *plan) passed(claim *packets.Outcome, w *packets.Way, j packets.Journey, end *lab.Sighting) (wrong, untold string) {
	q, f := &p.packet, &w.Final
	switch {
	case j == packets.Input && end.Place != lab.Delivered:
		return "it left by " + end.Out, ""
	case j != packets.Input && end.Place == lab.Delivered:
		return "it was delivered", ""
	case j != packets.Input && end.Out != q.Out:
		return "it left by " + end.Out, ""
	}
	if !p.moved {
		to := target{low: f.Dst, high: f.Dst, ports: [2]uint16{f.DPort, f.DPort}}
		if t, ok := translationOf(claim.Destination); ok {
			to = to.with(t)
		}
		if got := end.Destination(); !to.holds(got, lab.Ports(q.Proto)) {
			return fmt.Sprintf("it went to %s, not %s", got, to), ""
		}
		from := target{low: f.Src, high: f.Src, ports: [2]uint16{f.SPort, f.SPort}}
		if t, ok := translationOf(claim.Source); ok {
			from = from.with(t)
			if strings.HasPrefix(claim.Source, "MASQUERADE") {
				from.low = p.own(end.Out, end.Packet.Src)
				from.high = from.low
			}
		}
		if got := end.Source(); !from.holds(got, lab.Ports(q.Proto)) {
			return fmt.Sprintf("it came from %s, not %s", got, from), ""
		}
	}
	if end.Mark != f.Mark && !w.MarkMade {
		return fmt.Sprintf("its mark is 0x%x, not 0x%x", end.Mark, f.Mark), ""
	}
	if end.State != "INVALID" && end.State != "UNTRACKED" && end.Connmark != f.Connmark && !w.ConnmarkMade {
		return fmt.Sprintf("its connection's mark is 0x%x, not 0x%x", end.Connmark, f.Connmark), ""
	}
	if end.Packet.TOS != f.TOS && !noted(claim, "ECN") {
		return fmt.Sprintf("its type of service is 0x%x, not 0x%x", end.Packet.TOS, f.TOS), ""
	}
	ttl := f.TTL
	if j == packets.Forward {
		ttl--
	}
	if end.Packet.TTL != ttl {
		return fmt.Sprintf("its time to live is %d, not %d", end.Packet.TTL, ttl), ""
	}
	if untracked := slices.Contains(claim.Marks, "untracked"); untracked != (end.State == "UNTRACKED") && p.packet.State != packets.StateUntracked {
		return "its connection is " + strings.ToLower(end.State), ""
	}
	return "", ""
}

func noted(o *packets.Outcome, target string) bool {
	return slices.ContainsFunc(o.Notes, func(s string) bool { return strings.HasPrefix(s, "-j "+target) })
}

// own is the address of an interface of the routers, all of which have the
// same: the one seen, if it is of the lab's network.
func (p *plan) own(name string, seen netip.Addr) netip.Addr {
	if lab.IsOwn(seen) {
		return seen
	}
	return netip.Addr{}
}

// words tell what became of a packet.
func (p *plan) words(o *lab.Outcome) string {
	s := o.String()
	if o.End == nil {
		return s
	}
	q := &p.packet
	if d := o.End.Destination(); d != netip.AddrPortFrom(q.Dst, q.DPort) {
		s += ", to " + endpoint(d, q.Proto)
	}
	if f := o.End.Source(); f != netip.AddrPortFrom(q.Src, q.SPort) {
		s += ", from " + endpoint(f, q.Proto)
	}
	if o.End.Mark != 0 {
		s += fmt.Sprintf(", mark 0x%x", o.End.Mark)
	}
	return s
}

func endpoint(a netip.AddrPort, proto uint8) string {
	if lab.Ports(proto) {
		return a.String()
	}
	return a.Addr().String()
}

// target is where a packet may have gone, or come from.
type target struct {
	low, high netip.Addr
	ports     [2]uint16
	anyPort   bool
}

func (t target) String() string {
	s := t.low.String()
	if t.high != t.low {
		s += "-" + t.high.String()
	}
	if t.ports[0] != 0 {
		s += ":" + strconv.Itoa(int(t.ports[0]))
	}
	return s
}

// with is the target behind a translation.
func (t target) with(x target) target {
	if x.low.IsValid() {
		t.low, t.high = x.low, x.high
	}
	if x.ports[0] != 0 {
		t.ports = x.ports
	}
	t.anyPort = x.anyPort
	return t
}

func (t target) holds(a netip.AddrPort, ports bool) bool {
	if !t.low.IsValid() || a.Addr().Less(t.low) || t.high.Less(a.Addr()) {
		return false
	}
	return !ports || t.anyPort || a.Port() >= t.ports[0] && a.Port() <= t.ports[1]
}

// translationOf reads an outcome's translation: "DNAT --to-destination
// 192.0.2.1-192.0.2.9:80-81", "REDIRECT --to-ports 8080", "SNAT --to-source …".
func translationOf(text string) (target, bool) {
	var t target
	f := strings.Fields(text)
	if len(f) == 0 {
		return t, false
	}
	for i, w := range f {
		switch w {
		case "--random", "--random-fully":
			t.anyPort = true
		}
		if i == 0 {
			continue
		}
		switch f[i-1] {
		case "--to-ports":
			t.ports = portsOf(w)
		case "--to": // of NETMAP
			if p, err := netip.ParsePrefix(w); err == nil {
				t.low, t.high = p.Masked().Addr(), lastOf(p)
			}
		case "--to-destination", "--to-source":
			addresses, ports := w, ""
			if inner, ok := strings.CutPrefix(w, "["); ok {
				addresses, ports, _ = strings.Cut(inner, "]")
				ports = strings.TrimPrefix(ports, ":")
			} else if strings.Count(w, ":") == 1 {
				addresses, ports, _ = strings.Cut(w, ":")
			}
			low, high, both := strings.Cut(addresses, "-")
			t.low, _ = netip.ParseAddr(low)
			if t.high = t.low; both {
				t.high, _ = netip.ParseAddr(high)
			}
			t.ports = portsOf(ports)
		}
	}
	return t, true
}

// lastOf is the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 128 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func portsOf(s string) [2]uint16 {
	s, _, _ = strings.Cut(s, "/")
	low, high, both := strings.Cut(s, "-")
	a, _ := strconv.ParseUint(low, 10, 16)
	b := a
	if both {
		b, _ = strconv.ParseUint(high, 10, 16)
	}
	return [2]uint16{uint16(a), uint16(b)}
}
