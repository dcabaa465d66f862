package lab

import (
	"context"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// mostPaths is how many packets' ways a failed test tells, and mostEvents how
// much is kept for that while it runs.
const mostPaths, mostEvents = 8, 4000

// witness knows what the packets of the present test met in the router.
type witness struct {
	trace   *Tracer
	counter *Counter // nil if no coverage is asked for
	told    []netfilter.TraceEvent
	lost    bool
}

// observe begins to trace all that passes the router: a test that fails is told
// why without being run again, when conntrack and limits would be others.
func (b *rig) observe(ctx context.Context, cover bool) error {
	return b.top.in(b.router, func() (err error) {
		if b.witness.trace, err = StartTrace(ctx, b.snap); err != nil {
			return err
		}
		if cover {
			if b.witness.counter, err = StartCoverage(ctx, b.snap, b.witness.trace); err != nil {
				return err
			}
		}
		return b.loop.watch(b.witness.trace.Fd(), unix.EPOLLIN, func(uint32) error { return b.witness.trace.Hear() })
	})
}

// unobserve ends the trace and the counting, and returns what was counted, nil if
// nothing was.
func (b *rig) unobserve(ctx context.Context) (c *Coverage, err error) {
	w := &b.witness
	err = b.top.in(b.router, func() (err error) {
		if w.counter != nil {
			if c, err = w.counter.Stop(ctx); err != nil {
				return err
			}
		}
		return netfilter.EndTrace(ctx)
	})
	b.loop.close(w.trace.Fd())
	return c, err
}

// forget leaves what was met so far out of the next flow's telling.
func (w *witness) forget() error { return w.trace.Drop() }

// listen keeps what the flow met.
func (w *witness) listen() error {
	events, lost, err := w.trace.cut()
	if len(w.told) < mostEvents {
		w.told = append(w.told, events...)
	}
	w.lost = w.lost || lost
	return err
}

// tell returns what the flows since the last call met.
func (w *witness) tell() *Trace {
	t := assemble(w.trace.book, w.told)
	t.Lost = w.lost
	w.told, w.lost = nil, false
	t.Paths = slices.DeleteFunc(t.Paths, func(p Path) bool { return p.first.neighbourly() })
	if n := len(t.Paths) - mostPaths; n > 0 {
		t.Paths, t.Omitted = t.Paths[:mostPaths], n
	}
	return t
}

// neighbourly says whether a packet is of those with which hosts of IPv6 find
// each other: solicitations, advertisements and reports of groups (RFC 4861, RFC
// 2710, RFC 3810).
func (h *header) neighbourly() bool {
	switch {
	case h.Proto == ICMPv6:
		return h.ICMPType >= 130 && h.ICMPType <= 137 || h.ICMPType == 143
	case h.V6() && h.Proto == 0: // hop-by-hop options
		return h.Dst.IsMulticast()
	}
	return false
}
