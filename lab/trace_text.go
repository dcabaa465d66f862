package lab

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/ruleset"
)

// Text writes the trace, a packet's line and then one for each hop:
//
//	tcp 203.0.113.9:40000 > 172.16.200.1:8800 in eth0
//	  nat PREROUTING  1 (router.sh:40) -p tcp -m tcp --dport 8800 -j DNAT --to-destination 172.16.100.5
//	                  now tcp 203.0.113.9:40000 > 172.16.100.5:8800
//	  filter FORWARD  policy DROP  → dropped
//
// Each line begins with indent. Of packets that went the same way the first
// stands for the others.
func (t *Trace) Text(w io.Writer, indent string) error {
	told := map[string]bool{}
	same := 0
	for i := range t.Paths {
		p := &t.Paths[i]
		way := p.way()
		if told[way] {
			same++
			continue
		}
		told[way] = true
		if err := p.text(w, indent); err != nil {
			return err
		}
	}
	var err error
	switch {
	case t.Omitted > 0:
		_, err = fmt.Fprintf(w, "%s(and %s)\n", indent, morePackets(same+t.Omitted))
	case same > 0:
		_, err = fmt.Fprintf(w, "%s(and %s, the same way as one of these)\n", indent, morePackets(same))
	}
	if t.Lost && err == nil {
		_, err = fmt.Fprintf(w, "%s(the kernel told more than there was room for: hops are missing)\n", indent)
	}
	return err
}

func morePackets(n int) string {
	if n == 1 {
		return "1 more packet"
	}
	return fmt.Sprintf("%d more packets", n)
}

// way is the same for packets of one protocol that met the same: the ICMP error
// of a REJECT that its own rule stops is no repetition of what was rejected.
func (p *Path) way() string {
	var b strings.Builder
	proto, _, _ := strings.Cut(p.Packet, " ")
	b.WriteString(proto + " " + p.In)
	for i := range p.Hops {
		h := &p.Hops[i]
		fmt.Fprintf(&b, "\n%s %s %s %s %d %s", h.Backend, h.Family, h.place(false), h.Kind, h.Rule, h.Verdict)
	}
	return b.String()
}

func (p *Path) text(w io.Writer, indent string) error {
	var b strings.Builder
	b.WriteString(indent + p.Packet)
	if p.In != "" {
		b.WriteString(" in " + p.In)
	}
	if p.State != "" {
		b.WriteString("  (" + p.State + ")")
	}
	b.WriteString("\n")
	both := slices.ContainsFunc(p.Hops, func(h Hop) bool { return h.Backend != p.Hops[0].Backend })
	width := 0
	for i := range p.Hops {
		width = max(width, utf8.RuneCountInString(p.Hops[i].place(both)))
	}
	mark := uint32(0)
	for i := range p.Hops {
		h := &p.Hops[i]
		if h.Packet != "" {
			fmt.Fprintf(&b, "%s  %-*s  now %s\n", indent, width, "", h.Packet)
		}
		fmt.Fprintf(&b, "%s  %-*s  %s", indent, width, h.place(both), h.what())
		if h.Mark != mark {
			fmt.Fprintf(&b, "  [mark 0x%x]", h.Mark)
			mark = h.Mark
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, termsafe.Text(b.String()))
	return err
}

// place is the hop's table and chain.
func (h *Hop) place(both bool) string {
	s := h.Table + " " + h.Chain
	if h.Family != ruleset.IPv4 && h.Family != ruleset.IPv6 {
		s = string(h.Family) + " " + s
	}
	if both && h.Backend == ruleset.Legacy {
		s += " (legacy)"
	}
	return s
}

// what is what was met there, and what came of it.
func (h *Hop) what() string {
	var s string
	switch h.Kind {
	case HopPolicy:
		s = "policy " + strings.ToUpper(h.Verdict)
	case HopReturn:
		s = "end of the chain"
	default:
		s = "rule"
		if h.Rule > 0 {
			s = fmt.Sprint(h.Rule)
		}
		if h.Source != "" {
			s += " (" + h.Source + ")"
		}
		if h.Text != "" {
			s += " " + h.Text
		}
	}
	switch h.Verdict {
	case "drop":
		s += "  → dropped"
	case "accept":
		if h.Kind == HopRule {
			s += "  → accepted"
		}
	case "queue", "stolen":
		s += "  → " + h.Verdict
	}
	return s
}

// Order returns the tables and chains on hooks that the packet met, "raw
// PREROUTING" and on, in order.
func (p *Path) Order() []string {
	var out []string
	for i := range p.Hops {
		h := &p.Hops[i]
		if s := h.Table + " " + h.Chain; h.Hook != "" && (len(out) == 0 || out[len(out)-1] != s) {
			out = append(out, s)
		}
	}
	return out
}

// String is Text, and "" for a nil trace.
func (t *Trace) String() string {
	if t == nil {
		return ""
	}
	var b strings.Builder
	_ = t.Text(&b, "") // a Builder takes all
	return b.String()
}

// Where names the rule or policy: "filter FORWARD 3 (router.sh:42)".
func (h *Hop) Where() string {
	s := h.place(false)
	switch {
	case h.Kind == HopPolicy:
		return s + " policy " + strings.ToUpper(h.Verdict)
	case h.Rule > 0:
		s += fmt.Sprintf(" %d", h.Rule)
	}
	if h.Source != "" {
		s += " (" + h.Source + ")"
	}
	return s
}

// Decided returns the hop that decided what became of the packet which was seen
// first, nil if none did: the one that dropped it, or the last of a filter table
// that let it pass.
func (t *Trace) Decided(v Verdict) *Hop {
	if len(t.Paths) == 0 {
		return nil
	}
	hops := t.Paths[0].Hops
	for i := range slices.Backward(hops) {
		h := &hops[i]
		switch {
		case v != Accepted && (h.Verdict == "drop" || h.Verdict == "stolen"):
			return h
		case v == Accepted && h.Table == "filter" && h.Verdict == "accept":
			return h
		}
	}
	return nil
}
