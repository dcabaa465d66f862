package compiler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
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
	raw, objects, err := netfilter.Whole(ctx, scope)
	var snap *ruleset.Snapshot
	if err == nil {
		snap, err = dump.Snapshot(raw)
	}
	reading.Wait()
	if err != nil {
		if rep.Loss = s.unsaved(ctx, past, calls, err); rep.Loss != nil {
			return nil
		}
		return fmt.Errorf("capture: %w", err)
	}
	// The second load waits for the kernel most of its time.
	var what *difference
	var loadErr error
	var loading sync.WaitGroup
	loading.Go(func() { what, loadErr = s.reload(ctx, snap, raw, objects, scope) })
	defer loading.Wait()
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
// difference from what it was captured from, nil if there is none: from what
// the programs printed of that, and from the kernel's objects.
func (s *stage) reload(ctx context.Context, snap *ruleset.Snapshot, raw []ruleset.Dump, objects *netfilter.State, scope netfilter.Scope) (*difference, error) {
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
		rawAgain, again, err := netfilter.Whole(ctx, scope)
		if err != nil {
			return err
		}
		if m := objects.Diff(again); len(m) > 0 {
			d = &difference{mismatch: &m[0]}
			return nil
		}
		if sameText(raw, rawAgain) {
			return nil
		}
		second, err := dump.Snapshot(rawAgain)
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

// sameText says whether two captures are the same as the programs print them,
// comments and the counters of policies aside. Then they are the same in their
// canonical form, which takes longer to make.
func sameText(a, b []ruleset.Dump) bool {
	return slices.EqualFunc(a, b, func(x, y ruleset.Dump) bool {
		return x.Kind == y.Kind && x.Backend == y.Backend && bytes.Equal(lasting(x.Text), lasting(y.Text))
	})
}

// lasting leaves out what changes from one print to the next.
func lasting(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for line := range bytes.Lines(text) {
		switch i := bytes.LastIndexByte(line, '['); {
		case line[0] == '#':
		case line[0] == ':' && i > 0:
			out = append(append(out, line[:i]...), '\n')
		default:
			out = append(out, line...)
		}
	}
	return out
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
