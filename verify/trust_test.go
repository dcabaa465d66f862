package verify

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// trustDir returns a directory with the keys 1, 2, … as a.pub, b.pub, …
func trustDir(t *testing.T, keys int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "trusted.d")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.Chmod(dir, 0o755))
	for i := range keys {
		name := filepath.Join(dir, string(rune('a'+i))+".pub")
		must(t, os.WriteFile(name, testKey(t, byte(i+1)).Public().PEM(), 0o644))
		must(t, os.Chmod(name, 0o644))
	}
	return dir
}

func TestLoadTrust(t *testing.T) {
	dir := trustDir(t, 2)
	must(t, os.WriteFile(filepath.Join(dir, "README"), []byte("not a key"), 0o666))
	must(t, os.WriteFile(filepath.Join(dir, "again.pub"), testKey(t, 1).Public().PEM(), 0o644))
	trust, err := LoadTrust(dir)
	must(t, err)
	var names []string
	for _, k := range trust.Keys {
		names = append(names, k.Name)
	}
	if diff := cmp.Diff([]string{"a", "again", "b"}, names); diff != "" {
		t.Error(diff)
	}
	if got := trust.Name(testKey(t, 1).Public()); got != "a,again" {
		t.Errorf("key 1 is named %q", got)
	}
	// One key under two names is one signer.
	p := DefaultPolicy()
	p.Threshold = 2
	_, err = Artifact(testFile(t, nil, testKey(t, 1)), trust, p, testHost, OpenState(filepath.Join(dir, "none")))
	if err == nil || !strings.Contains(err.Error(), "1 of 2 signatures") {
		t.Errorf("one key under two names: %v", err)
	}
	one, err := LoadTrust(filepath.Join(dir, "b.pub"))
	must(t, err)
	if len(one.Keys) != 1 || one.Keys[0].Name != "b" {
		t.Errorf("a single file gave %v", one.Keys)
	}
}

// TestRejectTrustRoot: trust roots that somebody else could have written, or
// that are not what they seem.
func TestRejectTrustRoot(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string)
		words  string
	}{
		{"Missing", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) }, "does not exist"},
		{"Empty", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "a.pub"))) }, "holds no file *.pub"},
		{"DirectoryWritableByGroup", func(t *testing.T, dir string) { must(t, os.Chmod(dir, 0o775)) }, "writable by others"},
		{"DirectoryWritableByAll", func(t *testing.T, dir string) { must(t, os.Chmod(dir, 0o777|os.ModeSticky)) }, "writable by others"},
		{"FileWritableByGroup", func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "a.pub"), 0o664)) }, "writable by others"},
		{"FileWritableByAll", func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "a.pub"), 0o646)) }, "writable by others"},
		{"FileOwnedByAnother", func(t *testing.T, dir string) { chown(t, filepath.Join(dir, "a.pub"), 12345) }, "owned by user 12345"},
		{"DirectoryOwnedByAnother", func(t *testing.T, dir string) { chown(t, dir, 12345) }, "owned by user 12345"},
		{"ParentWritableByGroup", func(t *testing.T, dir string) { asRoot(t); must(t, os.Chmod(filepath.Dir(dir), 0o775)) }, "the directory "},
		{"ParentWritableByAll", func(t *testing.T, dir string) { asRoot(t); must(t, os.Chmod(filepath.Dir(dir), 0o777)) }, "is writable by others"},
		{"ParentOwnedByAnother", func(t *testing.T, dir string) { chown(t, filepath.Dir(dir), 12345) }, "owned by user 12345"},
		{"FileIsSymlink", func(t *testing.T, dir string) {
			must(t, os.Symlink(filepath.Join(dir, "a.pub"), filepath.Join(dir, "b.pub")))
		}, "b.pub is a symlink"},
		{"DirectoryIsSymlink", func(t *testing.T, dir string) {
			must(t, os.Rename(dir, dir+".real"))
			must(t, os.Symlink(dir+".real", dir))
		}, "is a symlink"},
		{"FileIsDirectory", func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, "b.pub"), 0o755)) }, "is a directory"},
		{"FileIsFifo", func(t *testing.T, dir string) { must(t, syscall.Mkfifo(filepath.Join(dir, "b.pub"), 0o644)) }, "neither a file nor a directory"},
		{"HugeFile", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "b.pub"), make([]byte, 1<<20), 0o644))
		}, "more than 16384 bytes"},
		{"NotAKey", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "b.pub"), []byte("x"), 0o644))
		}, "b.pub: key cannot be used: it is not PEM"},
		{"EmptyFile", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "b.pub"), nil, 0o644))
		}, "not PEM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := trustDir(t, 1)
			c.change(t, dir)
			trust, err := LoadTrust(dir)
			rejected(t, err, ErrTrustRoot, c.words)
			if len(trust.Keys) > 0 {
				t.Error("keys with an error")
			}
		})
	}
	t.Run("SingleFileWritableByAll", func(t *testing.T) {
		name := filepath.Join(trustDir(t, 1), "a.pub")
		must(t, os.Chmod(name, 0o666))
		_, err := LoadTrust(name)
		rejected(t, err, ErrTrustRoot, "writable by others")
	})
	t.Run("SingleFileIsSymlink", func(t *testing.T) {
		name := filepath.Join(trustDir(t, 1), "a.pub")
		must(t, os.Symlink(name, name+".link"))
		_, err := LoadTrust(name + ".link")
		rejected(t, err, ErrTrustRoot, "is a symlink")
	})
}

// TestParents: a directory in which others can put another one, however one gets
// there, and those in which they cannot.
func TestParents(t *testing.T) {
	asRoot(t)
	top := t.TempDir()
	must(t, os.Mkdir(filepath.Join(top, "open"), 0o755))
	must(t, os.Chmod(filepath.Join(top, "open"), 0o777))
	must(t, os.MkdirAll(filepath.Join(top, "open/inner"), 0o755))
	must(t, os.Mkdir(filepath.Join(top, "sticky"), 0o755))
	must(t, os.Chmod(filepath.Join(top, "sticky"), 0o777|os.ModeSticky))
	must(t, os.Mkdir(filepath.Join(top, "own"), 0o755))
	must(t, os.Symlink("own", filepath.Join(top, "link")))
	must(t, os.Symlink("open/inner", filepath.Join(top, "into")))
	must(t, os.Symlink("../../own", filepath.Join(top, "open/inner/out")))
	must(t, os.Symlink("own", filepath.Join(top, "theirs")))
	must(t, os.Lchown(filepath.Join(top, "theirs"), 12345, -1))
	for dir, good := range map[string]bool{
		"own": true, "sticky": true, "link": true, "missing": true,
		"open": false, "open/inner": false, "open/missing": false, "into": false, "open/inner/out": false, "theirs": false,
	} {
		if err := checkParents(filepath.Join(top, dir, "policy.conf")); (err == nil) != good {
			t.Errorf("%s: %v", dir, err)
		}
	}
	// A policy that is missing because others took it away.
	if _, err := LoadPolicy(filepath.Join(top, "open", "policy.conf")); !errors.Is(err, ErrPolicy) {
		t.Errorf("a policy in a directory that all can write to: %v", err)
	}
}

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the directories above count for root alone")
	}
}

// chown gives a file away, which only root can; an ordinary user cannot make
// the situation either.
func chown(t *testing.T, name string, uid int) {
	t.Helper()
	err := os.Chown(name, uid, -1)
	if os.Geteuid() != 0 && errors.Is(err, syscall.EPERM) {
		t.Skip("only root can give files away")
	}
	must(t, err)
}

// TestRotation: the old key, both, the new key.
func TestRotation(t *testing.T) {
	dir := trustDir(t, 2)
	oldKey, newKey := testKey(t, 1), testKey(t, 2)
	byOld, byNew, byBoth := testFile(t, nil, oldKey), testFile(t, nil, newKey), testFile(t, nil, oldKey, newKey)
	accepts := func(data []byte) bool {
		trust, err := LoadTrust(dir)
		must(t, err)
		_, err = Artifact(data, trust, DefaultPolicy(), testHost, OpenState(filepath.Join(dir, "none")))
		return err == nil
	}
	both := filepath.Join(dir, "b.pub")
	must(t, os.Rename(both, both+".next"))
	if !accepts(byOld) || accepts(byNew) || !accepts(byBoth) {
		t.Error("before the rotation only the old key counts")
	}
	must(t, os.Rename(both+".next", both))
	if !accepts(byOld) || !accepts(byNew) || !accepts(byBoth) {
		t.Error("during the rotation both keys count")
	}
	must(t, os.Remove(filepath.Join(dir, "a.pub")))
	if accepts(byOld) || !accepts(byNew) || !accepts(byBoth) {
		t.Error("after the rotation only the new key counts")
	}
}
