package apply

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/fwc-dev/fwc/ruleset"
)

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

// Waiting returns the generation that waits for its confirmation, 0 if none
// does.
func Waiting(dir string) (int, error) {
	s, err := look(dir)
	if err != nil || !s.Pending.waits() {
		return 0, err
	}
	return s.Pending.To, nil
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

// numbers lists the generations in the history, the latest first.
func (s *store) numbers() ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "generations"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && (n <= s.Last || s.Pending != nil && s.Pending.Step == stepConfirm && n == s.Pending.To) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, nil
}

// origin returns the generation whose apply brought about the firewall of g:
// g itself, unless it changed nothing.
func (s *store) origin(g *Generation) (*Generation, error) {
	if g.Since == 0 || g.Since >= g.Number {
		return g, nil
	}
	return s.generation(g.Since)
}

// needed returns the generations that must stay in the history: the current
// and the confirmed one, the one that brought the current firewall about, and
// the one that a rollback goes to.
func (s *store) needed() (map[int]bool, error) {
	out := map[int]bool{s.Current: true, s.Confirmed: true}
	if s.Current == 0 {
		return out, nil
	}
	g, err := s.generation(s.Current)
	if err == nil {
		g, err = s.origin(g)
	}
	if err != nil {
		return nil, err
	}
	out[g.Number], out[g.Parent] = true, true
	return out, nil
}

// prune drops the oldest generations, those that changed nothing counted for
// themselves: a host that gets the same firewall under a new number every night
// does not forget the one before it.
func (s *store) prune() error {
	all, err := s.numbers()
	if err != nil || s.Pending != nil {
		return err
	}
	needed, err := s.needed()
	if err != nil {
		return err
	}
	count := map[bool]int{}
	for _, n := range all {
		g, err := s.generation(n)
		if err != nil {
			return err
		}
		if count[g.Since != 0]++; count[g.Since != 0] <= keepGenerations || needed[n] {
			continue
		}
		if err := os.RemoveAll(s.path(n)); err != nil {
			return err
		}
	}
	return nil
}
