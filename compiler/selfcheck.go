package compiler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// capture reads what the script made, and checks that a load of it gives the
// same: in text, and in the kernel's own objects. A save can lose a match and
// still be a fixed point as text; such a loss would open a firewall.
func (s *stage) capture(ctx context.Context, rep *report) error {
	scope := netfilter.Scope{Sysctls: rep.Written}
	var calls []Call
	var past *history
	var reading sync.WaitGroup
	reading.Go(func() {
		calls, _ = parseLog(rep.Log)
		past = s.readHistory(calls)
	})
	snap, err := netfilter.Capture(ctx, scope)
	reading.Wait()
	if err != nil {
		if rep.Loss = s.unsaved(ctx, past, calls, err); rep.Loss != nil {
			return nil
		}
		return fmt.Errorf("capture: %w", err)
	}
	// The second load waits for the kernel most of its time: it begins before
	// the rest of what it is compared with is read.
	first := make(chan *netfilter.State, 1)
	var what *difference
	var loadErr error
	var loading sync.WaitGroup
	loading.Go(func() { what, loadErr = s.reload(ctx, snap, scope, first) })
	defer loading.Wait()
	objects, err := netfilter.Objects(ctx)
	first <- objects // nil with an error
	if err != nil {
		return fmt.Errorf("read the kernel's objects: %w", err)
	}
	rep.Dumps = snap.Dumps
	if rep.Loss, err = s.lostPart(ctx, snap, past); err != nil || rep.Loss != nil {
		return err
	}
	loading.Wait()
	if loadErr != nil {
		return fmt.Errorf("self-check: %w", loadErr)
	}
	if what != nil {
		rep.Loss = &loss{What: what.String(), Call: s.culprit(ctx, snap, past, calls, what)}
	}
	rep.Dumps = s.lastingTimeouts(snap, calls)
	rep.Makers = past.provenance(snap, calls)
	return nil
}

// difference is what the second load has otherwise.
type difference struct {
	mismatch *netfilter.Mismatch // of the kernel's objects
	load     *netfilter.LoadError
	text     string // of the dumps
}

func (d *difference) String() string {
	switch {
	case d.mismatch != nil:
		return d.mismatch.String()
	case d.load != nil:
		return "its dump does not load: " + d.load.Error()
	}
	return d.text
}

// reload loads a snapshot into a fresh namespace and returns the first
// difference from what it was captured from, nil if there is none. The kernel's
// objects of that come by a channel.
func (s *stage) reload(ctx context.Context, snap *ruleset.Snapshot, scope netfilter.Scope, first <-chan *netfilter.State) (*difference, error) {
	var d *difference
	err := netns.Do(func() error {
		if s.Network.configured(scope.Sysctls) {
			if err := s.Network.make(ctx); err != nil {
				return err
			}
		}
		if err := netfilter.Load(ctx, snap); err != nil {
			var le *netfilter.LoadError
			if errors.As(err, &le) {
				d = &difference{load: le}
				return nil
			}
			return err
		}
		again, err := netfilter.Objects(ctx)
		if err != nil {
			return err
		}
		objects := <-first
		if objects == nil {
			return nil
		}
		if m := objects.Diff(again); len(m) > 0 {
			d = &difference{mismatch: &m[0]}
			return nil
		}
		second, err := netfilter.Capture(ctx, scope)
		if err != nil {
			return err
		}
		if text := diffDumps(snap, second); text != "" {
			d = &difference{text: text}
		}
		return nil
	})
	return d, err
}

// diffDumps returns the first line in which two snapshots differ, "" if they
// are equal.
func diffDumps(a, b *ruleset.Snapshot) string {
	for _, k := range ruleset.Kinds {
		for _, backend := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy, ""} {
			da, db := a.Dump(k, backend), b.Dump(k, backend)
			if text := diffText(da, db); text != "" {
				return text
			}
		}
	}
	return ""
}

func diffText(a, b *ruleset.Dump) string {
	var la, lb []string
	name := ""
	if a != nil {
		name, la = a.Name(), strings.Split(string(a.Text), "\n")
	}
	if b != nil {
		name, lb = b.Name(), strings.Split(string(b.Text), "\n")
	}
	for i := range max(len(la), len(lb)) {
		x, y := "", ""
		if i < len(la) {
			x = la[i]
		}
		if i < len(lb) {
			y = lb[i]
		}
		if x != y {
			return fmt.Sprintf("%s:%d: %q comes back as %q", name, i+1, x, y)
		}
	}
	return ""
}
