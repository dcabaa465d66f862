package lab

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strconv"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
	"golang.org/x/sys/unix"
)

// Counter counts the packets that the rules of one router meet. The rules of
// the iptables programs have counters of their own; those of nft need not, and
// not all policies have: there it is the kernel's trace.
type Counter struct {
	snap  *ruleset.Snapshot
	base  *Coverage
	trace *Tracer
	from  map[owner]uint64
	// stop ends listen, which there is for a trace of the Counter's own.
	stop chan struct{}
	done chan error
}

// owner is a rule's place.
type owner struct {
	tableKey
	chain string
	rule  int // from 1
}

// policy stands for a chain's in an owner.
const policy = -1

// StartCoverage begins to count in the calling thread's network namespace, into
// which snap has been loaded. t is a trace that is under way there already, whose
// Hear or Take is called often enough; nil if there is none.
func StartCoverage(ctx context.Context, snap *ruleset.Snapshot, t *Tracer) (*Counter, error) {
	base, err := readCounters(ctx, snap)
	if err != nil {
		return nil, err
	}
	c := &Counter{snap: snap, base: base, trace: t}
	if t != nil {
		if err := t.Hear(); err != nil {
			return nil, err
		}
		t.counts, t.failed = true, false
		c.from = maps.Clone(t.met)
		return c, nil
	}
	if c.trace, err = StartTrace(ctx, snap); err != nil {
		return nil, err
	}
	c.trace.counts = true
	c.stop, c.done = make(chan struct{}), make(chan error, 1)
	go func() { c.done <- c.listen() }()
	return c, nil
}

// listen takes the trace as it comes, before it is more than there is room for.
func (c *Counter) listen() error {
	for {
		if err := c.trace.Drop(); err != nil {
			return err
		}
		select {
		case <-c.stop:
			return c.trace.Drop()
		default:
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(c.trace.Fd()), Events: unix.POLLIN}}, 50)
		}
	}
}

// Stop ends the counting and returns what was counted since it began. The
// calling thread is in the router's namespace, as it was for StartCoverage; the
// packets have come through. Where they met more than there was room for, what is
// counted by the trace is said to be not counted.
func (c *Counter) Stop(ctx context.Context) (*Coverage, error) {
	var err error
	if c.stop != nil {
		close(c.stop)
		err = <-c.done
		c.trace.Close()
	} else {
		err = c.trace.Hear()
	}
	if err != nil {
		return nil, err
	}
	now, err := readCounters(ctx, c.snap)
	if err != nil {
		return nil, err
	}
	for i := range now.Chains {
		ch := &now.Chains[i]
		traced := func(rule int) uint64 {
			at := owner{tableKey{ch.Backend, ch.Family, ch.Table}, ch.Chain, rule}
			return c.trace.met[at] - c.from[at]
		}
		switch {
		case c.trace.failed:
			ch.PolicyPackets = nil
			ch.Counted = ch.Counted && !ch.Native
		case ch.PolicyPackets != nil:
			*ch.PolicyPackets = traced(policy)
		}
		for j := range ch.Rules {
			if ch.Native {
				ch.Rules[j].Packets = traced(j + 1)
				continue
			}
			ch.Rules[j].Packets -= min(c.base.Chains[i].Rules[j].Packets, ch.Rules[j].Packets)
		}
	}
	now.sum()
	return now, nil
}

// readCounters reads the counters of the iptables programs' rules.
func readCounters(ctx context.Context, snap *ruleset.Snapshot) (*Coverage, error) {
	c := NewCoverage(snap)
	dumps, err := netfilter.CaptureRaw(ctx, netfilter.Scope{Counters: true})
	if err != nil {
		return nil, fmt.Errorf("read the rules' counters: %w", err)
	}
	counts := map[owner]uint64{}
	for _, d := range dumps {
		if d.Kind.Family() != "" {
			countLines(counts, d)
		}
	}
	for i := range c.Chains {
		ch := &c.Chains[i]
		for j := range ch.Rules {
			ch.Rules[j].Packets = counts[owner{tableKey{ch.Backend, ch.Family, ch.Table}, ch.Chain, j + 1}]
		}
	}
	c.sum()
	return c, nil
}

// countLines reads the lines "[5:300] -A INPUT …" of a dump.
func countLines(counts map[owner]uint64, d ruleset.Dump) {
	at := owner{tableKey: tableKey{d.Backend, d.Kind.Family(), ""}}
	places := map[string]int{}
	for line := range bytes.Lines(d.Text) {
		line = bytes.TrimSpace(line)
		if name, ok := bytes.CutPrefix(line, []byte("*")); ok {
			at.name = string(name)
			clear(places)
			continue
		}
		var n uint64
		if rest, ok := bytes.CutPrefix(line, []byte("[")); ok {
			var number []byte
			number, rest, _ = bytes.Cut(rest, []byte(":"))
			n, _ = strconv.ParseUint(string(number), 10, 64)
			_, line, _ = bytes.Cut(rest, []byte("] "))
		}
		if rest, ok := bytes.CutPrefix(line, []byte("-A ")); ok {
			name, _, _ := bytes.Cut(rest, []byte(" "))
			at.chain = string(name)
			places[at.chain]++
			at.rule = places[at.chain]
			counts[at] = n
		}
	}
}
