package compiler

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// culpritTime bounds the search for the call that a loss comes from.
const culpritTime = 30 * time.Second

// culprit returns the index of the call that made what is lost, -1 if it
// cannot be told. It runs the calls that come into question again, in
// namespaces of their own, and looks which of them alone shows the loss.
func (s *stage) culprit(ctx context.Context, snap *ruleset.Snapshot, past *history, calls []Call, d *difference) int {
	if call := d.maker(snap, past); call >= 0 {
		return call
	}
	ctx, cancel := context.WithTimeout(ctx, culpritTime)
	defer cancel()
	suspects := d.suspects(calls)
	if len(suspects) == 0 {
		return -1
	}
	guilty := func(some []int) bool {
		bad, err := s.replay(ctx, snap, calls, some)
		return err == nil && bad
	}
	// In a chain that was only appended to, the rule's number is the call's.
	if m := d.mismatch; m != nil && m.Rule >= 0 && m.Rule < len(suspects) {
		if guess := suspects[m.Rule : m.Rule+1]; guilty(guess) {
			return guess[0]
		}
	}
	if !guilty(suspects) {
		return -1
	}
	for len(suspects) > 1 {
		half := suspects[:len(suspects)/2]
		if guilty(half) {
			suspects = half
		} else {
			suspects = suspects[len(suspects)/2:]
		}
	}
	if !guilty(suspects) {
		return -1
	}
	return suspects[0]
}

// maker returns the call that made the rule of a difference in the kernel's
// objects, -1 if it cannot be told.
func (d *difference) maker(snap *ruleset.Snapshot, past *history) int {
	m := d.mismatch
	if m == nil || m.Rule < 0 {
		return -1
	}
	for i := range snap.Tables {
		t := &snap.Tables[i]
		if t.Native || t.Family != m.Family || t.Backend != m.Backend || t.Name != m.Table {
			continue
		}
		for k := range t.Chains {
			if c := &t.Chains[k]; c.Name == m.Chain && m.Rule < len(c.Rules) {
				return past.makers(t, c)[m.Rule].call
			}
		}
	}
	return -1
}

// suspects are the calls that can have made the place of a difference.
func (d *difference) suspects(calls []Call) []int {
	var kind ruleset.Kind
	table, chain := "", ""
	switch {
	case d.mismatch != nil:
		kind, table, chain = d.mismatch.Family.XTables(), d.mismatch.Table, d.mismatch.Chain
	case d.load != nil:
		kind, _, _ = ruleset.DumpOf(d.load.Dump)
	default:
		name, _, _ := strings.Cut(d.text, ":")
		kind, _, _ = ruleset.DumpOf(name)
	}
	if kind.Family() == "" {
		return nil
	}
	var found []int
	for i := range calls {
		c := &calls[i]
		if c.Status != 0 || !strings.HasPrefix(c.Tool, string(kind)) || strings.HasSuffix(c.Tool, "-restore") {
			continue
		}
		t, ch := c.target()
		if ch != "" && (table == "" || t == table) && (chain == "" || ch == chain) {
			found = append(found, i)
		}
	}
	return found
}

// target returns the table of an xtables call, and the chain if the call puts
// a rule into one.
func (c *Call) target() (table, chain string) {
	table = "filter"
	for i, a := range c.Args {
		if i+1 >= len(c.Args) {
			break
		}
		switch a {
		case "-t", "--table":
			table = c.Args[i+1]
		case "-A", "--append", "-I", "--insert", "-R", "--replace":
			chain = c.Args[i+1]
		}
	}
	return table, chain
}

// appended returns the arguments of a rule's call as an append, since the
// rules that a number counted are not there in a namespace of its own.
func (c *Call) appended() []string {
	args := slices.Clone(c.Args)
	for i, a := range args {
		switch a {
		case "-I", "--insert", "-R", "--replace":
			args[i] = "-A"
			if n := i + 2; n < len(args) && args[n] != "" && strings.Trim(args[n], "0123456789") == "" {
				args = slices.Delete(args, n, n+1)
			}
			return args
		}
	}
	return args
}

// replay runs some calls in a namespace that has the snapshot's sets and empty
// chains, and says whether what they make is lost in a save.
func (s *stage) replay(ctx context.Context, snap *ruleset.Snapshot, calls []Call, some []int) (bad bool, err error) {
	var made *ruleset.Snapshot
	var objects *netfilter.State
	var raw []ruleset.Dump
	err = netns.Do(func() error {
		if sets := snap.Dump(ruleset.IPSet, ""); sets != nil {
			if err := netfilter.Restore(ctx, *sets, netfilter.RestoreOptions{}); err != nil {
				return err
			}
		}
		tool := calls[some[0]].Tool
		table, _ := calls[some[0]].target()
		for _, t := range snap.Tables {
			if t.Name != table || t.Native || !strings.HasPrefix(tool, string(t.Family.XTables())) {
				continue
			}
			for _, ch := range t.Chains {
				if !ch.Builtin() {
					// It may be there from the other backend's table.
					_ = exec.CommandContext(ctx, tool, "-t", table, "-N", ch.Name).Run()
				}
			}
		}
		for _, i := range some {
			if err := exec.CommandContext(ctx, calls[i].Tool, calls[i].appended()...).Run(); err != nil {
				return err
			}
		}
		var err error
		if raw, objects, err = netfilter.Whole(ctx, netfilter.Scope{}); err == nil {
			made, err = dump.Snapshot(raw)
		}
		// A save that fails, or that does not parse, is a loss too.
		bad = err != nil
		return nil
	})
	if err != nil || bad {
		return bad, err
	}
	d, err := s.reload(ctx, made, raw, objects, netfilter.Scope{})
	return d != nil, err
}
