package lab

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// Counter counts the packets that the rules of one router meet. The rules of
// the iptables programs have counters of their own, those of nft need not:
// there it is the kernel's trace.
type Counter struct {
	snap  *ruleset.Snapshot
	base  *Coverage
	trace *netfilter.Tracer
	stop  chan struct{}
	done  sync.WaitGroup

	traced map[owner]uint64
	err    error
}

// owner is a rule's place.
type owner struct {
	tableKey
	chain string
	rule  int // from 1
}

// StartCoverage begins to count in the calling thread's network namespace, into
// which snap has been loaded.
func StartCoverage(ctx context.Context, snap *ruleset.Snapshot) (*Counter, error) {
	base, err := readCounters(ctx, snap)
	if err != nil {
		return nil, err
	}
	c := &Counter{snap: snap, base: base, traced: map[owner]uint64{}, stop: make(chan struct{})}
	if !slices.ContainsFunc(snap.Tables, func(t ruleset.Table) bool { return t.Native }) {
		return c, nil
	}
	if c.trace, err = netfilter.Trace(ctx, netfilter.TraceOptions{NoLegacy: true}); err != nil {
		return nil, err
	}
	c.done.Go(c.listen)
	return c, nil
}

// listen takes the trace in pieces, before it is more than there is room for.
func (c *Counter) listen() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c.take()
		select {
		case <-c.stop:
			c.take()
			return
		case <-tick.C:
		}
	}
}

func (c *Counter) take() {
	events, err := c.trace.Events()
	if err != nil {
		c.err = err
	}
	for _, e := range events {
		if e.Kind == netfilter.TraceRule {
			c.traced[owner{tableKey{e.Backend, e.Family, e.Table}, e.Chain, e.Rule}]++
		}
	}
}

// Stop ends the counting and returns what was counted since it began. The
// calling thread is in the router's namespace, as it was for StartCoverage; the
// packets have come through. The error wraps netfilter.ErrTraceLost if there
// were more than could be counted.
func (c *Counter) Stop(ctx context.Context) (*Coverage, error) {
	if c.trace != nil {
		close(c.stop)
		c.done.Wait()
		c.trace.Close()
		if c.err != nil {
			return nil, c.err
		}
	}
	now, err := readCounters(ctx, c.snap)
	if err != nil {
		return nil, err
	}
	for i := range now.Chains {
		ch := &now.Chains[i]
		for j := range ch.Rules {
			if ch.Native {
				ch.Rules[j].Packets = c.traced[owner{tableKey{ch.Backend, ch.Family, ch.Table}, ch.Chain, j + 1}]
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
