package lab

import (
	"fmt"
	"net/netip"
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
		if s.node == f.node && (s.place == left || s.place == made || s.place == gone) && s.Proto == TCP && s.Flags == synFlag &&
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
	var way lostWay
	for i := range b.sights {
		s := &b.sights[i]
		if !f.request(s) {
			continue
		}
		switch s.place {
		case came:
			way.came = true
		case through:
			way.through = true
		case met, made:
			way.ruled = true
		case gone:
			out.Mark = s.mark
			way.gone, way.at = s, nil
		case passing:
			way.at = s.node
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
	if from := b.leftFrom(f); f.probe.FromAddress.IsValid() && from.IsValid() && from != f.probe.FromAddress {
		out.Verdict, out.Note = Unroutable, fmt.Sprintf("%s cannot send from %s: its kernel takes %s", f.node.name, f.probe.FromAddress, from)
		return out
	}
	if end == nil {
		b.undelivered(f, back, way, &out)
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
			break
		}
		if f.proto == UDP || f.connected {
			out.Answer = f.text()
		}
		if out.Note = b.whyMute(f, end); out.Note != "" {
			out.Verdict = Unanswered
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
