package apply

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tracePath is where an apply leaves a trace of a state directory, apart from
// that: a directory that is gone whole looks like one that never was. It goes
// with the boot, as the firewall does that it tells of.
func tracePath(state string) string {
	return filepath.Join(filepath.Dir(bootNotePath), fmt.Sprintf("applied-%.8x", sha256.Sum256([]byte(absolute(state)))))
}

// leaveTrace leaves word that a generation is in effect, 0 for none of fwc's.
// That it cannot is no reason to do anything else.
func leaveTrace(state string, generation int) {
	path := tracePath(state)
	if generation == 0 {
		_ = os.Remove(path)
		return
	}
	if os.MkdirAll(filepath.Dir(path), 0o755) == nil {
		text := fmt.Sprintf("%s\n%s\n%d\n%s\n", absolute(state), bootID(), generation, time.Now().UTC().Format(time.RFC3339))
		_ = os.WriteFile(path, []byte(text), 0o600)
	}
}

// Trace says what shows, apart from a state directory, that fwc applied something
// from it since the kernel started; "" if nothing does.
func Trace(state string) string {
	if state == "" {
		state = DefaultState
	}
	if text, err := readRegular(tracePath(state)); err == nil {
		f := strings.Split(string(text), "\n")
		if len(f) == 5 && f[0] == absolute(state) && f[1] == bootID() {
			if n, err := strconv.Atoi(f[2]); err == nil {
				return fmt.Sprintf("generation %d was applied from it at %s", n, f[3])
			}
		}
	}
	if n := readBootNote(state); n != nil && n.Generation > 0 {
		return fmt.Sprintf("the boot at %s brought generation %d back from it", n.At.Format(time.RFC3339), n.Generation)
	}
	return ""
}

// Gone says whether a state directory is not there, or holds nothing.
func Gone(state string) bool {
	if state == "" {
		state = DefaultState
	}
	used, err := inUse(state)
	return !used && err == nil
}
