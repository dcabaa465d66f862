package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// TraceRequest asks for one packet's way through a firewall.
type TraceRequest struct {
	Firewall Firewall
	Plan     TracePlan
}

// TraceResult is what became of the packet, and how.
type TraceResult struct {
	Trace Trace
	// Verdict is accepted, dropped or rejected, With what a rejected packet's
	// answer is.
	Verdict Verdict
	With    string
	// Delivered says that it came to the firewall's own programs. Out is the
	// interface that it left by, Packet the packet as it was then, and Mark its
	// mark.
	Delivered bool
	Out       string
	Packet    string
	Mark      uint32
}

// traceStates are what TracePlan.State may be, in lower case.
var traceStates = []string{"new", "established", "reply", "related", "invalid"}

// ParseTraceState reads a state of a packet: new, established, reply (of an
// established connection that the other side began), related, invalid.
func ParseTraceState(s string) (string, error) {
	for _, k := range traceStates {
		if k == strings.ToLower(s) {
			return k, nil
		}
	}
	return "", fmt.Errorf("%q is no state of a packet: %s", s, strings.Join(traceStates, ", "))
}

func init() { Register("lab-trace", runTrace) }

// RunTrace makes a throwaway router with the firewall, as an ordinary user too,
// and sends it the packet. The rules' texts and lines are s's.
func RunTrace(ctx context.Context, s *ruleset.Snapshot, plan *TracePlan) (*TraceResult, error) {
	res, err := Call[TraceRequest, TraceResult](ctx, "lab-trace", TraceRequest{Firewall: FirewallOf(s), Plan: *plan})
	if err != nil {
		return nil, err
	}
	res.Trace.Attach(s)
	return &res, nil
}

func runTrace(ctx context.Context, q TraceRequest) (res TraceResult, err error) {
	s, err := q.Firewall.Snapshot()
	if err != nil {
		return res, err
	}
	r, err := NewRouter(ctx, s, q.Plan.Wires...)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := r.Arrange(q.Plan.Arrangement); err != nil {
		return res, err
	}
	p := q.Plan.Packet
	if p.ID == 0 {
		p.ID = r.NextID()
	}
	if err := r.prepare(&p, q.Plan.State); err != nil {
		return res, err
	}
	t, out, err := r.Trace(ctx, s, p)
	if err != nil {
		return res, err
	}
	res = TraceResult{Trace: *t, Verdict: out.Verdict, With: out.With}
	if e := out.End; e != nil {
		end := Packet{Src: e.Packet.Src, Dst: e.Packet.Dst, Proto: e.Packet.Proto, SPort: e.Packet.SPort, DPort: e.Packet.DPort,
			ICMPType: e.Packet.ICMPType, ICMPCode: e.Packet.ICMPCode, Flags: e.Packet.Flags, TOS: e.Packet.TOS}
		res.Delivered, res.Out, res.Packet, res.Mark = e.Place == Delivered, e.Out, end.String(), e.Mark
	}
	return res, nil
}

// Trace sends one packet, as Send does, and returns also what it and the answers
// to it met. s is what the router has loaded.
func (r *Router) Trace(ctx context.Context, s *ruleset.Snapshot, p Packet) (*Trace, Outcome, error) {
	var tr *Tracer
	err := r.Do(func() (err error) {
		tr, err = StartTrace(ctx, s)
		return err
	})
	if err != nil {
		return nil, Outcome{}, err
	}
	defer tr.Close()
	out, err := r.Send(ctx, p)
	if err != nil {
		return nil, Outcome{}, err
	}
	t, err := tr.Take()
	if err != nil {
		return nil, Outcome{}, err
	}
	return t.Of(&p), out, nil
}

// prepare makes the connection that gives the packet its state.
func (r *Router) prepare(p *Packet, state string) error {
	back := *p
	back.In, back.Src, back.Dst, back.SPort, back.DPort = "", p.Dst, p.Src, p.DPort, p.SPort
	back.ICMPType = answerTo(p.Proto, p.ICMPType)
	switch state {
	case "", "new":
		return nil
	case "established":
		return r.Connect(&Connection{First: *p, Replied: true})
	case "reply":
		return r.Connect(&Connection{First: back, Replied: true})
	case "related":
		master := Packet{Src: p.Src, Dst: p.Dst, Proto: TCP, SPort: 21, DPort: 21}
		return r.Connect(&Connection{First: *p, Master: &Connection{First: master, Replied: true}})
	case "invalid":
		p.BadSum = true
		return nil
	}
	return fmt.Errorf("%q is no state of a packet", state)
}
