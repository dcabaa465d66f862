package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// calm is how an apply gets through while others change the firewall without
// end. Once they have come between it no longer waits for a quiet moment: of
// nf_tables the transaction is held against what it touches, see
// netfilter.Script.Follow, and writers to legacy tables wait for their lock
// until the apply is done.
type calm struct {
	wait   time.Duration
	begun  bool
	unlock func()
}

// helps says whether an attempt failed because others came between: text and
// objects of legacy tables are not of one instant.
func (m *calm) helps(d *draft, err error) bool {
	return errors.Is(err, ErrNoWayBack) && !m.begun && hasLegacy(d.live.Snapshot)
}

// begin has what follows get through, where it can.
func (m *calm) begin(ctx context.Context, d *draft) (context.Context, error) {
	if m.begun {
		return ctx, nil
	}
	m.begun = true
	if !hasLegacy(d.live.Snapshot) {
		return ctx, nil
	}
	held, unlock, err := netfilter.HoldLegacy(ctx, m.wait)
	if err != nil {
		return ctx, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	m.unlock = unlock
	return held, nil
}

func (m *calm) end() {
	if m.unlock != nil {
		m.unlock()
	}
}

// settled says whether the live firewall is still what the plan starts from, or
// need not be.
func (m *calm) settled(ctx context.Context, d *draft) (bool, error) {
	if m.begun || d.live.hectic {
		return true, nil
	}
	return d.holds(ctx)
}

// proveBeside is prove where the kernel has not what was planned, cause says
// how, because others have changed their part since: it must have all of the
// artifact's, in its order and in the kernel's own objects, and beside it nothing
// that nobody vouches for.
func (s *store) proveBeside(ctx context.Context, c candidate, opts Options, d *draft, cause error) error {
	if len(d.plan.Regained) > 0 {
		return cause
	}
	for range replans {
		now, err := captureWhole(ctx, []*ruleset.Snapshot{d.plan.Wanted}, d.plan.Wanted)
		if errors.Is(err, netfilter.ErrChanging) {
			continue
		}
		if err != nil {
			return err
		}
		p, lost, err := merge(c.ours, c.ours, now.Snapshot, MergeOptions{Keep: d.keep, strays: strays{aside: straysIn(now, c.ours).aside}})
		if err != nil || len(lost) > 0 || len(p.Changes) > 0 {
			return cause
		}
		wanted, err := p.trial(ctx, nil)
		if err != nil {
			return err
		}
		list := differBut(wanted, now.Objects, p.carried)
		if len(list) == 0 {
			return s.accept(ctx, c, opts)
		}
		cause = fmt.Errorf("read back: the kernel's objects are not those of the trial: %v", list[0])
		if !hasLegacy(now.Snapshot) {
			break // else they may have come between text and objects
		}
	}
	return cause
}
