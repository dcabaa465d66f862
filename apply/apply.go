// Package apply brings a host to the firewall of an artifact: whole, or not at
// all, and with a way back.
//
// An apply loads the wanted firewall into a throwaway namespace first, plans
// the step from the live one as a three-way merge, writes down what it is about
// to do, commits, and reads back. Whatever fails after the first change is
// undone. The state directory holds the journal and the generations that fwc
// applied; a change that was cut short is undone at the next start.
//
// Everything acts on the network namespace of the calling thread.
package apply

import (
	"context"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/verify"
)

// DefaultState is where hosts keep journal and history.
const DefaultState = verify.DefaultState

// DefaultLockWait is how long an apply waits for another to end.
const DefaultLockWait = 10 * time.Second

// DefaultCheckTimeout bounds the health check.
const DefaultCheckTimeout = 10 * time.Second

// Options say how to apply. The zero Options keep nothing of others and lose
// nothing of theirs either: foreign content stops the apply.
type Options struct {
	State   string // directory, "" for DefaultState
	Keep    Keep   // patterns of foreign chains, sets and native tables that stay
	Replace bool   // foreign content that no pattern matches goes
	// Check is a shell command that must exit 0 after the commit, within
	// CheckTimeout (0: DefaultCheckTimeout); otherwise the change is undone.
	Check        string
	CheckTimeout time.Duration
	// LockWait bounds the wait for another fwc and for the xtables lock, 0 for
	// DefaultLockWait.
	LockWait time.Duration
	// Waiting is called once, if another fwc has held the lock for a second, with
	// who does, "" where that is not known. It may be nil.
	Waiting func(holder string)
	// DryRun plans and tries, and changes nothing.
	DryRun bool
	// Confirm is how long the change waits for Confirm when it is in effect and
	// was checked; then a watchdog, a process of its own, undoes it. 0 keeps it
	// at once. A rollback takes no notice of it.
	Confirm time.Duration
	// Guard starts a watchdog for any change, which undoes it at once if this
	// process dies half-way. Without one the next start does.
	Guard bool
	// Committer changes the kernel; nil is OneStep.
	Committer Committer

	fault fault
}

func (o Options) withDefaults() Options {
	if o.State == "" {
		o.State = DefaultState
	}
	if o.LockWait == 0 {
		o.LockWait = DefaultLockWait
	}
	if o.CheckTimeout == 0 {
		o.CheckTimeout = DefaultCheckTimeout
	}
	if o.Committer == nil {
		o.Committer = OneStep{Wait: o.LockWait, fault: o.fault}
	}
	return o
}

// Results of an apply or a rollback.
const (
	Applied    = "applied"
	Unchanged  = "unchanged" // the live firewall is as wanted; nothing was sent
	Planned    = "planned"   // by Options.DryRun
	RolledBack = "rolled-back"
)

// Result says what an apply or a rollback did.
type Result struct {
	// Digest is the artifact's, "" for the firewall of before fwc.
	Digest string `json:"digest"`
	// Generation is the current one afterwards, 0 before the first.
	Generation int `json:"generation"`
	// Result is Applied, Unchanged, Planned or RolledBack.
	Result string `json:"result"`
	// Transactions is how many atomic changes the kernel saw.
	Transactions int `json:"transactions"`
	// Changes is what was changed, or would be.
	Changes []ruleset.Change `json:"changes"`
	// Fallback says why it was more than one transaction, if so.
	Fallback string `json:"fallback,omitempty"`
	// CommitMillis is how long the commit took, in milliseconds.
	CommitMillis int64 `json:"commitMillis"`
	// ForeignKept is the content of others that stayed, ForeignLost what went
	// by Options.Replace.
	ForeignKept []Foreign `json:"foreignKept"`
	ForeignLost []Foreign `json:"foreignLost,omitempty"`
	// ForeignRegained is the content of others that a rollback brought back:
	// what the generations that it undid had removed.
	ForeignRegained []Foreign `json:"foreignRegained,omitempty"`
	// Notes are sentences for the user: what a rollback could not bring back,
	// and sysctls that stay although nothing sets them any more.
	Notes []string `json:"notes,omitempty"`
	// ConfirmBy is when the change is undone unless it is confirmed before, nil
	// if it stays.
	ConfirmBy *time.Time `json:"confirmBy,omitempty"`
	// Recovered is an earlier change that was cut short and is undone now.
	Recovered *Recovery `json:"recovered,omitempty"`
	// Plan is what was planned.
	Plan *Plan `json:"-"`
}

// Apply brings the live firewall to the artifact's.
//
// Errors: *ForeignError if content of others would be lost, *TrialError if
// this host cannot load the artifact, ErrBusy if a lock could not be had in
// time. Once something was changed an error is a *FailedError, which is
// ErrUndone or ErrNotRestored.
func Apply(ctx context.Context, a *verify.Accepted, opts Options) (*Result, error) {
	opts = opts.withDefaults()
	m := a.Artifact().Manifest
	ours, err := withWanted(a.Snapshot(), a.Build().Wanted)
	if err != nil {
		return nil, err
	}
	c := candidate{
		ours:     ours,
		artifact: a.Artifact().Data(),
		generation: Generation{Digest: a.Digest(), Epoch: m.Epoch, Serial: m.Serial, AllowedOlder: a.Checked().Older(),
			Script: m.Script.Name, Labels: m.Labels},
		prepare: func(g *Generation) error {
			err := a.Prepare()
			g.AllowedOlder = a.Checked().Older()
			return err
		},
		record:  a.Record,
		receipt: a.Receipt,
	}
	if opts.DryRun {
		return dryRun(ctx, c, opts)
	}
	return applyCandidate(ctx, c, opts)
}

// candidate is a firewall to apply and what the history will say about it.
type candidate struct {
	ours       *ruleset.Snapshot
	artifact   []byte
	generation Generation
	// to is the generation to go back to: 0 for a new one.
	to int
	// back says that this is a rollback.
	back bool
	// raw is the firewall of before fwc as the tools printed it.
	raw []ruleset.Dump
	// undone are the generations that a rollback undoes, the latest first.
	undone []undone
	// former are values that sysctls had before fwc set them.
	former map[string]string
	// early is a trial that runs already, nil for none.
	early *early
	// notes are for the Result.
	notes []string
	// prepare is called under the lock, before anything is written.
	prepare func(*Generation) error
	// record is called when the firewall is in effect; nil for nothing.
	record func() error
	// receipt is what record writes, for a change that waits for its
	// confirmation; nil for nothing.
	receipt func() verify.Receipt
}

func applyCandidate(ctx context.Context, c candidate, opts Options) (*Result, error) {
	s, err := opts.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	s.fault = opts.fault
	if c.prepare != nil {
		if err := c.prepare(&c.generation); err != nil {
			return nil, err
		}
	}
	recovered, err := s.recover(ctx, opts.Committer)
	if err != nil {
		return nil, err
	}
	r, err := s.run(ctx, c, opts)
	if r != nil {
		r.Recovered = recovered
	}
	return r, err
}

// dryRun plans without lock and without a trace: what it shows may be
// overtaken.
func dryRun(ctx context.Context, c candidate, opts Options) (*Result, error) {
	j, err := readJournal(opts.State)
	if err != nil {
		return nil, err
	}
	s := &store{dir: opts.State, journal: j}
	return s.preview(ctx, c, opts)
}

// foresee says in a result how its plan would be committed.
func (d *draft) foresee(ctx context.Context, c candidate, opts Options, objects *netfilter.State, r *Result) error {
	f, ok := opts.Committer.(interface {
		Foresee(ctx context.Context, from, to *State) (Outcome, error)
	})
	if !ok || len(d.plan.Changes) == 0 {
		return nil
	}
	to := c.state(d)
	to.Objects = objects
	from := &State{Snapshot: without(d.live.Snapshot, d.plan.anew), Raw: d.live.Raw, Objects: d.live.Objects}
	out, err := f.Foresee(ctx, from, to)
	r.Fallback, r.Notes = out.Fallback, append(r.Notes, out.Notes...)
	return err
}

// preview plans and tries.
func (s *store) preview(ctx context.Context, c candidate, opts Options) (*Result, error) {
	for {
		d, err := s.draft(ctx, &c, opts)
		if err != nil {
			return nil, err
		}
		objects, err := c.trial(ctx, d)
		if err == nil {
			r := d.result(s, c, Planned)
			return r, d.foresee(ctx, c, opts, objects, r)
		}
		if !c.give(d, err) {
			return nil, err
		}
	}
}
