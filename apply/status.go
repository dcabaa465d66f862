package apply

import (
	"context"
	"errors"

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
	// Unfinished is a change that was cut short and is to be undone by Recover.
	Unfinished *Recovery `json:"unfinished,omitempty"`
}

// Inspect compares the live firewall with the current generation. It changes
// nothing: a change that was cut short is reported, not undone.
func Inspect(ctx context.Context, opts Options) (*Status, error) {
	opts = opts.withDefaults()
	s, err := look(opts.State)
	if err != nil {
		return nil, err
	}
	st := new(Status)
	if p := s.Pending; p != nil {
		st.Busy = held(ctx, opts.State)
		if !st.Busy && p.Step != stepConfirm {
			st.Unfinished = &Recovery{Generation: p.To, Began: p.Began, Rebooted: p.Boot != bootID()}
		}
	}
	g, base, err := s.base()
	if err != nil || g == nil {
		return st, err
	}
	st.Applied, st.Confirmed = g, s.Confirmed == g.Number
	live, err := capture(ctx, []*ruleset.Snapshot{base}, base)
	if err != nil {
		return nil, err
	}
	p, _, err := merge(base, base, live.Snapshot, MergeOptions{Keep: append(g.Keep, opts.Keep...)})
	if err != nil {
		return nil, err
	}
	st.Foreign = p.Foreign
	st.Drift, err = changes(p.Wanted, p.Live, p.own)
	return st, err
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
