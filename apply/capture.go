package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// capture reads the live firewall with counters, and the sysctls that the
// snapshots name. What it finds as it is in one of like is not parsed again.
func capture(ctx context.Context, like []*ruleset.Snapshot, snapshots ...*ruleset.Snapshot) (*State, error) {
	return captureBy(ctx, like, snapshots, func(scope netfilter.Scope) ([]ruleset.Dump, *netfilter.State, error) {
		raw, err := netfilter.CaptureRaw(ctx, scope)
		return raw, nil, err
	})
}

// captureWhole is capture with the kernel's own objects, of the same instant.
func captureWhole(ctx context.Context, like []*ruleset.Snapshot, snapshots ...*ruleset.Snapshot) (*State, error) {
	return captureBy(ctx, like, snapshots, func(scope netfilter.Scope) ([]ruleset.Dump, *netfilter.State, error) {
		return netfilter.Whole(ctx, scope)
	})
}

// captureBy reads the live firewall, or where others change it too fast for
// that a copy, which has the objects too.
func captureBy(ctx context.Context, like, snapshots []*ruleset.Snapshot, read func(netfilter.Scope) ([]ruleset.Dump, *netfilter.State, error)) (*State, error) {
	scope := netfilter.Scope{Counters: true, Sysctls: sysctlsOf(snapshots), Impatient: true}
	raw, objects, err := read(scope)
	hectic := errors.Is(err, netfilter.ErrChanging)
	if hectic {
		raw, objects, err = netfilter.CaptureStill(ctx, scope, netns.Do)
	}
	var un *netfilter.UncarriedError
	if errors.As(err, &un) {
		scope.Impatient = false
		raw, objects, err = read(scope)
	}
	if err != nil {
		return nil, fmt.Errorf("read the live firewall: %w", err)
	}
	s, err := parseState(raw, objects, like)
	if err != nil {
		return nil, err
	}
	s.hectic = hectic
	return s, nil
}

func parseState(raw []ruleset.Dump, objects *netfilter.State, like []*ruleset.Snapshot) (*State, error) {
	snap, err := parse(raw, like...)
	if err != nil {
		return nil, fmt.Errorf("read the live firewall: %w", err)
	}
	return &State{Snapshot: snap, Raw: raw, Objects: objects}, nil
}

// sysctlsOf returns the keys that snapshots name and those that the kernel
// changes with them.
func sysctlsOf(snapshots []*ruleset.Snapshot) (keys []string) {
	for _, s := range snapshots {
		if s == nil {
			continue
		}
		for _, v := range s.Sysctls {
			keys = append(keys, v.Key)
			keys = append(keys, sideEffects(v.Key)...)
		}
	}
	return keys
}

// parse is dump.Snapshot of what the save programs printed, which takes the
// tables of a dump from one of like where that has the very same text, counters
// aside. Parsing is most of the work of an apply, and most of what it reads it
// has just written.
func parse(raw []ruleset.Dump, like ...*ruleset.Snapshot) (*ruleset.Snapshot, error) {
	var dumps []ruleset.Dump
	var tables []ruleset.Table
	var rest []ruleset.Dump
	for _, d := range raw {
		text := bare(d)
		i := slices.IndexFunc(like, func(s *ruleset.Snapshot) bool { return text != nil && holds(s, d, text) })
		if i < 0 {
			rest = append(rest, d)
			continue
		}
		dumps = append(dumps, *like[i].Dump(d.Kind, d.Backend))
		tables = append(tables, ofKind(like[i].Tables, d.Kind, d.Backend)...)
	}
	s, err := dump.Snapshot(rest)
	if err != nil || len(dumps) == 0 {
		return s, err
	}
	return ruleset.New(append(dumps, s.Dumps...), append(tables, s.Tables...), s.Sets, s.Sysctls), nil
}

func holds(s *ruleset.Snapshot, like ruleset.Dump, text []byte) bool {
	if s == nil {
		return false
	}
	d := s.Dump(like.Kind, like.Backend)
	return d != nil && bytes.Equal(d.Text, text)
}

// tableOrder is the order of the tables in a canonical dump.
var tableOrder = []string{"raw", "mangle", "nat", "filter", "security"}

// bare returns a save of iptables or ip6tables without what its canonical form
// has not: comments, counters, tables with nothing in them. It is the canonical
// form if the rules are, which it does not look into; nil for other kinds.
func bare(d ruleset.Dump) []byte {
	if d.Kind != ruleset.IPTables && d.Kind != ruleset.IP6Tables {
		return nil
	}
	parts := make([][]byte, len(tableOrder))
	var table []byte
	at, busy := -1, false
	for line := range bytes.Lines(d.Text) {
		switch {
		case line[0] == '#' && at < 0:
			continue
		case line[0] == '*':
			at = slices.Index(tableOrder, string(bytes.TrimRight(line[1:], "\n")))
			if at < 0 || parts[at] != nil {
				return nil
			}
			table, busy = make([]byte, 0, len(d.Text)), false
		case at < 0:
			return nil
		case line[0] == ':':
			i := bytes.LastIndexByte(line, '[')
			if i < 0 {
				return nil
			}
			busy = busy || !bytes.HasSuffix(line[:i], []byte(" ACCEPT "))
			table = append(append(table, line[:i]...), "[0:0]\n"...)
			continue
		case line[0] == '[':
			_, rule, ok := bytes.Cut(line, []byte("] "))
			if !ok {
				return nil
			}
			line, busy = rule, true
		case string(line) == "COMMIT\n":
			if busy {
				parts[at] = append(table, line...)
			}
			at = -1
			continue
		default:
			busy = true
		}
		table = append(table, line...)
	}
	if at >= 0 {
		return nil
	}
	return slices.Concat(parts...)
}
