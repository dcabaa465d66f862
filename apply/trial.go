package apply

import (
	"context"

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
	p := newParts()
	for i := range s.Tables {
		p.add(&s.Tables[i], s)
	}
	p.sets = s.Sets
	bare, err := p.snapshot()
	if err != nil {
		return nil, err
	}
	return trial(ctx, bare, nil)
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
		raw, err := netfilter.CaptureRaw(ctx, netfilter.Scope{})
		if err != nil {
			return err
		}
		got, err := parse(raw, s)
		if err != nil {
			return err
		}
		if err := equal("what was loaded", s, got, all); err != nil {
			return err
		}
		objects, err = netfilter.Objects(ctx)
		return err
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
