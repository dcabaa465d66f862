package dump_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// corpus returns the directory of real dumps, or skips the test.
func corpus(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("FWC_CORPUS"); dir != "" {
		return dir
	}
	if os.Getenv("CI") != "" {
		t.Skip("the corpus of real dumps is not part of the repository")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			dir = filepath.Join(dir, "..", "shared", "corpus")
			if _, err := os.Stat(dir); err == nil {
				return dir
			}
			break
		}
	}
	t.Skip("no corpus of real dumps: set FWC_CORPUS")
	return ""
}

// TestFileCorpus has File tell the kind of every real dump by its content, and
// by a name that says nothing.
func TestFileCorpus(t *testing.T) {
	kinds := map[string]ruleset.Kind{".save4": ruleset.IPTables, ".save6": ruleset.IP6Tables, ".arp": ruleset.ARPTables,
		".eb": ruleset.EBTables, ".ipset": ruleset.IPSet, ".nftjson": ruleset.NFTables}
	files, err := filepath.Glob(filepath.Join(corpus(t), "*"))
	if err != nil {
		t.Fatal(err)
	}
	blind := 0
	for _, f := range files {
		want, ok := kinds[filepath.Ext(f)]
		if !ok && filepath.Ext(f) != ".nft" {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := dump.File(f, text)
		if !ok {
			if err == nil {
				t.Errorf("%s: an nft script is taken for %s", filepath.Base(f), got.Kind)
			}
			continue
		}
		if err != nil || got.Kind != want {
			t.Errorf("%s: taken for %q: %v", filepath.Base(f), got.Kind, err)
		}
		if got, _ := dump.File("rules", text); got.Kind != want {
			blind++
			t.Logf("%s: without its name taken for %q", filepath.Base(f), got.Kind)
		}
	}
	if blind > 6 {
		t.Errorf("%d dumps are taken for another kind without their name", blind)
	}
}

// TestSnapshotCorpus makes a Snapshot of every real dump that its own tool
// reads, and holds it to a fixed point.
func TestSnapshotCorpus(t *testing.T) {
	dir := corpus(t)
	text, err := os.ReadFile(filepath.Join(dir, "RESULTS.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Split(line, "\t")
		if len(f) < 3 || f[2] != "yes" || strings.HasSuffix(f[0], ".nft") || strings.Contains(f[1], "stub") ||
			strings.HasSuffix(f[0], ".nftjson") {
			continue
		}
		if strings.HasPrefix(f[0], "184-") {
			continue // -h among the rules prints help and ends iptables-restore with success
		}
		t.Run(f[0]+" "+f[1], func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(dir, f[0]))
			if err != nil {
				t.Fatal(err)
			}
			d, err := dump.File(f[0], source)
			if err != nil {
				t.Fatal(err)
			}
			s, err := dump.FileSnapshot(f[0], d)
			if err != nil {
				t.Fatal(err)
			}
			again, err := dump.Snapshot(s.Dumps)
			if err != nil {
				t.Fatal(err)
			}
			if again.Digest() != s.Digest() {
				t.Error("not a fixed point")
			}
			n++
		})
	}
	t.Logf("%d dumps", n)
}
