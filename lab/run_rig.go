package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// rig is a spec's network with the firewall in its router and the services
// running: what tests run in. It lives on the thread that made it.
type rig struct {
	spec   *Spec
	snap   *ruleset.Snapshot
	top    *topology
	loop   *loop
	router *node
	hooks  *hookLog
	conns  *connections
	// witness knows what the packets met in the router.
	witness witness
	// sights are what was seen since the current flow began.
	sights []sight
	frags  map[fragmentKey]*fragments
	// greeted are the hosts that have heard a greeting.
	greeted map[greeting]bool
	open    []*served
	// serving are the services of each host.
	serving map[string][]Service
	id      uint16
	port    uint16
}

// firstPort and lastPort bound the ports that flows come from; each has one of
// its own until they are used up.
const firstPort, lastPort = 40000, 60999

// newRig builds all of it. The calling thread is as buildTopology wants it.
func newRig(ctx context.Context, spec *Spec, snap *ruleset.Snapshot) (*rig, error) {
	b := &rig{spec: spec, snap: snap, frags: map[fragmentKey]*fragments{}, greeted: map[greeting]bool{}, serving: map[string][]Service{}, port: firstPort - 1}
	var err error
	if b.loop, err = newLoop(); err != nil {
		return nil, err
	}
	if b.top, err = buildTopology(spec); err != nil {
		return nil, err
	}
	b.router = b.top.node(RouterName)
	if err := b.firewall(ctx); err != nil {
		return nil, err
	}
	if err := b.top.in(b.router, func() (err error) { b.conns, err = openConnections(); return err }); err != nil {
		return nil, err
	}
	for _, n := range b.top.nodes {
		if err := b.listenFrames(n); err != nil {
			return nil, fmt.Errorf("watch %s: %w", n.name, err)
		}
	}
	if err := b.greet(); err != nil {
		return nil, err
	}
	for i := range spec.Hosts {
		h := &spec.Hosts[i]
		b.serving[h.Name] = b.services(h)
		for _, v := range b.serving[h.Name] {
			if err := b.serve(b.top.node(h.Name), v); err != nil {
				return nil, err
			}
		}
	}
	return b, b.clean()
}

// services are a host's own, and one on each port of it that a test goes to.
func (b *rig) services(h *Host) []Service {
	out := slices.Clone(h.Services)
	if h.Closed {
		return out
	}
	n := b.top.node(h.Name)
	for _, t := range b.spec.Tests {
		v := Service{Proto: t.Probe.Proto, Port: t.Probe.Port, Answer: h.Name}
		if !n.local[t.Probe.Dst] || !slices.Contains([]string{"tcp", "udp", "http"}, v.Proto) ||
			slices.ContainsFunc(out, func(o Service) bool { return o.transport() == v.transport() && o.Port == v.Port }) {
			continue
		}
		out = append(out, v)
	}
	return out
}

// close closes the sockets that hear frames, all at once: each waits until no
// packet is on its way to it (packet_release), and the end of the process would
// close them one by one.
func (b *rig) close() {
	var wg sync.WaitGroup
	for _, n := range b.top.nodes {
		wg.Go(func() { unix.Close(n.frames) })
	}
	wg.Wait()
}

// clean ends what the last flow left open, so that the next begins in silence.
func (b *rig) clean() error {
	for _, c := range b.open {
		if c.fd >= 0 {
			_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			c.close(b.loop)
		}
	}
	b.open = b.open[:0]
	if err := b.loop.settle(); err != nil {
		return err
	}
	b.sights = b.sights[:0]
	clear(b.frags)
	return nil
}

// forget makes the router's connection tracking forget what the last test left:
// a packet that is new in one is new whatever came before, and ports that NAT
// gave out are free again. Limits, recent lists and sets remember.
func (b *rig) forget() error {
	err := b.conns.send(ctDeleteMessage, unix.AF_UNSPEC, 0, nil)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil // the kernel has no ctnetlink
	}
	return err
}

// next returns a number for a flow and a port that it comes from.
func (b *rig) next() (id, port uint16) {
	if b.id++; b.id == 0 {
		b.id = 1
	}
	if b.port++; b.port > lastPort {
		b.port = firstPort
	}
	return b.id, b.port
}
