package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// The verdicts of a test beyond those of a packet in a Router. An accepted flow
// arrived, and what the host there answers came back: that may be a refusal,
// where nothing listens on the port.
const (
	// Unanswered: it arrived, and no answer of the host came back.
	Unanswered Verdict = "unanswered"
	// Unroutable: no rule met it, for there was no route.
	Unroutable Verdict = "unroutable"
)

// Finding is what became of one flow.
type Finding struct {
	Verdict Verdict `json:"verdict"`
	// Reject is how it was rejected, in the words of iptables-save.
	Reject string `json:"reject,omitempty"`
	// By is the host that it arrived at; Source and Destination are those of
	// the packet there.
	By          string `json:"by,omitempty"`
	Source      string `json:"source,omitempty"`
	Destination string `json:"destination,omitempty"`
	// Answer is what a service said.
	Answer string `json:"answer,omitempty"`
	// Mark is the packet's at its last hook in the router.
	Mark uint32 `json:"mark,omitempty"`
	// Note says what else was seen.
	Note string `json:"note,omitempty"`
}

// String says it in a line, in the words of an expectation.
func (f Finding) String() string {
	s := string(f.Verdict)
	if f.Reject != "" {
		s += " with " + f.Reject
	}
	if f.By != "" {
		s += " by " + f.By
	}
	if f.Source != "" {
		s += " source " + f.Source
	}
	if f.Destination != "" {
		s += " destination " + f.Destination
	}
	if f.Mark != 0 {
		s += fmt.Sprintf(" mark %#x", f.Mark)
	}
	if f.Answer != "" {
		s += fmt.Sprintf(" answer %q", f.Answer)
	}
	if f.Note != "" {
		s += " (" + f.Note + ")"
	}
	return s
}

// request says whether a packet is the flow's first.
func (f *flow) request(s *sight) bool {
	if s.Proto != f.proto || s.Quoted != nil {
		return false
	}
	switch {
	case f.proto == TCP:
		return f.known && s.seq == f.seq && s.Flags == f.flags
	case f.proto == ICMP || f.proto == ICMPv6:
		return s.ICMPType == f.kind && s.hasID && s.id == f.id
	}
	return s.hasID && s.id == f.id
}

// learn finds the number that the kernel gave a connection's first segment.
func (f *flow) learn(sights []sight) {
	if f.known || f.proto != TCP {
		return
	}
	for i := range sights {
		s := &sights[i]
		if s.node == f.node && (s.place == left || s.place == met || s.place == gone) && s.Proto == TCP && s.Flags == synFlag &&
			s.SPort == f.src.Port() && s.DPort == f.dst.Port() && s.Dst == f.dst.Addr() {
			f.seq, f.known = s.seq, true
			return
		}
	}
}

// answers says whether a packet is an answer to one from src to dst: of the
// same protocol the other way round, or an ICMP error that quotes it.
func (f *flow) answers(s *sight, src, dst netip.AddrPort) bool {
	if q := s.Quoted; q != nil {
		return q.Proto == f.proto && q.Src == src.Addr() && q.Dst == dst.Addr() && q.SPort == src.Port() && q.DPort == dst.Port()
	}
	if s.Proto != f.proto || s.Src != dst.Addr() || s.Dst != src.Addr() {
		return false
	}
	switch {
	case f.proto == ICMP:
		return s.ICMPType == echoReply && f.kind == echoRequest
	case f.proto == ICMPv6:
		return s.ICMPType == echoReplyV6 && f.kind == echoRequestV6
	}
	return s.SPort == dst.Port() && s.DPort == src.Port()
}

// finding reads from what was seen what became of the flow.
func (b *rig) finding(f *flow) Finding {
	f.learn(b.sights)
	var out Finding
	var end *sight // where it arrived
	ruled := false // the router's rules met it
	for i := range b.sights {
		s := &b.sights[i]
		if !f.request(s) {
			continue
		}
		switch s.place {
		case met:
			ruled = true
		case gone:
			out.Mark = s.mark
		case taken:
			out.Mark = s.mark
			end = s
		case arrived:
			if s.node != b.router && end == nil {
				end = s
			}
		}
	}
	back := b.back(f)
	if end == nil {
		b.undelivered(f, back, ruled, &out)
		return out
	}
	out.By = end.node.name
	src, dst := netip.AddrPortFrom(end.Src, end.SPort), netip.AddrPortFrom(end.Dst, end.DPort)
	out.Source, out.Destination = src.String(), dst.String()
	if !Ports(f.proto) {
		out.Source, out.Destination = end.Src.String(), end.Dst.String()
	}
	out.Verdict = Accepted
	switch {
	case back != nil:
		if r := b.refusal(f, back); r != "" {
			out.Note = fmt.Sprintf("%s refuses it: %s", end.node.name, r)
		} else if f.probe.Proto == "tcp" || f.probe.Proto == "http" || f.probe.Proto == "udp" {
			out.Answer = f.text()
		}
	case b.wantsAnswer(f, end):
		out.Verdict = Unanswered
		out.Note = b.whyUnanswered(f, end, src, dst)
	}
	return out
}

// back is the first answer that came back to the sender, nil without any.
func (b *rig) back(f *flow) *sight {
	for i := range b.sights {
		s := &b.sights[i]
		home := s.node == f.node && (s.place == arrived || s.place == taken)
		if home && f.answers(s, f.src, f.dst) {
			return s
		}
	}
	return nil
}

// refusal names a packet that refuses: a reset or an ICMP error.
func (b *rig) refusal(f *flow, s *sight) string {
	switch {
	case s.Quoted != nil:
		if name := refusals[[3]byte{s.Proto, s.ICMPType, s.ICMPCode}]; name != "" {
			return name
		}
		return fmt.Sprintf("ICMP type %d code %d", s.ICMPType, s.ICMPCode)
	case s.Proto == TCP && s.Flags&rstFlag != 0 && f.flags&rstFlag == 0:
		return tcpReset
	}
	return ""
}

// undelivered tells a rejection from a drop, and both from want of a route.
func (b *rig) undelivered(f *flow, back *sight, ruled bool, out *Finding) {
	out.Verdict = Dropped
	switch {
	case back != nil:
		kind := b.refusal(f, back)
		who := b.owner(back.Src)
		switch {
		case kind == tcpReset || ruled && refusalKind(kind):
			out.Verdict, out.Reject = Rejected, kind
		case refusalKind(kind):
			out.Verdict, out.Note = Unroutable, fmt.Sprintf("%s has no route for it: %s", who, kind)
		case kind != "":
			out.Note = fmt.Sprintf("%s says %s", who, kind)
		default:
			out.Note = "somebody answers whom nothing arrived at"
		}
	case f.sendErr != nil && unroutable(f.sendErr):
		out.Verdict, out.Note = Unroutable, fmt.Sprintf("%s has no route to %s: %v", f.node.name, f.dst.Addr(), f.sendErr)
	case f.sendErr != nil:
		out.Note = fmt.Sprintf("%s may not send it: %v", f.node.name, f.sendErr)
	case f.node != b.router && !b.leftHost(f):
		out.Note = fmt.Sprintf("it never left %s: nobody answers who has the next hop's address (ARP, neighbour solicitation)", f.node.name)
	case !ruled && f.node != b.router:
		out.Note = "neither INPUT nor FORWARD saw it: an earlier rule, or routing without a word (rp_filter, ip_forward, a martian address)"
	}
}

// leftHost says whether the flow's first packet left its sender.
func (b *rig) leftHost(f *flow) bool {
	for i := range b.sights {
		if s := &b.sights[i]; s.node == f.node && s.place == left && f.request(s) {
			return true
		}
	}
	return false
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
