package verify

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRejectState: a host that lost its memory says so.
func TestRejectState(t *testing.T) {
	k := testKey(t, 1)
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		words  string
	}{
		{"LostFile", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, stateFile)))
			must(t, os.WriteFile(filepath.Join(dir, "journal"), nil, 0o600))
		}, "accepted is missing, but journal is not"},
		{"EmptyFile", damaged(func(string) string { return "" }), "damaged"},
		{"CutFile", damaged(func(s string) string { return s[:len(s)-1] }), "damaged"},
		{"ZeroedFile", damaged(func(s string) string { return strings.Repeat("\x00", len(s)) }), "damaged"},
		{"LowerSerial", damaged(func(s string) string { return strings.Replace(s, "1000", "0999", 1) }), "damaged"},
		{"LowerSerialOneDigit", damaged(func(s string) string { return strings.Replace(s, "1000", "1", 1) }), "checksum"},
		{"AppendedLine", damaged(func(s string) string { return s + "x\n" }), "damaged"},
		{"HugeFile", damaged(func(s string) string { return s + strings.Repeat("x", 1<<20) }), "is too long, more than 4096 bytes)"},
		{"Symlink", func(t *testing.T, dir string) {
			name := filepath.Join(dir, stateFile)
			must(t, os.Rename(name, name+".real"))
			must(t, os.Symlink(name+".real", name))
		}, "is a symlink"},
		{"WritableByOthers", func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, stateFile), 0o622)) }, "writable by others"},
		{"DirectoryWritableByOthers", func(t *testing.T, dir string) { must(t, os.Chmod(dir, 0o777)) }, "writable by others"},
		{"ParentWritableByOthers", func(t *testing.T, dir string) {
			asRoot(t)
			must(t, os.Chmod(filepath.Dir(dir), 0o777))
		}, "the directory "},
		{"OwnedByAnother", func(t *testing.T, dir string) { chown(t, filepath.Join(dir, stateFile), 12345) }, "owned by user 12345"},
		{"FileInsteadOfDirectory", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir))
			must(t, os.WriteFile(dir, nil, 0o600))
		}, "is not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			taken(t, dir, DefaultPolicy(), serial(0, 1000))
			c.damage(t, dir)
			_, err := Artifact(testFile(t, serial(0, 2000), k), trustOf(k), DefaultPolicy(), testHost, OpenState(dir))
			rejected(t, err, ErrState, c.words)
			var e *Error
			if !errors.As(err, &e) || e.Hint == "" {
				t.Error("no hint")
			}
			// What is lost can be started anew on purpose; what others could
			// have written cannot.
			_, err = Artifact(testFile(t, serial(0, 2000), k), trustOf(k), olderPolicy(), testHost, OpenState(dir))
			if mine := strings.Contains(e.Hint, "--allow-older"); (err == nil) != mine {
				t.Errorf("with --allow-older: %v; the hint is %q", err, e.Hint)
			}
			_, err = Artifact(testFile(t, serial(0, 1<<53-1), k), trustOf(k), olderPolicy(), testHost, OpenState(dir))
			if err == nil {
				t.Error("a new start that no artifact can follow")
			}
			p := DefaultPolicy()
			p.Boot = true
			_, err = Artifact(testFile(t, serial(0, 1000), k), trustOf(k), p, testHost, OpenState(dir))
			rejected(t, err, ErrState, c.words)
		})
	}
}

func damaged(change func(string) string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		name := filepath.Join(dir, stateFile)
		text, err := os.ReadFile(name)
		must(t, err)
		must(t, os.WriteFile(name, []byte(change(string(text))), 0o600))
	}
}
