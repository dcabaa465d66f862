package netfilter

import (
	"context"
	"fmt"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
)

// CaptureStill is CaptureAt of a firewall that others change faster than the
// programs can print it. The kernel's objects are read, which takes a moment,
// and a copy of them made elsewhere, which keeps still: enter runs a function in
// an empty namespace. It returns the objects too, which the dumps are of. The
// error is an *UncarriedError if there is something that cannot be copied.
func CaptureStill(ctx context.Context, scope Scope, enter func(func() error) error) ([]ruleset.Dump, *State, error) {
	objects, err := Objects(ctx)
	if err != nil {
		return nil, nil, err
	}
	script, err := (&State{}).Script(objects, ScriptOptions{Fate: func(ruleset.Family, string) Fate { return Edit }})
	if err != nil {
		return nil, nil, err
	}
	var dumps []ruleset.Dump
	err = enter(func() error {
		// Empty ones do: rules hold no more of a set than that there is one.
		var sets []ruleset.Set
		for _, s := range objects.sets {
			s.Members = nil
			sets = append(sets, s)
		}
		if len(sets) > 0 {
			d := ruleset.Dump{Kind: ruleset.IPSet, Text: ipset.Format(sets)}
			if err := Restore(ctx, d, RestoreOptions{}); err != nil {
				return err
			}
		}
		if err := script.Send(ctx); err != nil {
			return err
		}
		all, err := CaptureRaw(ctx, Scope{Counters: scope.Counters})
		for _, d := range all {
			if d.Backend == ruleset.NFT {
				dumps = append(dumps, d)
			}
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("a copy of the firewall: %w", err)
	}
	rest, err := besideNFT(ctx, scope, len(objects.sets) > 0)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range rest {
		dumps = join(dumps, d)
	}
	return dumps, objects, nil
}

// besideNFT captures what is not of nf_tables.
func besideNFT(ctx context.Context, scope Scope, sets bool) ([]ruleset.Dump, error) {
	var with []string
	if scope.Counters {
		with = []string{"-c"}
	}
	jobs, err := planLegacy(ctx, with)
	if err != nil {
		return nil, err
	}
	if sets {
		path, err := lookup("ipset")
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job{kind: ruleset.IPSet, path: path, args: []string{"save"}})
	}
	var dumps []ruleset.Dump
	for i := range jobs {
		if err := jobs[i].start(ctx); err != nil {
			return nil, err
		}
		d, err := jobs[i].finish(ctx)
		if err != nil {
			return nil, err
		}
		dumps = join(dumps, d)
	}
	d, err := readSysctls(scope.Sysctls)
	if err != nil {
		return nil, err
	}
	return join(dumps, d), nil
}
