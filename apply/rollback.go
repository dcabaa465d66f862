package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/fwc-dev/fwc/ruleset"
)

// What Rollback takes in place of a generation's number.
const (
	// Previous is the last generation with another firewall than the current
	// one has, or BeforeFWC. Generations that changed nothing, as a signed file
	// of the same firewall with a new number makes them, are passed over. On a
	// host that a boot locked down it is the last confirmed one: that is what the
	// host had, and the lockdown is what there is to undo.
	Previous = 0
	// BeforeFWC is the firewall that fwc found when it came to this host.
	BeforeFWC = -1
)

// Rollback brings the live firewall to that of a generation in the history,
// which becomes the current one; the number of the next apply is not affected.
// What fwc applied since goes. What others own stays as they have it now, kept
// as in Apply by opts.Keep and by the patterns of the two generations. What of
// theirs the generations on the way back had removed (by Options.Replace) comes
// back, with the rules that fwc had taken over from them; Result.Notes says
// what cannot, because its place is taken or its chain is gone. Sysctls that
// only the later generations set get the values of before.
//
// A generation that waits for its confirmation waits no longer: what it changed
// is undone first, which is all for Previous.
//
// Errors are those of Apply, and ErrNoGeneration.
func Rollback(ctx context.Context, generation int, opts Options) (*Result, error) {
	opts = opts.withDefaults()
	used, err := inUse(opts.State)
	if err != nil {
		return nil, err
	}
	if !used {
		return nil, fmt.Errorf("nothing was applied: %w", ErrNoGeneration)
	}
	s, err := opts.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.waiting(); err != nil {
		if opts.DryRun {
			return nil, err
		}
		// The generation that waits is not there to stay: the former is the
		// one before it.
		if r, err := s.giveUp(ctx, opts); err != nil || generation == Previous {
			return r, err
		}
	}
	recovered, err := s.recover(ctx, opts.Committer)
	if err != nil {
		return nil, err
	}
	if generation == Previous && s.Confirmed != 0 {
		live, err := capture(ctx, nil)
		if err != nil {
			return nil, err
		}
		if lockedDown(live.Snapshot) {
			generation = s.Confirmed
		}
	}
	c, err := s.former(generation)
	if err != nil {
		return nil, err
	}
	if opts.DryRun {
		return s.preview(ctx, *c, opts)
	}
	r, err := s.run(ctx, *c, opts)
	if r != nil {
		r.Recovered = recovered
		r.Generation = s.Current
	}
	return r, err
}

// former returns the candidate that brings a generation back.
func (s *store) former(n int) (*candidate, error) {
	if n == Previous || n == BeforeFWC {
		if s.Current == 0 {
			return nil, fmt.Errorf("nothing is applied: %w", ErrNoGeneration)
		}
	}
	if n == Previous {
		g, err := s.generation(s.Current)
		if err == nil {
			g, err = s.origin(g)
		}
		if err != nil {
			return nil, err
		}
		n = g.Parent
		if n == 0 {
			n = BeforeFWC
		}
	}
	if n == BeforeFWC {
		return s.beforeFWC()
	}
	g, err := s.generation(n)
	switch {
	case n > s.Last:
		return nil, fmt.Errorf("%w: there was no generation %d yet; the history has %s", ErrNoGeneration, n, s.inWords())
	case n == s.Void || errors.Is(err, ErrNoGeneration):
		return nil, fmt.Errorf("%w: %d is not in the history, which has %s", ErrNoGeneration, n, s.inWords())
	case err != nil:
		return nil, err
	}
	ours, err := s.applied(g)
	if err != nil {
		return nil, err
	}
	c := &candidate{ours: ours, generation: *g, to: n, back: true}
	c.undone, err = s.undone(n)
	if errors.Is(err, ErrNoGeneration) {
		c.notes = append(c.notes, fmt.Sprintf("what was removed of others is not brought back: %v", err))
	} else if err != nil {
		return nil, err
	}
	return c, nil
}

// beforeFWC returns the live firewall of before the first of the generations
// that led to the current one: nothing of fwc's, and what that removed.
func (s *store) beforeFWC() (*candidate, error) {
	list, err := s.undone(0)
	var notes []string
	if errors.Is(err, ErrNoGeneration) {
		// Some in between are gone. The first is not.
		u, ferr := s.firstUndone()
		if ferr != nil {
			return nil, fmt.Errorf("the firewall of before fwc is no longer in the history: %w", ferr)
		}
		list = append(list, *u)
		notes = append(notes, fmt.Sprintf("what generations that are no longer in the history removed of others is not brought back: %v", err))
		err = nil
	}
	if err != nil {
		return nil, err
	}
	first := list[len(list)-1]
	c := &candidate{notes: notes, ours: &ruleset.Snapshot{}, raw: first.before.Raw, undone: list, back: true,
		generation: Generation{Keep: first.keep}, former: map[string]string{}}
	for _, v := range first.before.Sysctls {
		c.former[v.Key] = v.Value
	}
	return c, nil
}

// undone returns the generations that a rollback to one of their forebears
// undoes, the latest first; 0 is the firewall of before fwc. Going to a
// generation that is no forebear of the current one undoes nothing.
func (s *store) undone(to int) ([]undone, error) {
	var out []undone
	for n := s.Current; n != to; {
		if n == 0 { // nothing of fwc's is in effect that removed anything
			return nil, nil
		}
		g, err := s.generation(n)
		if err == nil {
			g, err = s.origin(g)
		}
		if err != nil {
			return out, err
		}
		if g.Number == to {
			break
		}
		u := undone{keep: g.Keep}
		if u.ours, err = s.applied(g); err != nil {
			return out, err
		}
		if u.before, err = s.previous(g.Number); err != nil {
			return out, err
		}
		if g.Parent != 0 {
			p, err := s.generation(g.Parent)
			if err == nil {
				u.base, err = s.applied(p)
			}
			if err != nil {
				return out, err
			}
		}
		u.base = withLockdown(u.base, u.before.Snapshot)
		out = append(out, u)
		if g.Parent == 0 && to != 0 || g.Parent >= n {
			return nil, nil
		}
		n = g.Parent
	}
	return out, nil
}

// firstUndone returns the first of the generations that led to the current one.
func (s *store) firstUndone() (*undone, error) {
	g, err := s.generation(s.Current)
	if err == nil && g.First == 0 {
		err = fmt.Errorf("the first generation: %w", ErrNoGeneration)
	}
	if err == nil {
		g, err = s.generation(g.First)
	}
	if err != nil {
		return nil, err
	}
	u := &undone{keep: g.Keep}
	if u.ours, err = s.applied(g); err != nil {
		return nil, err
	}
	if u.before, err = s.previous(g.Number); err != nil {
		return nil, err
	}
	u.base = withLockdown(nil, u.before.Snapshot)
	return u, nil
}
