package verify

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAccept(t *testing.T) {
	k := testKey(t, 1)
	data := testFile(t, nil, k)
	dir := filepath.Join(t.TempDir(), "state")
	for range 2 { // the second time it is known
		a, err := Artifact(data, trustOf(k), DefaultPolicy(), testHost, OpenState(dir))
		if err != nil {
			t.Fatal(err)
		}
		if a.Snapshot() == nil || !a.Exact() || a.Checked().Older() {
			t.Errorf("accepted %+v", a)
		}
		if diff := cmp.Diff([]string{"key1"}, a.Checked().Signers()); diff != "" {
			t.Error(diff)
		}
		if err := a.Record(); err != nil {
			t.Fatal(err)
		}
	}
}
