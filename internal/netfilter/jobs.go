package netfilter

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

// plan returns the runs that print everything the kernel holds.
func plan(ctx context.Context, tables []table, sets, counters bool) ([]job, error) {
	var jobs []job
	var with []string
	if counters {
		with = []string{"-c"}
	}
	for _, kind := range ruleset.Kinds[:4] {
		f := kind.Family()
		var own []string
		others := false // tables that a save of the whole family would garble
		for _, t := range tables {
			switch {
			case t.family != f:
			case t.owner == mixedOwn:
				return nil, &MixedError{Family: string(f), Table: t.name, What: t.what}
			case t.owner == xtables:
				own = append(own, t.name)
			case nft.OwnedChains(f, t.name) != nil:
				others = true
			}
		}
		if len(own) == 0 {
			continue
		}
		path, err := xtool(ctx, kind, ruleset.NFT, "-save")
		if err != nil {
			return nil, err
		}
		if !others {
			jobs = append(jobs, job{kind: kind, backend: ruleset.NFT, path: path, args: with})
			continue
		}
		for _, name := range own {
			jobs = append(jobs, job{kind: kind, backend: ruleset.NFT, path: path,
				args: append([]string{"-t", name}, with...)})
		}
	}
	natives, err := planNative(tables)
	if err != nil {
		return nil, err
	}
	jobs = append(jobs, natives...)
	legacy, err := planLegacy(ctx, with)
	if err != nil {
		return nil, err
	}
	jobs = append(jobs, legacy...)
	if sets {
		path, err := lookup("ipset")
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job{kind: ruleset.IPSet, path: path, args: []string{"save"}})
	}
	return jobs, nil
}

// legacyNames are where the kernel lists the legacy tables in being; a save
// of another table would create it.
var legacyNames = map[ruleset.Kind]string{
	ruleset.IPTables:  "ip_tables_names",
	ruleset.IP6Tables: "ip6_tables_names",
	ruleset.ARPTables: "arp_tables_names",
}

// legacyTables lists the legacy tables of a kind that the namespace has,
// sorted.
func legacyTables(kind ruleset.Kind) ([]string, error) {
	name, ok := legacyNames[kind]
	if !ok {
		return nil, nil
	}
	// Not /proc/net: that is the main thread's namespace.
	text, err := os.ReadFile("/proc/thread-self/net/" + name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EINVAL) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := strings.Fields(string(text))
	slices.Sort(names)
	return names, nil
}

func planLegacy(ctx context.Context, with []string) ([]job, error) {
	var jobs []job
	for _, kind := range []ruleset.Kind{ruleset.IPTables, ruleset.IP6Tables, ruleset.ARPTables} {
		names, err := legacyTables(kind)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			continue
		}
		if kind == ruleset.ARPTables {
			path, err := xtool(ctx, kind, ruleset.Legacy, "")
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, job{kind: kind, backend: ruleset.Legacy, path: path,
				args: []string{"-t", "filter", "-L", "-n"}, convert: arpSave})
			continue
		}
		path, err := xtool(ctx, kind, ruleset.Legacy, "-save")
		if err != nil {
			return nil, err
		}
		// Without -t, iptables-legacy-save prints the tables that the same
		// file lists.
		jobs = append(jobs, job{kind: kind, backend: ruleset.Legacy, path: path, args: with})
	}
	for _, table := range ebModules() {
		path, err := xtool(ctx, ruleset.EBTables, ruleset.Legacy, "")
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job{kind: ruleset.EBTables, backend: ruleset.Legacy, path: path,
			args: []string{"-t", table, "-L"}, convert: ebSave})
	}
	return jobs, nil
}

// CaptureLegacy is CaptureRaw of iptables-legacy and ip6tables-legacy alone,
// with counters. Who holds the lock of LockLegacy sees them as they stay.
func CaptureLegacy(ctx context.Context) ([]ruleset.Dump, error) {
	jobs, err := planLegacy(ctx, []string{"-c"})
	if err != nil {
		return nil, err
	}
	var dumps []ruleset.Dump
	for i := range jobs {
		if jobs[i].convert != nil {
			continue
		}
		if err := jobs[i].start(ctx); err != nil {
			return nil, err
		}
		d, err := jobs[i].finish(ctx)
		if err != nil {
			return nil, err
		}
		dumps = join(dumps, d)
	}
	return dumps, nil
}
