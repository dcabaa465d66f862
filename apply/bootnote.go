package apply

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/fwc-dev/fwc/internal/atomicfile"
)

// bootNotePath is where a boot leaves word of how it went. It is not in the state
// directory, which may be what is broken, and it goes with the boot.
const bootNotePath = "/run/fwc/boot.json"

// How a boot may go.
const (
	BootApplied    = "applied"
	BootCompatible = "compatible" // on a host that no longer matches: a trial load proved it
	BootLockedDown = "lockdown"
)

// BootNote says how the last boot went.
type BootNote struct {
	State  string    `json:"state"`  // the directory, absolute
	Boot   string    `json:"bootID"` // the kernel's
	At     time.Time `json:"at"`     // in UTC
	Result string    `json:"result"`
	// Generation is what was brought back, 0 for nothing.
	Generation int `json:"generation,omitempty"`
	// Why says what kept it from being brought back, or what no longer matches.
	Why string `json:"why,omitempty"`
	// By is what locked the host down, "" if nothing could.
	By string `json:"by,omitempty"`
}

func newBootNote(state, result string) *BootNote {
	return &BootNote{State: absolute(state), Boot: bootID(), At: time.Now().UTC().Truncate(time.Second), Result: result}
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// write leaves the note. That it cannot is no reason to do anything else than
// without one.
func (n *BootNote) write() {
	text, err := json.MarshalIndent(n, "", "\t")
	if err != nil || os.MkdirAll(filepath.Dir(bootNotePath), 0o755) != nil {
		return
	}
	_ = atomicfile.Write(bootNotePath, append(text, '\n'), 0o644)
}

// readBootNote returns the note of this boot about a state directory, nil if
// there is none.
func readBootNote(state string) *BootNote {
	text, err := os.ReadFile(bootNotePath)
	if err != nil {
		return nil
	}
	var n BootNote
	if json.Unmarshal(text, &n) != nil || n.State != absolute(state) || n.Boot != bootID() {
		return nil
	}
	return &n
}

// LastBoot says how the last boot went, nil if that is not known or something
// else was applied since. Inspect says it too, if the state directory is whole.
func LastBoot(state string) *BootNote {
	if state == "" {
		state = DefaultState
	}
	return readBootNote(state)
}

// dropBootNote removes it: another firewall was applied since, and kept.
func dropBootNote(state string) {
	if readBootNote(state) != nil {
		_ = os.Remove(bootNotePath)
	}
}
