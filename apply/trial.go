package apply

import (
	"context"
	"slices"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// Trial loads a snapshot, its sysctls aside, into a throwaway namespace with
// this host's own tools, reads it back and requires it to be the same. It
// returns the kernel's own objects of it. iptables-restore --test is not
// enough: it accepts a jump to a chain that is not there. The error is a
// *TrialError.
func Trial(ctx context.Context, s *ruleset.Snapshot) (*netfilter.State, error) {
	bare := *s
	bare.Sysctls = nil
	bare.Dumps = slices.DeleteFunc(slices.Clone(s.Dumps), func(d ruleset.Dump) bool { return d.Kind == ruleset.SysctlSet })
	return trial(ctx, &bare, nil)
}

// trial is Trial; the objects have the counters of a state, nil for none.
func trial(ctx context.Context, s *ruleset.Snapshot, counters *State) (*netfilter.State, error) {
	load, loaded := netfilter.Load, s
	if counters != nil {
		var err error
		if loaded, err = counters.counted(s); err != nil {
			return nil, err
		}
		load = netfilter.LoadCounted
	}
	var objects *netfilter.State
	err := netns.Do(func() error {
		if err := load(ctx, loaded); err != nil {
			return err
		}
		var raw []ruleset.Dump
		var err error
		if raw, objects, err = netfilter.Whole(ctx, netfilter.Scope{}); err != nil {
			return err
		}
		got, err := parse(raw, s)
		if err != nil {
			return err
		}
		return equal("what was loaded", s, got, all)
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &TrialError{Err: err}
	}
	return objects, nil
}

// trial loads what the plan would send.
func (p *Plan) trial(ctx context.Context, counters *State) (*netfilter.State, error) {
	s, err := p.loadable()
	if err != nil {
		return nil, err
	}
	return trial(ctx, s, counters)
}

// early is a trial of the artifact as it is, which begins before the live
// firewall is read. It is the plan's where nothing of others is kept.
type early struct {
	ours   *ruleset.Snapshot
	result chan trialResult
	cancel context.CancelFunc
}

// ahead begins the candidate's trial.
func (c *candidate) ahead(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	e := &early{ours: c.ours, result: make(chan trialResult, 1), cancel: cancel}
	go func() {
		o, err := Trial(ctx, e.ours)
		e.result <- trialResult{o, err}
	}()
	c.early = e
}

// abandon ends a trial that nobody has waited for.
func (c *candidate) abandon() {
	if c.early != nil {
		c.early.cancel()
		<-c.early.result
		c.early = nil
	}
}

// trial returns the kernel's own objects of what a plan would send.
func (c *candidate) trial(ctx context.Context, d *draft) (*netfilter.State, error) {
	if c.early != nil && c.early.ours == d.plan.Wanted {
		r := <-c.early.result
		c.early.result <- r // for a plan made anew
		return r.objects, r.err
	}
	c.abandon()
	var counters *State
	if c.back {
		counters = c.state(d)
	}
	return d.plan.trial(ctx, counters)
}
