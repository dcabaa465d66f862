package verify

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fwc-dev/fwc/internal/atomicfile"
)

// DefaultState is where hosts keep what they accepted.
const DefaultState = "/var/lib/fwc"

// stateFile holds the highest artifact accepted:
//
//	fwc accepted v1
//	highest EPOCH SERIAL DIGEST
//	allowed EPOCH SERIAL DIGEST
//	sha256 SUM
//
// The digest is "-" before the first artifact. The line allowed is there when
// an older one was accepted on purpose. The sum is over the lines above it.
const stateFile = "accepted"

// mark is an accepted artifact.
type mark struct {
	epoch, serial uint64
	digest        string
}

// State is the directory in which a host remembers what it accepted, so that
// nobody can make it take an older artifact again.
type State struct {
	dir     string
	fresh   bool   // no artifact was ever accepted here
	text    string // of the file
	highest mark
	allowed *mark
	problem error // why the file cannot be used
	lost    bool  // the problem is that what was accepted is not known any more
	damaged bool  // and there is a file that should tell
}

// OpenState reads the state in dir and writes nothing. A directory that does
// not exist or is empty is a host's first use. One that holds other files and
// no state, or a damaged one, has lost its memory: that is an error of kind
// ErrState, which the checks return unless the policy allows older artifacts.
//
// Files named "*.lock" or "lock" do not count. Whoever writes anything else to
// the directory calls Prepare first.
func OpenState(dir string) *State {
	s := &State{dir: dir}
	s.problem = s.read()
	return s
}

// Taken says that an artifact was accepted here once, also where it is not
// known any more which.
func (s *State) Taken() bool { return s.damaged || s.text != "" && !s.fresh }

// Missed holds a directory with nothing in it against what else is known: why
// says how one knows that artifacts were accepted here, and "" is no reason. Then
// the directory is lost whole, and not a host's first use; with AllowOlder an
// artifact is its new start. A state that is there is not affected.
func (s *State) Missed(why string) {
	if why == "" || !s.fresh || s.text != "" || s.problem != nil {
		return
	}
	s.fresh, s.lost = false, true
	s.problem = errorf(ErrState, "%s holds nothing, but %s: which artifacts were accepted is lost", s.dir, why).
		hint("put the directory back if you can; if you know that this artifact is the newest, or the first here, take it as the start: fwc apply --allow-older FILE")
}

// Dir returns the directory.
func (s *State) Dir() string { return s.dir }

func (s *State) read() error {
	d, info, err := openOwned(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		s.fresh = true
		return nil
	}
	if err != nil {
		return stateError(err)
	}
	defer d.Close()
	if !info.IsDir() {
		return errorf(ErrState, "%s is not a directory", s.dir).hint("--state names a directory; the default is %s", DefaultState)
	}
	path := filepath.Join(s.dir, stateFile)
	text, err := readOwned(path, 4096)
	if errors.Is(err, fs.ErrNotExist) {
		names, err := d.Readdirnames(-1)
		if err != nil {
			return errorf(ErrState, "%v", err)
		}
		for _, name := range names {
			if name != "lock" && !strings.HasSuffix(name, ".lock") {
				return s.forgot("%s is missing, but %s is not: which artifacts were accepted is lost", path, name)
			}
		}
		s.fresh = true
		return nil
	}
	if err != nil && !errors.Is(err, errTooLong) {
		return stateError(err)
	}
	if err == nil {
		err = s.parse(string(text))
	}
	if err != nil {
		s.damaged = true
		return s.forgot("%s is damaged (%v): which artifacts were accepted is lost", path, err)
	}
	return nil
}

func stateError(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return errorf(ErrState, "%v", err).hint("run it as root")
	}
	return errorf(ErrState, "%v", err).
		hint("the state must be root's alone, and is not to be trusted if it was not: sudo chown -R root:root, sudo chmod go-w")
}

// CheckState returns an error of kind ErrState if others than root and the
// effective user could have written to a state directory. One that does not
// exist is fine.
func CheckState(dir string) error {
	d, _, err := openOwned(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return stateError(err)
	}
	return d.Close()
}

// forgot is the one problem that an older artifact taken on purpose ends.
func (s *State) forgot(format string, args ...any) error {
	s.lost = true
	return errorf(ErrState, format, args...).
		hint("if you know that this artifact is the newest, take it as the new start: fwc apply --allow-older FILE")
}

// parse accepts nothing but what format writes.
func (s *State) parse(text string) error {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || len(lines) > 5 || lines[0] != "fwc accepted v1" {
		return errors.New("not in the form of a state file")
	}
	marks := lines[1 : len(lines)-2]
	highest, err := parseMark("highest", marks[0])
	if err != nil {
		return err
	}
	var allowed *mark
	if len(marks) == 2 {
		m, err := parseMark("allowed", marks[1])
		if err != nil {
			return err
		}
		allowed = &m
	}
	if format(highest, allowed) != text {
		return errors.New("the checksum is wrong")
	}
	s.text, s.highest, s.allowed = text, highest, allowed
	s.fresh = highest.digest == "-"
	return nil
}

func parseMark(word, line string) (mark, error) {
	var m mark
	if _, err := fmt.Sscanf(line, word+" %d %d %s", &m.epoch, &m.serial, &m.digest); err != nil {
		return mark{}, fmt.Errorf("the line %s cannot be read", word)
	}
	return m, nil
}

func format(highest mark, allowed *mark) string {
	text := fmt.Sprintf("fwc accepted v1\nhighest %d %d %s\n", highest.epoch, highest.serial, highest.digest)
	if allowed != nil {
		text += fmt.Sprintf("allowed %d %d %s\n", allowed.epoch, allowed.serial, allowed.digest)
	}
	return text + fmt.Sprintf("sha256 %x\n", sha256.Sum256([]byte(text)))
}

// Prepare makes the directory and, on a host's first use, a state that says so.
// It is called before anything else is written to the directory, which would
// look like a lost state otherwise.
func (s *State) Prepare() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return systemf(ErrState, err)
	}
	if !s.fresh || s.text != "" {
		return nil
	}
	switch now := OpenState(s.dir); {
	case now.problem != nil:
		return now.problem
	case now.text != "":
		return nil // another was first, and Record will say so
	}
	return s.write(mark{digest: "-"}, nil)
}

func (s *State) write(highest mark, allowed *mark) error {
	text := format(highest, allowed)
	if err := atomicfile.Write(filepath.Join(s.dir, stateFile), []byte(text), 0o600); err != nil {
		return systemf(ErrState, err)
	}
	s.text, s.highest, s.allowed, s.problem, s.lost = text, highest, allowed, nil, false
	s.fresh = highest.digest == "-"
	return nil
}
