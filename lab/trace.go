package lab

import (
	"context"
	"errors"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// Trace is what packets met in a router: each packet's way, in the order in
// which they were first seen. Nothing is in it that the kernel did not tell.
type Trace struct {
	Paths []Path `json:"paths"`
	// Lost says that the kernel told more than there was room for.
	Lost bool `json:"lost,omitempty"`
	// Omitted is how many packets more there were.
	Omitted int `json:"omitted,omitempty"`
}

// Path is one packet's way. What a router sends back, such as a REJECT's answer,
// is another packet, and so is what comes in again by lo.
type Path struct {
	// Packet is the packet as it was first seen, in the words of ParsePacket.
	Packet string `json:"packet"`
	In     string `json:"in,omitempty"`  // by which it came; "" for one of the router's own
	Out    string `json:"out,omitempty"` // by which it left or was to leave, if a chain says so
	// State is what conntrack calls the packet, where the kernel tells (nf_tables
	// of Linux 6.16 and later): new, established, related, invalid, untracked.
	State string `json:"state,omitempty"`
	Hops  []Hop  `json:"hops"`

	first *header // the packet when it was first seen
	ident identity
	seen  string   // Packet as it was last told
	now   string   // and as the hops have it
	last  string   // the hook of the last hop
	done  []string // the chains whose policies it met
	ended bool
}

// HopKind says what of a chain a packet met.
type HopKind string

// The kinds.
const (
	HopRule   HopKind = "rule"
	HopPolicy HopKind = "policy"
	HopReturn HopKind = "return" // the end of a user chain
)

// Hop is one rule whose matches the packet fitted, or the end of a chain.
type Hop struct {
	Backend ruleset.Backend `json:"backend"`
	Family  ruleset.Family  `json:"family"`
	Table   string          `json:"table"`
	Chain   string          `json:"chain"`
	Kind    HopKind         `json:"kind"`
	Rule    int             `json:"rule,omitempty"` // its place in the chain, from 1
	Text    string          `json:"text,omitempty"` // of the rule
	Source  string          `json:"source,omitempty"`
	Line    int             `json:"line,omitempty"` // of the dump
	// Verdict is accept, drop, continue, jump, goto, return, queue or stolen,
	// "" where that is not known: legacy tables do not tell, and only for the
	// targets that are verdicts does a rule say it.
	Verdict string `json:"verdict,omitempty"`
	To      string `json:"to,omitempty"` // the chain of a jump or goto
	// Packet is the packet as it came to this chain, where it differs from how
	// it was before: translated addresses.
	Packet string `json:"packet,omitempty"`
	Mark   uint32 `json:"mark,omitempty"` // the packet's when this was told: nf_tables does so after the rule, legacy tables ahead of it
	Hook   string `json:"hook,omitempty"` // that the chain hangs on; "" of a user chain
}

// Tracer traces the packets of one router, a network namespace into which a
// snapshot has been loaded. Its methods may be called from any thread, one at a
// time.
type Tracer struct {
	kernel *netfilter.Tracer
	book   *book
	events []netfilter.TraceEvent
	lost   bool
	counts bool             // a Counter wants met
	met    map[owner]uint64 // packets that rules of nf_tables and policies met
	failed bool             // something of it was lost
}

// StartTrace begins to trace every packet in the calling thread's network
// namespace, into which snap has been loaded and nothing else but what the lab
// itself needs. It adds a table of its own.
func StartTrace(ctx context.Context, snap *ruleset.Snapshot) (*Tracer, error) {
	k, err := netfilter.Trace(ctx)
	if err != nil {
		return nil, err
	}
	return &Tracer{kernel: k, book: newBook(snap), met: map[owner]uint64{}}, nil
}

// Fd returns a descriptor that is ready for reading when there is something for
// Hear to take. In a user namespace there is room for some 300 hops until then.
func (t *Tracer) Fd() int { return t.kernel.Fd() }

// Hear takes what the kernel has told so far, for Take, and does not wait.
func (t *Tracer) Hear() error {
	events, err := t.kernel.Events()
	if errors.Is(err, netfilter.ErrTraceLost) {
		t.lost, t.failed, err = true, true, nil
	}
	for i := range events {
		if e := &events[i]; t.counts {
			t.count(e)
		}
	}
	t.events = append(t.events, events...)
	return err
}

// count counts the rules of nf_tables, and the policies of both backends.
func (t *Tracer) count(e *netfilter.TraceEvent) {
	at := owner{tableKey{e.Backend, e.Family, e.Table}, e.Chain, e.Rule}
	if e.Kind == netfilter.TracePolicy {
		// trace_packet of ip_tables.c takes a bare verdict for the policy.
		if _, c, _ := t.book.find(e); e.Backend == ruleset.Legacy && (c == nil || e.Rule <= len(c.Rules)) {
			return
		}
		at.rule = policy
	}
	if e.Kind != netfilter.TraceReturn {
		t.met[at]++
	}
}

// Take returns what packets have met since the last call. It does not wait: let
// the packets come through first. What a packet meets after Take begins another
// Path.
func (t *Tracer) Take() (*Trace, error) {
	events, lost, err := t.cut()
	if err != nil {
		return nil, err
	}
	tr := assemble(t.book, events)
	tr.Lost = lost
	return tr, nil
}

// cut is Take without the assembly.
func (t *Tracer) cut() (events []netfilter.TraceEvent, lost bool, err error) {
	err = t.Hear()
	events, lost = t.events, t.lost
	t.events, t.lost = nil, false
	return events, lost, err
}

// Drop is Take for nobody, and costs less.
func (t *Tracer) Drop() error {
	err := t.Hear()
	t.events, t.lost = t.events[:0], false
	return err
}

// Of returns the trace of one packet: its own path first, then those of packets
// that came after it and have to do with its sender, as answers do. What else the
// router says of itself, such as who listens to multicasts, is left out.
func (t *Trace) Of(p *Packet) *Trace {
	out := &Trace{Paths: []Path{}, Lost: t.Lost}
	for i := range t.Paths {
		f := t.Paths[i].first
		switch {
		case f == nil:
		case len(out.Paths) == 0:
			if f.Proto == p.Proto && f.Src == p.Src && f.Dst == p.Dst && f.SPort == p.SPort && f.DPort == p.DPort {
				out.Paths = append(out.Paths, t.Paths[i])
			}
		case f.Src == p.Src || f.Dst == p.Src:
			out.Paths = append(out.Paths, t.Paths[i])
		}
	}
	return out
}

// Attach adds the texts of a snapshot's rules, and the script's lines where it
// has them, to the hops: for a trace of the same firewall that was made without.
func (t *Trace) Attach(s *ruleset.Snapshot) {
	b := newBook(s)
	for i := range t.Paths {
		for j := range t.Paths[i].Hops {
			h := &t.Paths[i].Hops[j]
			t := b.tables[tableKey{h.Backend, h.Family, h.Table}]
			if t == nil || h.Rule == 0 {
				continue
			}
			if c := t.Chain(h.Chain); c != nil && h.Rule <= len(c.Rules) {
				r := &c.Rules[h.Rule-1]
				h.Text, h.Source, h.Line = r.Text, r.Source.String(), r.Line
			}
		}
	}
}

// Close ends the trace.
func (t *Tracer) Close() error { return t.kernel.Close() }
