package apply

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// Status is what fwc applied and what became of it.
type Status struct {
	// Applied is the current generation, nil if there is none.
	Applied *Generation `json:"applied"`
	// Confirmed says that Applied needs no confirmation any more.
	Confirmed bool `json:"confirmed"`
	// Drift turns what was applied into the live firewall: what appeared, went
	// or moved since. Foreign content that is vouched for is no drift.
	Drift []ruleset.Change `json:"drift"`
	// Foreign is the content of others that a pattern of the generation keeps.
	Foreign []Foreign `json:"foreign"`
	// Busy says that a change is under way, so that the rest may be passing.
	Busy bool `json:"busy,omitempty"`
	// Unfinished is a change that was cut short, or not confirmed in time, and is
	// to be undone by Recover.
	Unfinished *Recovery `json:"unfinished,omitempty"`
	// Window is what waits for its confirmation, nil if nothing does. Applied is
	// its generation then.
	Window *Window `json:"window,omitempty"`
	// Undone is the last change that was undone without anybody being told,
	// until the next one is kept.
	Undone *Undone `json:"undone,omitempty"`
	// Boot says how the last boot went, until something else was applied; nil if
	// that is not known.
	Boot *BootNote `json:"boot,omitempty"`
	// LockedDown says that the live firewall has a lockdown in it.
	LockedDown bool `json:"lockedDown,omitempty"`
}

// Window is the time that a generation waits for its confirmation.
type Window struct {
	Generation int           `json:"generation"`
	Former     int           `json:"former"` // the generation to go back to, 0 for the firewall of before fwc
	By         time.Time     `json:"by"`     // in UTC
	Left       time.Duration `json:"left"`
	// Watched says that a process is there to go back at its end.
	Watched bool `json:"watched"`
}

// Inspect compares the live firewall with the current generation. It changes
// nothing: a change that was cut short is reported, not undone.
func Inspect(ctx context.Context, opts Options) (*Status, error) {
	opts = opts.withDefaults()
	s, err := look(opts.State)
	if err != nil {
		return nil, err
	}
	st := &Status{Undone: s.Undone, Boot: readBootNote(opts.State)}
	switch p := s.Pending; {
	case p.waits():
		w := watchdog{watchdogFile(opts.State, p.Watchdog)}
		st.Window = &Window{p.To, s.Current, *p.ConfirmBy, p.left(), w.alive()}
		s = &store{dir: s.dir, journal: &journal{Current: p.To, Confirmed: s.Confirmed}}
	case p != nil:
		if st.Busy = held(ctx, opts.State); !st.Busy {
			st.Unfinished = p.recovery()
		}
	}
	if err := s.inspect(ctx, opts, st); err != nil {
		return nil, err
	}
	return st, nil
}

// inspect compares the live firewall with the current generation of s.
func (s *store) inspect(ctx context.Context, opts Options, st *Status) error {
	g, base, err := s.base()
	if err != nil {
		return err
	}
	if g == nil {
		if live, err := capture(ctx, nil); err == nil { // who may not look is told no less
			st.LockedDown = lockedDown(live.Snapshot)
		}
		return nil
	}
	st.Applied, st.Confirmed = g, s.Confirmed == g.Number
	live, err := captureWhole(ctx, []*ruleset.Snapshot{base}, base)
	if err != nil {
		return err
	}
	st.LockedDown = lockedDown(live.Snapshot)
	p, _, err := merge(base, base, live.Snapshot, MergeOptions{Keep: append(g.Keep, opts.Keep...), strays: straysIn(live, base)})
	if err != nil {
		return err
	}
	st.Foreign = p.Foreign
	if st.Drift, err = changes(p.Wanted, p.Live, p.own); err != nil {
		return err
	}
	hidden, err := p.hidden(ctx, live, st.Drift)
	st.Drift = append(st.Drift, hidden...)
	if st.LockedDown { // which says it
		st.Drift = slices.DeleteFunc(st.Drift, ofLockdown)
	}
	return err
}

// held says whether another process holds the lock. Who cannot even open the
// lock cannot tell.
func held(ctx context.Context, dir string) bool {
	s, err := open(ctx, dir, 0)
	if err == nil {
		s.close()
	}
	return errors.Is(err, ErrBusy)
}
