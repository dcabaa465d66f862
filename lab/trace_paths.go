package lab

import (
	"slices"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// onward are the hooks that may follow a hook on one packet's way, see the
// picture in Documentation/networking/nf_flowtable.rst of Linux.
var onward = map[string][]string{
	"":           {"prerouting", "input", "forward", "output", "postrouting"},
	"ingress":    {"prerouting", "input", "forward"},
	"prerouting": {"input", "forward", "postrouting"},
	"forward":    {"postrouting"},
	"output":     {"postrouting"},
}

// hookNames are in the order of enum nf_inet_hooks of linux/netfilter.h.
var hookNames = []string{"prerouting", "input", "forward", "output", "postrouting"}

// assembly puts events in the order of packets.
type assembly struct {
	book  *book
	paths []*Path
	byID  map[uint32]*Path // of nf_tables: the packet that had the number last
}

// assemble makes the packets' ways out of what the kernel told. A REJECT's
// answer goes its way in the midst of the refused packet's.
func assemble(b *book, events []netfilter.TraceEvent) *Trace {
	a := &assembly{book: b, byID: map[uint32]*Path{}}
	for i := range events {
		a.add(&events[i])
	}
	t := &Trace{Paths: []Path{}}
	for _, p := range a.paths {
		if len(p.Hops) > 0 {
			t.Paths = append(t.Paths, *p)
		}
	}
	return t
}

func (a *assembly) add(e *netfilter.TraceEvent) {
	table, chain, own := a.book.find(e)
	if !own {
		return // a table of the lab's
	}
	hook := hookOf(table, chain, e.Chain)
	if e.Hook >= 0 && e.Hook < len(hookNames) {
		hook = hookNames[e.Hook]
	}
	head := readHeader(e.Header)
	p := a.path(e, head, hook)
	if p == nil {
		return
	}
	if hook != "" {
		p.last = hook
	}
	if e.Out != "" {
		p.Out = e.Out
	}
	if e.State != "" && p.State == "" {
		p.State = e.State
	}
	if head != nil {
		p.seen = head.words()
	}
	h := a.book.hop(e, table, chain)
	h.Hook = hookOf(table, chain, e.Chain)
	if h.Kind == HopReturn && h.Hook != "" {
		return // its policy follows
	}
	if p.seen != p.now {
		h.Packet, p.now = p.seen, p.seen
	}
	p.Hops = append(p.Hops, h)
	switch {
	case h.Verdict == "drop" || h.Verdict == "stolen":
		p.ended = true
	case h.Kind == HopPolicy:
		p.done = append(p.done, h.Table+" "+h.Chain)
	}
}

// path returns the packet that an event is of.
func (a *assembly) path(e *netfilter.TraceEvent, head *header, hook string) *Path {
	if head == nil {
		return a.byID[e.Packet] // its header was told with an earlier event
	}
	p := a.open(e, head.identity(), hook)
	if p == nil {
		p = &Path{Packet: head.words(), seen: head.words(), now: head.words(), In: e.In, first: head, ident: head.identity()}
		at := len(a.paths)
		if e.Verdict == "drop" {
			// nf_tables tells of a REJECT when its answer is on the way.
			for at > 0 && a.paths[at-1].first.refuses(head) {
				at--
			}
		}
		a.paths = slices.Insert(a.paths, at, p)
	}
	if e.Packet != 0 {
		a.byID[e.Packet] = p
	}
	return p
}

// open returns the packet of that identity that may come to a hook now.
func (a *assembly) open(e *netfilter.TraceEvent, id identity, hook string) *Path {
	for _, p := range slices.Backward(a.paths) {
		switch {
		case p.ident != id || p.ended:
		case p.last == hook:
			// A chain that let it pass does not meet it twice.
			if !slices.Contains(p.done, e.Table+" "+e.Chain) {
				return p
			}
		case slices.Contains(onward[p.last], hook):
			return p
		}
	}
	return nil
}
