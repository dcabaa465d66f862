package verify

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// accept checks an artifact of that serial against the state in dir.
func accept(t *testing.T, dir string, n uint64, p Policy) (*Accepted, error) {
	t.Helper()
	k := testKey(t, 1)
	return Artifact(testFile(t, serial(0, n), k), trustOf(k), p, testHost, OpenState(dir))
}

func olderPolicy() Policy {
	p := DefaultPolicy()
	p.AllowOlder = true
	return p
}

func highest(t *testing.T, dir string) (high, allowed uint64) {
	t.Helper()
	s := OpenState(dir)
	must(t, s.problem)
	if s.allowed != nil {
		allowed = s.allowed.serial
	}
	return s.highest.serial, allowed
}

// TestOlderOnPurpose: an older artifact is written down beside the highest, may
// come again, and goes with the next one.
func TestOlderOnPurpose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	taken(t, dir, DefaultPolicy(), serial(0, 1000))
	taken(t, dir, olderPolicy(), serial(0, 900))
	if high, allowed := highest(t, dir); high != 1000 || allowed != 900 {
		t.Errorf("highest %d, allowed %d", high, allowed)
	}
	boot := DefaultPolicy()
	boot.Boot = true
	for _, p := range []Policy{DefaultPolicy(), boot} {
		if _, err := accept(t, dir, 900, p); err != nil {
			t.Errorf("the allowed one again: %v", err)
		}
	}
	taken(t, dir, DefaultPolicy(), serial(0, 900))
	if high, allowed := highest(t, dir); high != 1000 || allowed != 900 {
		t.Errorf("after it came again: highest %d, allowed %d", high, allowed)
	}
	if _, err := accept(t, dir, 950, DefaultPolicy()); !errors.Is(err, ErrOlder) {
		t.Errorf("another older one: %v", err)
	}
	taken(t, dir, DefaultPolicy(), serial(0, 1000))
	if high, allowed := highest(t, dir); high != 1000 || allowed != 0 {
		t.Errorf("back at the highest: highest %d, allowed %d", high, allowed)
	}
	if _, err := accept(t, dir, 900, DefaultPolicy()); !errors.Is(err, ErrOlder) {
		t.Errorf("the formerly allowed one: %v", err)
	}
}

// TestReseed: what the hint of a lost state says works.
func TestReseed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	taken(t, dir, DefaultPolicy(), serial(0, 1000))
	must(t, os.WriteFile(filepath.Join(dir, "journal"), nil, 0o600))
	must(t, os.Remove(filepath.Join(dir, stateFile)))
	_, err := accept(t, dir, 500, DefaultPolicy())
	var e *Error
	if !errors.As(err, &e) || e.Kind != ErrState || e.Hint == "" {
		t.Fatalf("%v", err)
	}
	taken(t, dir, olderPolicy(), serial(0, 500))
	if high, allowed := highest(t, dir); high != 500 || allowed != 0 {
		t.Errorf("highest %d, allowed %d", high, allowed)
	}
	if _, err := accept(t, dir, 499, DefaultPolicy()); !errors.Is(err, ErrOlder) {
		t.Errorf("older than the new start: %v", err)
	}
}

// TestFirstUse: a fresh host works without ceremony, also when it is cut off
// before the first artifact is in effect.
func TestFirstUse(t *testing.T) {
	for name, prepare := range map[string]func(string){
		"no directory":    func(string) {},
		"empty directory": func(dir string) { must(t, os.Mkdir(dir, 0o700)) },
		"lock only": func(dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			prepare(dir)
			before, _ := os.ReadDir(dir)
			a, err := accept(t, dir, 1000, DefaultPolicy())
			must(t, err)
			if after, _ := os.ReadDir(dir); len(after) != len(before) {
				t.Error("checking wrote to the state")
			}
			must(t, a.Prepare())
			must(t, os.WriteFile(filepath.Join(dir, "journal"), nil, 0o600)) // and then the power goes
			a, err = accept(t, dir, 900, DefaultPolicy())
			must(t, err)
			must(t, a.Record())
			if high, _ := highest(t, dir); high != 900 {
				t.Errorf("highest %d", high)
			}
		})
	}
}

// TestRecordIsExclusive: of two that were checked against one state, an older
// second is told.
func TestRecordIsExclusive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	one, err := accept(t, dir, 1001, DefaultPolicy())
	must(t, err)
	two, err := accept(t, dir, 1000, DefaultPolicy())
	must(t, err)
	must(t, one.Prepare())
	must(t, one.Record())
	must(t, one.Record())                        // twice by the same does no harm
	rejected(t, two.Prepare(), ErrOlder, "1001") // before its firewall is loaded
	rejected(t, two.Record(), ErrState, "meanwhile")
	if high, _ := highest(t, dir); high != 1001 {
		t.Errorf("highest %d", high)
	}
	three, err := accept(t, dir, 1003, DefaultPolicy())
	must(t, err)
	four, err := accept(t, dir, 1002, DefaultPolicy())
	must(t, err)
	must(t, four.Prepare())
	must(t, four.Record())
	must(t, three.Prepare()) // the newer one is as welcome as it was
	must(t, three.Record())
	if high, _ := highest(t, dir); high != 1003 {
		t.Errorf("highest %d", high)
	}
}

func TestStateFile(t *testing.T) {
	m, a := mark{2, 1000, "d1"}, mark{1, 900, "d2"}
	for _, allowed := range []*mark{nil, &a} {
		var s State
		must(t, s.parse(format(m, allowed)))
		if diff := cmp.Diff(format(m, allowed), format(s.highest, s.allowed)); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzState(f *testing.F) {
	a := mark{1, 900, "d2"}
	f.Add(format(mark{2, 1000, "d1"}, &a))
	f.Add(format(mark{digest: "-"}, nil))
	f.Fuzz(func(t *testing.T, text string) {
		var s State
		if s.parse(text) == nil && format(s.highest, s.allowed) != text {
			t.Error("it does not write itself")
		}
	})
}

// TestMissed: a directory that is gone is lost where something shows that there
// was one, and a first use elsewhere.
func TestMissed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	k := testKey(t, 1)
	check := func(p Policy, why string) error {
		s := OpenState(dir)
		s.Missed(why)
		a, err := Artifact(testFile(t, serial(0, 7), k), trustOf(k), p, testHost, s)
		if err == nil {
			must(t, a.Prepare())
			err = a.Record()
		}
		return err
	}
	if err := check(DefaultPolicy(), "it was there"); !errors.Is(err, ErrState) {
		t.Errorf("gone: %v", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("it was made: %v", err)
	}
	must(t, check(olderPolicy(), "it was there"))
	if high, allowed := highest(t, dir); high != 7 || allowed != 0 {
		t.Errorf("highest %d, allowed %d", high, allowed)
	}
	must(t, check(DefaultPolicy(), "it was there")) // and is
	must(t, os.RemoveAll(dir))
	must(t, check(DefaultPolicy(), ""))
}
