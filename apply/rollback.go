package apply

import (
	"context"
	"fmt"

	"github.com/fwc-dev/fwc/ruleset"
)

// What Rollback takes in place of a generation's number.
const (
	// Previous is the generation that the current one replaced, or BeforeFWC.
	Previous = 0
	// BeforeFWC is the firewall that fwc found when it came to this host.
	BeforeFWC = -1
)

// Rollback brings the live firewall to that of a generation in the history,
// which becomes the current one; the number of the next apply is not affected.
// What fwc applied since goes, what others own stays as in Apply, kept by
// opts.Keep and by the patterns of the two generations.
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
	s, err := open(ctx, opts.State, opts.LockWait)
	if err != nil {
		return nil, err
	}
	defer s.close()
	recovered, err := s.recover(ctx, opts.Committer)
	if err != nil {
		return nil, err
	}
	c, err := s.former(generation)
	if err != nil {
		return nil, err
	}
	if opts.DryRun {
		d, err := s.draft(ctx, *c, opts)
		if err != nil {
			return nil, err
		}
		if _, err := d.plan.trial(ctx); err != nil {
			return nil, err
		}
		return d.result(s, *c, Planned), nil
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
	if n == Previous {
		if s.Current == 0 {
			return nil, fmt.Errorf("nothing is applied: %w", ErrNoGeneration)
		}
		g, err := s.generation(s.Current)
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
	if err != nil || n > s.Last {
		return nil, fmt.Errorf("generation %d: %w", n, ErrNoGeneration)
	}
	ours, err := s.applied(g)
	if err != nil {
		return nil, err
	}
	return &candidate{ours: ours, generation: *g, to: n, back: true}, nil
}

// beforeFWC returns the live firewall of before the first of the generations
// that led to the current one.
func (s *store) beforeFWC() (*candidate, error) {
	if s.Current == 0 {
		return nil, fmt.Errorf("nothing is applied: %w", ErrNoGeneration)
	}
	for n := s.Current; ; {
		g, err := s.generation(n)
		if err != nil {
			return nil, fmt.Errorf("the firewall of before fwc is no longer in the history: %w", err)
		}
		if g.Parent != 0 {
			n = g.Parent
			continue
		}
		before, err := s.previous(n)
		if err != nil {
			return nil, err
		}
		// Tables with nothing in them come and go by looking at them.
		return &candidate{ours: before.Snapshot, raw: before.Raw, back: true, generation: Generation{Keep: g.Keep}}, nil
	}
}

// History returns the generations of a state directory, the latest first.
func History(dir string) ([]Generation, error) {
	s, err := look(dir)
	if err != nil {
		return nil, err
	}
	all, err := s.numbers()
	if err != nil {
		return nil, err
	}
	var out []Generation
	for _, n := range all {
		g, err := s.generation(n)
		if err != nil {
			return nil, err
		}
		out = append(out, *g)
	}
	return out, nil
}

// Current returns the current generation, nil if nothing is applied.
func Current(dir string) (*Generation, error) {
	s, err := look(dir)
	if err != nil || s.Current == 0 {
		return nil, err
	}
	return s.generation(s.Current)
}

// Snapshot returns the artifact's firewall of a generation in the history.
func Snapshot(dir string, n int) (*ruleset.Snapshot, error) {
	s, err := look(dir)
	if err != nil {
		return nil, err
	}
	g, err := s.generation(n)
	if err != nil {
		return nil, err
	}
	return s.applied(g)
}

// look opens a state directory for reading, without its lock.
func look(dir string) (*store, error) {
	if dir == "" {
		dir = DefaultState
	}
	j, err := readJournal(dir)
	if err != nil {
		return nil, err
	}
	return &store{dir: dir, journal: j}, nil
}
