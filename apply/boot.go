package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/verify"
)

// bootWait bounds how long a boot may take to bring the firewall back before
// the host is locked down instead.
const bootWait = 2 * time.Minute

// bootLockWait is how long a boot waits for another fwc: nothing else will come
// after it and do what it is for.
const bootLockWait = time.Minute

// errNoBoot says that there is nothing for a boot to bring back.
var errNoBoot = errors.New("nothing was ever confirmed here")

// BootOptions say how a boot brings the last confirmed generation back.
type BootOptions struct {
	Options
	// Accept judges the stored artifact by trust root, policy and this host.
	Accept func(ctx context.Context, artifact []byte) (*verify.Accepted, error)
	// Management is what a lockdown lets in.
	Management verify.Management
	// Strict locks down also where nothing was ever confirmed.
	Strict bool
}

// LockdownError says that the last confirmed firewall could not be brought back
// and that the host is closed but for management.
type LockdownError struct {
	Cause error
	By    string // what closed it; "" if nothing could
	Undo  error  // why not
}

// Error begins with how the host is left.
func (e *LockdownError) Error() string {
	if e.By == "" {
		return fmt.Sprintf("THE HOST HAS NO FIREWALL: a lockdown is not possible: %v; the last confirmed firewall is not back: %v", e.Undo, e.Cause)
	}
	return fmt.Sprintf("the host is locked down, only management comes in: the last confirmed firewall is not back: %v", e.Cause)
}

// Unwrap returns the cause and, without a lockdown, ErrNotRestored.
func (e *LockdownError) Unwrap() []error {
	if e.By == "" {
		return []error{ErrNotRestored, e.Cause, e.Undo}
	}
	return []error{e.Cause}
}

// Boot brings the last confirmed generation back from the state directory, in a
// kernel that has just started. What waited for its confirmation ahead of that is
// forgotten; what waits now is left alone. Content of others that nobody vouched for goes: it cannot be asked about.
//
// If anything keeps it from that, the host is locked down, and the error is a
// *LockdownError; unless the live firewall is the confirmed one already, which
// then stands, or another one waits for its confirmation, or nothing was ever
// confirmed and opts is not Strict. Another fwc at work is waited for, a minute if
// opts.LockWait does not say: if it holds on to the lock for longer, what it has
// brought about by then decides. Result is nil with an error, and where there is
// nothing to bring back.
func Boot(ctx context.Context, opts BootOptions) (*Result, error) {
	if opts.LockWait == 0 {
		opts.LockWait = bootLockWait
	}
	opts.Options = opts.withDefaults()
	opts.Replace, opts.Confirm, opts.Guard, opts.DryRun = true, 0, false, false
	r, note, err := boot(ctx, opts)
	if err == nil {
		note.write()
		return r, nil
	}
	if errors.Is(err, errNoBoot) && !opts.Strict {
		return nil, nil
	}
	if errors.As(err, new(*WaitingError)) {
		return nil, err
	}
	if alreadyBack(ctx, opts.Options) {
		return nil, err
	}
	if errors.As(err, new(*heldError)) && underWay(ctx, opts.Options) {
		return nil, err
	}
	e := &LockdownError{Cause: err}
	e.By, e.Undo = lockdown(ctx, opts.Management)
	note = newBootNote(opts.State, BootLockedDown)
	note.Why, note.By = err.Error(), e.By
	note.write()
	return nil, e
}

// alreadyBack says whether the confirmed firewall is in effect. Where that
// cannot be told in time it is not: a host that is so slow must still have its
// lockdown before fwc.service gives up.
func alreadyBack(ctx context.Context, opts Options) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockdownWait)
	defer cancel()
	st, err := Inspect(ctx, opts)
	return err == nil && st.stands()
}

// underWay says whether the firewall of before a change that another fwc is at, or
// the one that it is to bring, is in effect: the change may take its time after
// that, for a check.
func underWay(ctx context.Context, opts Options) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockdownWait)
	defer cancel()
	s, err := look(opts.State)
	if err != nil || s.Pending == nil {
		return false
	}
	for _, n := range []int{s.Current, s.Pending.To} {
		st := &Status{}
		at := &store{dir: s.dir, journal: &journal{Current: n}}
		if n != 0 && at.inspect(ctx, opts, st) == nil && st.Applied != nil && len(st.Drift) == 0 {
			return true
		}
	}
	return false
}

// heldError says that another fwc is at work.
type heldError struct{ error }

// Unwrap returns the ErrBusy.
func (e *heldError) Unwrap() error { return e.error }

// stands says whether the confirmed firewall is in effect, and one at all.
func (st *Status) stands() bool {
	return st.Applied != nil && st.Confirmed && !st.Busy && st.Unfinished == nil && len(st.Drift) == 0 && !st.LockedDown
}

func boot(ctx context.Context, opts BootOptions) (*Result, *BootNote, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, bootWait, fmt.Errorf("it took longer than %v", bootWait))
	defer cancel()
	used, err := inUse(opts.State)
	if err != nil {
		return nil, nil, err
	}
	if !used {
		return nil, nil, errNoBoot
	}
	s, err := opts.open(ctx)
	if errors.Is(err, ErrBusy) {
		err = &heldError{err}
	}
	if err != nil {
		return nil, nil, err
	}
	defer s.close()
	s.fault = opts.fault
	// In the same boot of the kernel: somebody starts the service by hand.
	if err := s.waiting(); err != nil {
		return nil, nil, err
	}
	dropDeadWatchdogs(s.dir)
	var recovered *Recovery
	if s.Pending != nil {
		if recovered, err = s.unwind(ctx, opts.Committer, s.Pending.why()); err != nil {
			return nil, nil, err
		}
	}
	if s.Confirmed == 0 {
		return nil, nil, errNoBoot
	}
	g, err := s.generation(s.Confirmed)
	if err != nil {
		return nil, nil, err
	}
	data, err := readRegular(s.path(g.Number, partArtifact))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: generation %d: %w", ErrState, g.Number, err)
	}
	a, err := opts.Accept(ctx, data)
	if err != nil {
		return nil, nil, err
	}
	if a.Digest() != g.Digest {
		return nil, nil, fmt.Errorf("%w: generation %d: its artifact is another one", ErrState, g.Number)
	}
	ours, err := withWanted(a.Snapshot(), a.Build().Wanted)
	if err != nil {
		return nil, nil, err
	}
	c := candidate{generation: *g, to: g.Number, back: true}
	if c.ours, c.notes, err = withoutAbsent(ours); err != nil {
		return nil, nil, err
	}
	r, err := s.run(ctx, c, opts.Options)
	if err != nil {
		return nil, nil, err
	}
	if r.Result == RolledBack {
		r.Result = Applied
	}
	r.Generation, r.Recovered = s.Current, recovered
	note := newBootNote(opts.State, BootApplied)
	note.Generation = g.Number
	for _, m := range a.Mismatches() {
		note.Result = BootCompatible
		if note.Why != "" {
			note.Why += ", "
		}
		note.Why += m.String()
	}
	return r, note, nil
}

// withoutAbsent returns a firewall without the sysctls of interfaces that are
// not there yet, as is usual ahead of the network, and notes that say so.
func withoutAbsent(s *ruleset.Snapshot) (*ruleset.Snapshot, []string, error) {
	var notes []string
	p := newParts()
	p.like = s
	for _, v := range s.Sysctls {
		if name := interfaceOf(v.Key); name != "" {
			if _, err := os.Stat("/sys/class/net/" + name); errors.Is(err, os.ErrNotExist) {
				notes = append(notes, fmt.Sprintf("sysctl %s is not set: there is no interface %s yet", v.Key, name))
				continue
			}
		}
		p.sysctls = append(p.sysctls, v)
	}
	if len(notes) == 0 {
		return s, nil, nil
	}
	for i := range s.Tables {
		p.add(&s.Tables[i], s)
	}
	p.sets = s.Sets
	out, err := p.snapshot()
	return out, notes, err
}

// interfaceOf returns the interface that a sysctl is one of, "" if of none. In a
// key, a dot of the interface's name is a slash. See sysctl(8).
func interfaceOf(key string) string {
	part := strings.Split(key, ".")
	if len(part) != 5 || part[0] != "net" || part[2] != "conf" && part[2] != "neigh" || part[3] == "all" || part[3] == "default" {
		return ""
	}
	return strings.ReplaceAll(part[3], "/", ".")
}
