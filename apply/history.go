package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

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
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && n != s.Void && (n <= s.Last || s.Pending != nil && s.Pending.Step == stepConfirm && n == s.Pending.To) {
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
// the one that a rollback goes to; the first of each is kept with it, see prune.
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
	for _, n := range all { // the latest first, so that what one needs is known ahead
		g, err := s.generation(n)
		if err != nil {
			return err
		}
		if needed[n] {
			needed[g.First] = true
		}
		if count[g.Since != 0]++; count[g.Since != 0] <= keepGenerations {
			needed[g.First] = true
			continue
		}
		if needed[n] {
			continue
		}
		if err := os.RemoveAll(s.path(n)); err != nil {
			return err
		}
	}
	return nil
}

// inWords lists the generations in the history: "3, 5 to 14, and 0, the firewall
// of before fwc".
func (s *store) inWords() string {
	all, _ := s.numbers()
	slices.Reverse(all)
	var parts []string
	for i := 0; i < len(all); {
		k := i
		for k+1 < len(all) && all[k+1] == all[k]+1 {
			k++
		}
		switch k - i {
		case 0:
			parts = append(parts, strconv.Itoa(all[i]))
		case 1:
			parts = append(parts, strconv.Itoa(all[i]), strconv.Itoa(all[k]))
		default:
			parts = append(parts, fmt.Sprintf("%d to %d", all[i], all[k]))
		}
		i = k + 1
	}
	if s.Current != 0 {
		parts = append(parts, "and 0, the firewall of before fwc")
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
