package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/atomicfile"
	"github.com/fwc-dev/fwc/verify"
)

// journalSchema is the version of the journal's format.
const journalSchema = "fwc.journal/v1"

// journal is the state directory's one moving part: a file that is replaced
// whole, and on the disk, ahead of each step that it describes. Whatever
// instant the power goes, it says which generation the kernel has or, with
// pending, which one a change started from.
type journal struct {
	Schema string `json:"schema"`
	// Current is the generation that the kernel was brought to last and that
	// was kept; 0 where that is the firewall of before fwc.
	Current int `json:"current"`
	// Confirmed is the last generation that was confirmed or needed no
	// confirmation: the one to start with after a boot.
	Confirmed int `json:"confirmed"`
	// Last is the highest generation number ever given.
	Last int `json:"last"`
	// Void is the last generation that was undone. It counts as given, and is not
	// in the history, also where its directory is still there.
	Void int `json:"void,omitempty"`
	// Pending is a change that was begun and has not ended, nil if none.
	Pending *pending `json:"pending,omitempty"`
	// Undone is the last change that was undone without anybody being told,
	// until the next one is kept.
	Undone *Undone `json:"undone,omitempty"`
}

// Undone is a change that was begun and did not stay.
type Undone struct {
	Generation int       `json:"generation"`
	At         time.Time `json:"at"` // in UTC
	Why        string    `json:"why"`
}

// String says all of it.
func (u *Undone) String() string {
	return fmt.Sprintf("generation %d was undone at %s: %s", u.Generation, u.At.Format(time.RFC3339), u.Why)
}

// pending is a change under way. Until it is settled, the firewall to go back
// to is the previous state stored beside the pending generation.
type pending struct {
	// Generation holds the previous state in its directory.
	Generation int `json:"generation"`
	// To is the generation that is current if the change is kept: Generation
	// for an apply, an older one for a rollback.
	To int `json:"to"`
	// Step is how far it went.
	Step step `json:"step"`
	// Began is when, in UTC.
	Began time.Time `json:"began"`
	// Boot is the kernel's boot_id: after a reboot there is nothing to undo.
	Boot string `json:"boot"`
	// Touched is what the change may alter: going back alters nothing else, so
	// that what others do meanwhile stays.
	Touched touchedSet `json:"touched"`
	// ConfirmBy is when the change is undone unless it is confirmed before; nil
	// if it needs no confirmation. It is for people: the wall clock may be set.
	ConfirmBy *time.Time `json:"confirmBy,omitempty"`
	// ConfirmBoot is the same time as CLOCK_BOOTTIME has it, which decides.
	ConfirmBoot time.Duration `json:"confirmBoot,omitempty"`
	// Watchdog is the name of the process that undoes the change, "" for none.
	Watchdog string `json:"watchdog,omitempty"`
	// Receipt is what verify writes down when the change is confirmed.
	Receipt *verify.Receipt `json:"receipt,omitempty"`
}

// why says why the change is undone by who finds it pending.
func (p *pending) why() string {
	switch {
	case p.Step != stepConfirm:
		return "it was cut short"
	case p.Boot != bootID():
		return "it was not confirmed before the kernel started anew"
	}
	return "it was not confirmed in time"
}

// step is a stage of a change.
type step string

// The steps. A change that is found in stepCommit or stepUndo is unfinished
// and is undone; one in stepConfirm is whole and waits until ConfirmBy.
const (
	stepCommit  step = "commit"  // the kernel is being changed
	stepUndo    step = "undo"    // and being changed back
	stepConfirm step = "confirm" // the kernel has the new firewall
)

func journalPath(dir string) string { return filepath.Join(dir, "journal.json") }

func readJournal(dir string) (*journal, error) {
	path := journalPath(dir)
	text, err := readRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &journal{Schema: journalSchema}, lostJournal(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: journal: %w", ErrState, err)
	}
	var j journal
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrState, path, err)
	}
	if j.Schema != journalSchema {
		return nil, fmt.Errorf("%w: %s: schema %q is not known to this fwc", ErrState, path, j.Schema)
	}
	if p := j.Pending; p != nil && p.Step == stepConfirm && p.ConfirmBy == nil {
		return nil, fmt.Errorf("%w: %s: no time is there to confirm by", ErrState, path)
	}
	if j.Current < 0 || j.Confirmed < 0 || j.Last < max(j.Current, j.Confirmed) ||
		j.Pending != nil && (j.Pending.Generation < 1 || j.Pending.Generation > j.Last+1) {
		return nil, fmt.Errorf("%w: %s: generation out of range", ErrState, path)
	}
	if j.Last == 0 && j.Pending == nil && verify.OpenState(dir).Taken() {
		return nil, fmt.Errorf("%w: %s knows of no generation, but an artifact was accepted here", ErrState, path)
	}
	return &j, nil
}

// readRegular reads a file and does not wait for one that is none, such as a
// fifo, to be written to: a boot would wait for ever.
func readRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is no file", path))
	}
	return io.ReadAll(f)
}

// lostJournal returns an error if a state directory without a journal has the
// generations that one would tell of, or has accepted an artifact: the journal
// is written first.
func lostJournal(dir string) error {
	entries, err := os.ReadDir(filepath.Join(dir, "generations"))
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0:
		if verify.OpenState(dir).Taken() {
			return fmt.Errorf("%w: %s is missing, but an artifact was accepted here: what is applied is not known any more",
				ErrState, journalPath(dir))
		}
		return nil
	case err != nil:
		return fmt.Errorf("journal: %w", err)
	}
	return fmt.Errorf("%w: %s is missing, but %s is not: what is applied is not known any more",
		ErrState, journalPath(dir), filepath.Join(dir, "generations"))
}

func (j *journal) write(dir string) error {
	text, err := json.MarshalIndent(j, "", "\t")
	if err != nil {
		return err
	}
	return atomicfile.Write(journalPath(dir), append(text, '\n'), 0o600)
}

// bootID returns the identity of this boot of the kernel, see random(4).
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
