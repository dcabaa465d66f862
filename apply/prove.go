package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// prove reads the kernel back, holds it to the plan and to the trial, and runs
// the health check.
func (s *store) prove(ctx context.Context, c candidate, opts Options, d *draft, objects *netfilter.State, exact bool) error {
	if err := opts.fault.at("readback"); err != nil {
		return err
	}
	if !exact || hasLegacy(d.plan.Wanted) || hasLegacy(d.live.Snapshot) {
		now, err := capture(ctx, []*ruleset.Snapshot{d.plan.Wanted, d.live.Snapshot}, d.plan.Wanted)
		if err != nil {
			return err
		}
		if err := equal("read back", d.plan.Wanted, onlySysctls(now.Snapshot, d.plan.Wanted.Sysctls), d.plan.own); err != nil {
			return s.proveBeside(ctx, c, opts, d, err)
		}
	} else if err := d.proveSets(ctx); err != nil {
		return s.proveBeside(ctx, c, opts, d, err)
	}
	live, err := netfilter.Objects(ctx)
	if errors.Is(err, netfilter.ErrChanging) {
		return s.proveBeside(ctx, c, opts, d, err)
	}
	if err != nil {
		return err
	}
	list := differBut(objects, live, d.plan.carried)
	if len(list) > 0 {
		err := fmt.Errorf("read back: the kernel's objects are not those of the trial: %v", list[0])
		return s.proveBeside(ctx, c, opts, d, err)
	}
	return s.accept(ctx, c, opts)
}

// accept runs the health check, and counts the artifact as applied.
func (s *store) accept(ctx context.Context, c candidate, opts Options) error {
	if err := check(ctx, opts); err != nil {
		return err
	}
	if c.record != nil && opts.Confirm == 0 {
		s.unreserve()
		return c.record() // else when it is confirmed
	}
	return nil
}

// proveSets reads back what no object of nf_tables shows.
func (d *draft) proveSets(ctx context.Context) error {
	want := &ruleset.Snapshot{Sets: d.plan.Wanted.Sets, Sysctls: d.plan.Wanted.Sysctls}
	now, err := netfilter.CaptureSets(ctx, sysctlsOf([]*ruleset.Snapshot{want}))
	if err != nil {
		return err
	}
	return equal("read back", want, onlySysctls(now, want.Sysctls), all)
}
