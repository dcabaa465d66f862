package atomicfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fwc-dev/fwc/internal/atomicfile"
	"golang.org/x/sys/unix"
)

func TestWrite(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, c := range []struct {
		data string
		perm os.FileMode
	}{{"one", 0o644}, {"", 0o600}, {"three", 0o664}} {
		if err := atomicfile.Write(path, []byte(c.data), c.perm); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != c.data {
			t.Errorf("content %q, %v; want %q", got, err, c.data)
		}
		fi, err := os.Stat(path)
		if err != nil || fi.Mode() != c.perm {
			t.Errorf("mode %v, %v; want %v", fi.Mode(), err, c.perm)
		}
	}
	only(t, dir, "f")
}

func TestWriteKeepsTheFormerFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, []byte("x"), 0o644); err == nil {
		t.Error("a file took a directory's place")
	}
	only(t, dir, "f")
	if err := atomicfile.Write(filepath.Join(dir, "none", "f"), nil, 0o644); err == nil {
		t.Error("wrote into a directory that does not exist")
	}
}

func TestWriteReplacesASymlink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(target); string(got) != "kept" {
		t.Errorf("wrote through the link: %q", got)
	}
}

// only checks that dir holds nothing but name.
func only(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != name {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}
