package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/fwc-dev/fwc/internal/atomicfile"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// keepGenerations is how many generations the history holds beside the
// current and the last confirmed one.
const keepGenerations = 10

// Generation is one firewall that fwc applied, as the history holds it.
type Generation struct {
	Number int `json:"generation"`
	// Parent is the generation that it replaced, 0 for the firewall of before
	// fwc.
	Parent int `json:"parent"`
	// Digest is the artifact's: of its signed payload.
	Digest string `json:"digest"`
	Serial uint64 `json:"serial"`
	Epoch  uint64 `json:"epoch"`
	// At is when it was applied, in UTC.
	At time.Time `json:"at"`
	// Keep are the patterns that vouched for foreign content.
	Keep Keep `json:"keep,omitempty"`
	// Applied and Previous are the digests of the snapshots stored with it:
	// what the artifact holds, and the live firewall of just before.
	Applied  string `json:"applied"`
	Previous string `json:"previous"`
}

// The parts of a generation's directory.
const (
	partMeta     = "generation.json"
	partArtifact = "artifact"
	partApplied  = "applied"  // the artifact's dumps: the base of the next merge
	partPrevious = "previous" // the live dumps before it, canonical
	partRaw      = "raw"      // the same with counters, as the tools printed them
)

func (s *store) path(n int, parts ...string) string {
	return filepath.Join(append([]string{s.dir, "generations", strconv.Itoa(n)}, parts...)...)
}

// write stores a generation's directory, whole and on the disk when it
// returns. A directory of that number, left by an apply that did not get as
// far as its journal, is replaced.
func (s *store) writeGeneration(g *Generation, artifact []byte, applied *ruleset.Snapshot, previous *State) error {
	g.Applied, g.Previous = applied.Digest(), previous.Digest()
	dir := s.path(g.Number)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	meta, err := json.MarshalIndent(g, "", "\t")
	if err != nil {
		return err
	}
	for _, p := range []struct {
		name  string
		dumps []ruleset.Dump
	}{{partApplied, applied.Dumps}, {partPrevious, previous.Dumps}, {partRaw, previous.Raw}} {
		if err := os.MkdirAll(filepath.Join(dir, p.name), 0o700); err != nil {
			return err
		}
		for _, d := range p.dumps {
			if err := atomicfile.Write(filepath.Join(dir, p.name, d.Name()), d.Text, 0o600); err != nil {
				return err
			}
		}
	}
	if artifact != nil {
		if err := atomicfile.Write(filepath.Join(dir, partArtifact), artifact, 0o600); err != nil {
			return err
		}
	}
	if err := atomicfile.Write(filepath.Join(dir, partMeta), append(meta, '\n'), 0o600); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(dir))
}

// generation reads the description of generation n.
func (s *store) generation(n int) (*Generation, error) {
	text, err := os.ReadFile(s.path(n, partMeta))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("generation %d: %w", n, ErrNoGeneration)
	}
	if err != nil {
		return nil, err
	}
	var g Generation
	if err := json.Unmarshal(text, &g); err != nil {
		return nil, fmt.Errorf("%w: generation %d: %w", ErrState, n, err)
	}
	if g.Number != n {
		return nil, fmt.Errorf("%w: generation %d calls itself %d", ErrState, n, g.Number)
	}
	return &g, nil
}

// dumps reads one part of generation n.
func (s *store) dumps(n int, part string) ([]ruleset.Dump, error) {
	entries, err := os.ReadDir(s.path(n, part))
	if err != nil {
		return nil, fmt.Errorf("%w: generation %d: %w", ErrState, n, err)
	}
	var out []ruleset.Dump
	for _, e := range entries {
		k, b, ok := ruleset.DumpOf(e.Name())
		if !ok {
			return nil, fmt.Errorf("%w: generation %d: unexpected file %s", ErrState, n, e.Name())
		}
		text, err := os.ReadFile(s.path(n, part, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, ruleset.Dump{Kind: k, Backend: b, Text: text})
	}
	return out, nil
}

// snapshot reads a stored snapshot and holds it to its digest.
func (s *store) snapshot(n int, part, digest string) (*ruleset.Snapshot, error) {
	dumps, err := s.dumps(n, part)
	if err != nil {
		return nil, err
	}
	snap, err := dump.Snapshot(dumps)
	if err != nil {
		return nil, fmt.Errorf("%w: generation %d: %w", ErrState, n, err)
	}
	if got := snap.Digest(); got != digest {
		return nil, fmt.Errorf("%w: generation %d: %s has digest %s, want %s", ErrState, n, part, got, digest)
	}
	return snap, nil
}

// base returns what fwc applied last, nil if nothing.
func (s *store) base() (*Generation, *ruleset.Snapshot, error) {
	if s.Current == 0 {
		return nil, nil, nil
	}
	g, err := s.generation(s.Current)
	if err != nil {
		return nil, nil, err
	}
	snap, err := s.snapshot(g.Number, partApplied, g.Applied)
	return g, snap, err
}

// previous returns the live firewall of just before generation n, with
// counters.
func (s *store) previous(n int) (*State, error) {
	g, err := s.generation(n)
	if err != nil {
		return nil, err
	}
	snap, err := s.snapshot(n, partPrevious, g.Previous)
	if err != nil {
		return nil, err
	}
	raw, err := s.dumps(n, partRaw)
	if err != nil {
		return nil, err
	}
	return &State{Snapshot: snap, Raw: raw}, nil
}

// numbers lists the generations in the history, the latest first.
func (s *store) numbers() ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "generations"))
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && n <= s.Last {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, nil
}

// prune drops the oldest generations. The current and the confirmed one stay,
// and so do those between the current one and its parent.
func (s *store) prune() error {
	all, err := s.numbers()
	if err != nil {
		return err
	}
	for i, n := range all {
		if i < keepGenerations || n == s.Current || n == s.Confirmed || s.Pending != nil {
			continue
		}
		if err := os.RemoveAll(s.path(n)); err != nil {
			return err
		}
	}
	return nil
}
