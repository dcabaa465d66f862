package apply

import (
	"context"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// State is a firewall as a Committer needs it: what it is, and how far its
// counters have come.
type State struct {
	*ruleset.Snapshot
	// Raw are the same dumps with counters, as the tools print them. Without
	// them counters start from zero.
	Raw []ruleset.Dump
	// Counters are dumps whose counters hold instead of those of Raw, the
	// first that has a rule or chain; nil for Raw's.
	Counters []ruleset.Dump
	// Objects are the kernel's own of it, of the same generation where it is
	// the present one; nil where nobody has read them.
	Objects *netfilter.State

	hectic bool // others were changing it too fast for anything but a copy
}

// Committer changes the calling thread's network namespace.
type Committer interface {
	// Commit brings the firewall from from, which is the present one, to to.
	// It sends only what differs. After an error the firewall may be anything
	// between the two; the caller reads it and commits the way back.
	Commit(ctx context.Context, from, to *State) (Outcome, error)
}

// Outcome says how a commit went.
type Outcome struct {
	// Transactions is how many changes, each atomic in itself, the kernel saw.
	Transactions int
	// Fallback says why it was more than one, "" if it was not.
	Fallback string
	// Notes are sentences for the user about what was changed in an unexpected
	// way.
	Notes []string
	// Took is how long the change took, from the first to the last thing
	// changed.
	Took time.Duration
	// Exact says that everything of nf_tables was changed as the kernel's own
	// objects are wanted.
	Exact bool
}

// PerTable commits with the tools' own restore programs: sets first, each in
// one swap, then the tables of each family one after the other, then what the
// new firewall no longer has.
type PerTable struct {
	// Wait bounds the wait for the xtables lock, 0 for no bound.
	Wait time.Duration

	fault fault
}

// fault is called at each step of a change with its name; tests make it fail
// or end the process there. It may be nil.
type fault func(point string) error

func (f fault) at(point string) error {
	if f == nil {
		return nil
	}
	return f(point)
}

// Commit implements Committer. The error is netfilter.ErrGeneration if others
// have changed nf_tables since from.Objects was read: then nothing is changed. If
// they do between two tables it is an ErrBusy.
func (p PerTable) Commit(ctx context.Context, from, to *State) (Outcome, error) {
	c := &change{ctx: ctx, wait: p.Wait, fault: p.fault, from: from, to: to, guard: guardOf(from)}
	err := c.run()
	if c.out.Transactions > 1 {
		c.out.Fallback = tableByTable
		if c.legacyGap != "" {
			c.out.Fallback += ", legacy ones" + c.legacyGap
		}
	}
	return c.out, err
}

// change is one commit under way.
type change struct {
	ctx       context.Context
	wait      time.Duration
	fault     fault
	from, to  *State
	out       Outcome
	legacyGap string // how many legacy tables switched within what, for the Fallback
	begun     bool   // legacy tables are no longer what the change started from
	guard     guard  // of a change table by table
}

func (c *change) run() error {
	sets := planSets(c.from.Snapshot, c.to.Snapshot)
	tables := changedTables(c.from.Snapshot, c.to.Snapshot, sets.clash)
	if err := c.settleEmpty(tables); err != nil {
		return err
	}
	if err := c.guard.check(); err != nil {
		return err
	}
	c.guard.begun = true
	steps := []struct {
		name string
		do   func() error
	}{
		{"sets", func() error { return c.loadSets(sets) }},
		{"tables", func() error { return c.loadTables(tables, sets.stand) }},
		{"clash", func() error { return c.settleClash(sets, tables) }},
		{"native", func() error { return c.loadNative(tables) }},
		{"sysctls", c.loadSysctls},
		{"destroy", func() error { return c.destroySets(sets.destroy) }},
	}
	for _, s := range steps {
		if err := c.ctx.Err(); err != nil {
			return context.Cause(c.ctx)
		}
		if err := c.fault.at(s.name); err != nil {
			return err
		}
		if err := s.do(); err != nil {
			return err
		}
	}
	return nil
}
