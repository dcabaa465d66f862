package compiler

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// maxScript bounds the script's size. 20,000 calls are about 2 MB.
const maxScript = 64 << 20

// source is a script that can be run.
type source struct {
	path   string // as given
	abs    string
	text   []byte
	sha256 string
	interp []string // of the #! line; nil if it has none
}

// open reads and judges the script, before anything is started for it.
func openSource(path, dir, rootfs string) (*source, error) {
	fail := func(err error, hint, format string, args ...any) (*source, error) {
		return nil, &SourceError{Path: path, Msg: fmt.Sprintf(format, args...), Hint: hint, Err: err}
	}
	abs := path
	if !filepath.IsAbs(abs) {
		abs = filepath.Join(dir, path)
	}
	abs = filepath.Clean(abs)
	fi, err := os.Stat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(err, "give the path of the script to build", "no such file")
	case err != nil:
		return fail(err, "", "cannot be read: %v", reason(err))
	case fi.IsDir():
		return fail(nil, "give the script itself", "is a directory, not a script")
	case !fi.Mode().IsRegular():
		return fail(nil, "give a file", "is not a regular file")
	case fi.Size() > maxScript:
		return fail(nil, "", "is larger than %d MB", maxScript>>20)
	}
	text, err := os.ReadFile(abs)
	if err != nil {
		return fail(err, "", "cannot be read: %v", reason(err))
	}
	sum := sha256.Sum256(text)
	s := &source{path: path, abs: abs, text: text, sha256: hex.EncodeToString(sum[:])}
	line, hasLine := bytes.CutPrefix(text, []byte("#!"))
	if !hasLine {
		// A shell refuses a file with a NUL in its first line the same way.
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			return fail(nil, "fwc builds scripts; give it the script that runs this program", "is a binary file, not a script")
		}
		return s, nil
	}
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	if bytes.HasSuffix(line, []byte("\r")) {
		return fail(nil, "convert it: sed -i 's/\\r$//' "+path, "its lines end in CR LF, so no system finds the interpreter %q", line)
	}
	// The kernel gives all that follows the interpreter as one argument:
	// execve(2), "Interpreter scripts".
	interp, arg, _ := strings.Cut(strings.Trim(strings.ReplaceAll(string(line), "\t", " "), " "), " ")
	if interp == "" {
		return fail(nil, "", "its #! line names no interpreter")
	}
	s.interp = []string{interp}
	if arg = strings.Trim(arg, " "); arg != "" {
		s.interp = append(s.interp, arg)
	}
	if err := inRoot(rootfs, s.interp[0]); err != nil {
		if rootfs != "" {
			return fail(err, "install it there, or change the #! line", "its interpreter %s is not in %s", s.interp[0], rootfs)
		}
		return fail(err, "install it on this host, or change the #! line", "its interpreter %s is not on this host", s.interp[0])
	}
	return s, nil
}

// reason is an error without the path that the message has already.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// place is a position as it goes into what is signed: not a path of this
// machine for files beside the script.
func (s *source) place(p ruleset.Position) ruleset.Position {
	if rest, ok := strings.CutPrefix(p.File, filepath.Dir(s.abs)+"/"); ok {
		p.File = rest
	}
	return p
}
