package netfilter

import (
	"context"
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// loadOrder is the order of a load: sets come before the rules that name
// them, sysctls last, since forwarding must not open before the rules are in.
var loadOrder = []ruleset.Kind{ruleset.IPSet, ruleset.IPTables, ruleset.IP6Tables, ruleset.ARPTables,
	ruleset.EBTables, ruleset.NFTables, ruleset.SysctlSet}

// Load puts a snapshot into an empty namespace: sets, the tables of both
// backends, native tables, sysctls. It returns a *LoadError for the first line
// that a program or the kernel refuses, and a *NoToolError where a program is
// missing; the namespace is then best thrown away. A table may arrive in more
// than one transaction.
func Load(ctx context.Context, s *ruleset.Snapshot) error { return load(ctx, s, RestoreOptions{}) }

// LoadCounted is Load with the counters that the dumps have.
func LoadCounted(ctx context.Context, s *ruleset.Snapshot) error {
	return load(ctx, s, RestoreOptions{Counters: true})
}

func load(ctx context.Context, s *ruleset.Snapshot, opts RestoreOptions) error {
	dumps := slices.Clone(s.Dumps)
	slices.SortStableFunc(dumps, func(a, b ruleset.Dump) int {
		return slices.Index(loadOrder, a.Kind) - slices.Index(loadOrder, b.Kind)
	})
	for _, d := range dumps {
		if d.Kind == ruleset.SysctlSet {
			continue
		}
		var err error
		long := d.Backend == ruleset.NFT && len(d.Text) > longDump && !opts.Counters && bounded()
		if !long {
			err = Restore(ctx, d, opts)
			long = tooLong(err)
		}
		if long {
			err = restorePieces(ctx, d)
		}
		if err != nil {
			return narrow(ctx, d, err)
		}
	}
	return SetSysctls(s.Sysctls)
}
