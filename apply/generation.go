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
	"strings"
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
	// First is the generation that replaced the firewall of before fwc, as its
	// parents tell: itself where Parent is 0. It stays in the history as long as
	// this one does, so that rollback 0 has where to go. 0 where that is not known.
	First int `json:"first,omitempty"`
	// Digest is the artifact's: of its signed payload.
	Digest string `json:"digest"`
	Serial uint64 `json:"serial"`
	Epoch  uint64 `json:"epoch"`
	// Script is the name of the script that it was built from, Labels are the
	// artifact's.
	Script string            `json:"script,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// AllowedOlder says that it was older than what this host had accepted, or
	// could not be compared with that, and was taken on purpose.
	AllowedOlder bool `json:"allowedOlder,omitempty"`
	// Since is the generation whose apply brought this firewall about, where
	// that is an earlier one: this one changed nothing, and so is no step for
	// a rollback. 0 where it is this one.
	Since int `json:"since,omitempty"`
	// At is when it was applied, in UTC.
	At time.Time `json:"at"`
	// Keep are the patterns that vouched for foreign content.
	Keep Keep `json:"keep,omitempty"`
	// Former has the sysctls that it sets at their values of before fwc first
	// set them, and what the kernel set along.
	Former map[string]string `json:"formerSysctls,omitempty"`
	// Applied and Previous are the digests of the dumps stored with it: what
	// the artifact holds, and the live firewall of just before.
	Applied  string `json:"applied"`
	Previous string `json:"previous"`
}

// The parts of a generation's directory.
const (
	partMeta     = "generation.json"
	partArtifact = "artifact"
	partApplied  = "applied"  // the artifact's dumps: the base of the next merge
	partPrevious = "previous" // the live dumps before it, as the tools printed them, with counters
)

func (s *store) path(n int, parts ...string) string {
	return filepath.Join(append([]string{s.dir, "generations", strconv.Itoa(n)}, parts...)...)
}

// writeGeneration stores a generation's directory, whole and on the disk when it
// returns. A directory of that number, left by an apply that did not get as far
// as its journal, is replaced: nothing refers to it yet.
func (s *store) writeGeneration(g *Generation, artifact []byte, applied *ruleset.Snapshot, previous *State) error {
	g.Applied, g.Previous = digest(applied.Dumps), digest(previous.Raw)
	dir := s.path(g.Number)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	meta, err := json.MarshalIndent(g, "", "\t")
	if err != nil {
		return err
	}
	top := []file{{partMeta, append(meta, '\n')}}
	if artifact != nil {
		top = append(top, file{partArtifact, artifact})
	}
	if err := writeDir(dir, top); err != nil {
		return err
	}
	if err := writeDir(filepath.Join(dir, partApplied), filesOf(applied.Dumps)); err != nil {
		return err
	}
	if err := writeDir(filepath.Join(dir, partPrevious), filesOf(previous.Raw)); err != nil {
		return err
	}
	return errors.Join(atomicfile.SyncDir(dir), atomicfile.SyncDir(filepath.Dir(dir)))
}

type file struct {
	name string
	data []byte
}

func filesOf(dumps []ruleset.Dump) (out []file) {
	for _, d := range dumps {
		out = append(out, file{d.Name(), d.Text})
	}
	return out
}

// writeDir makes a directory with files that are on the disk when it returns.
func writeDir(dir string, files []file) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, f := range files {
		w, err := os.OpenFile(filepath.Join(dir, f.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = w.Write(f.data)
		if err = errors.Join(err, w.Sync(), w.Close()); err != nil {
			return err
		}
	}
	return atomicfile.SyncDir(dir)
}

// digest is the sha256 of dumps with their names.
func digest(dumps []ruleset.Dump) string {
	s := &ruleset.Snapshot{Dumps: slices.Clone(dumps)}
	slices.SortStableFunc(s.Dumps, func(a, b ruleset.Dump) int { return strings.Compare(a.Name(), b.Name()) })
	return s.Digest()
}

// generation reads the description of generation n.
func (s *store) generation(n int) (*Generation, error) {
	text, err := readRegular(s.path(n, partMeta))
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
		text, err := readRegular(s.path(n, part, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, ruleset.Dump{Kind: k, Backend: b, Text: text})
	}
	return out, nil
}

// stored reads one part of generation n, holds its bytes to the digest, and
// parses them.
func (s *store) stored(n int, part, want string) (*State, error) {
	dumps, err := s.dumps(n, part)
	if err != nil {
		return nil, err
	}
	if got := digest(dumps); got != want {
		return nil, fmt.Errorf("%w: generation %d: %s has digest %s, want %s", ErrState, n, part, got, want)
	}
	snap, err := dump.Snapshot(dumps)
	if err != nil {
		return nil, fmt.Errorf("%w: generation %d: %w", ErrState, n, err)
	}
	return &State{Snapshot: snap, Raw: dumps}, nil
}

// applied reads the artifact's firewall of a generation.
func (s *store) applied(g *Generation) (*ruleset.Snapshot, error) {
	st, err := s.stored(g.Number, partApplied, g.Applied)
	if err != nil {
		return nil, err
	}
	return st.Snapshot, nil
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
	snap, err := s.applied(g)
	return g, snap, err
}

// previous returns the live firewall of just before generation n, with
// counters.
func (s *store) previous(n int) (*State, error) {
	g, err := s.generation(n)
	if err != nil {
		return nil, err
	}
	return s.stored(n, partPrevious, g.Previous)
}
