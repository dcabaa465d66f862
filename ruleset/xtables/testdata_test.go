package xtables_test

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

var update = flag.Bool("update", false, "write what the real programs save into testdata")

// section returns a file of an archive, and whether it is there.
func section(a *txtar.Archive, name string) (string, bool) {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data), true
		}
	}
	return "", false
}

// TestDumps holds Parse and Format to what the real programs make of each
// testdata/KIND-*.txtar. Its "in" is restore input; "want" is the save on
// both backends, or want.nft and want.legacy are. With a section "refused"
// the real restore must refuse the input; with "lost" its save must differ
// from the canonical form, and "want" is ours; "only" names the one backend
// that takes the input.
func TestDumps(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, name := range names {
		prefix, _, _ := strings.Cut(filepath.Base(name), "-")
		kind := ruleset.Kind(prefix)
		backends := []ruleset.Backend{ruleset.NFT, ruleset.Legacy}
		if kind == ruleset.ARPTables || kind == ruleset.EBTables {
			backends = backends[:1]
		}
		for _, backend := range backends {
			t.Run(filepath.Base(name)+"/"+string(backend), func(t *testing.T) { testDump(t, name, kind, backend) })
		}
	}
}

func testDump(t *testing.T, name string, kind ruleset.Kind, backend ruleset.Backend) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	in, _ := section(archive, "in")
	if only, ok := section(archive, "only"); ok && strings.TrimSpace(only) != string(backend) {
		t.Skip("for the other backend alone")
	}
	_, refused := section(archive, "refused")
	_, lost := section(archive, "lost")
	save, err := roundTrip(kind, backend, []byte(in))
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) == refused && refused:
	case err != nil:
		t.Fatal(err)
	case refused:
		t.Error("the real restore takes it")
	}
	section := wanted(archive, backend)
	if *update && !refused && !lost {
		section = write(t, name, archive, backend, plain(save))
	}
	tables, err := xtables.Parse(kind, backend, name, []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(section, string(xtables.Format(tables))); diff != "" {
		t.Errorf("canonical form (-want +got):\n%s", diff)
	}
	again, err := xtables.Parse(kind, backend, name, []byte(section))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(section, string(xtables.Format(again))); diff != "" {
		t.Errorf("canonical form of itself (-want +got):\n%s", diff)
	}
	if !refused && (plain(save) == section) == lost {
		t.Errorf("the real save:\n%s", plain(save))
	}
}

// wanted returns the expected dump of a backend.
func wanted(a *txtar.Archive, backend ruleset.Backend) string {
	if s, ok := section(a, "want."+string(backend)); ok {
		return s
	}
	s, _ := section(a, "want")
	return s
}

// write stores a save as the expectation of a backend: as that of both if
// the other's is the same.
func write(t *testing.T, name string, a *txtar.Archive, backend ruleset.Backend, save string) string {
	other := ruleset.Legacy
	if backend == ruleset.Legacy {
		other = ruleset.NFT
	}
	files := []txtar.File{}
	for _, f := range a.Files {
		if !strings.HasPrefix(f.Name, "want") {
			files = append(files, f)
		}
	}
	otherWant := wanted(a, other)
	if otherWant == "" || otherWant == save {
		files = append(files, txtar.File{Name: "want", Data: []byte(save)})
	} else {
		files = append(files, txtar.File{Name: "want." + string(backend), Data: []byte(save)},
			txtar.File{Name: "want." + string(other), Data: []byte(otherWant)})
	}
	a.Files = files
	if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
	return save
}
