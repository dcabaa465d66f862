package ipset_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
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
			if _, err := os.Stat(dir); err != nil {
				t.Skip("no corpus of real dumps: set FWC_CORPUS")
			}
			return dir
		}
	}
	t.Skip("no corpus of real dumps: set FWC_CORPUS")
	return ""
}

// results returns the files that the named tool reads, from RESULTS.tsv.
func results(t testing.TB, dir, backend string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "RESULTS.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for line := range strings.Lines(string(text)) {
		f := strings.Split(line, "\t")
		if len(f) > 2 && f[1] == backend && f[2] == "yes" {
			files = append(files, f[0])
		}
	}
	return files
}

// run runs a command with input and returns its output.
func run(t testing.TB, input []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// canonical is Format of Parse.
func canonical(t testing.TB, file string, text []byte) []byte {
	t.Helper()
	sets, err := ipset.Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	return ipset.Format(sets)
}

// checkKernel holds Parse to the kernel: what it makes of restore input is
// what ipset makes of it, and its canonical form loads and saves the same.
func checkKernel(t *testing.T, file string, source []byte) {
	t.Helper()
	var saved, again []byte
	var mine []byte
	err := netns.Do(func() error {
		run(t, source, "ipset", "restore")
		saved = run(t, nil, "ipset", "save")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mine = canonical(t, file, source)
	want := canonical(t, "save", saved)
	if diff := cmp.Diff(string(want), string(mine)); diff != "" {
		t.Errorf("what ipset makes of the source (-) and what Parse does (+):\n%.3000s", diff)
	}
	if err := netns.Do(func() error {
		run(t, want, "ipset", "restore")
		again = canonical(t, "again", run(t, nil, "ipset", "save"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(again)); diff != "" {
		t.Errorf("canonical form (-) and what it loads as (+):\n%.3000s", diff)
	}
	if fixed := canonical(t, "fixed", want); !bytes.Equal(fixed, want) {
		t.Errorf("canonical form is no fixed point:\n%.3000s", cmp.Diff(string(want), string(fixed)))
	}
}

func TestCorpus(t *testing.T) {
	dir := corpus(t)
	for _, f := range results(t, dir, "ipset") {
		t.Run(f, func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(dir, f))
			if err != nil {
				t.Fatal(err)
			}
			checkKernel(t, f, source)
		})
	}
}

// TestCorpusRefused parses what this kernel cannot load, for want of set
// types: it must still be read, or be refused as *ruleset.SyntaxError.
func TestCorpusRefused(t *testing.T) {
	dir := corpus(t)
	source, err := os.ReadFile(filepath.Join(dir, "220-ipset-xlate.ipset"))
	if err != nil {
		t.Fatal(err)
	}
	sets, err := ipset.Parse("x", source)
	if err != nil {
		t.Fatal(err)
	}
	if len(sets) < 20 {
		t.Errorf("%d sets", len(sets))
	}
	var _ ruleset.Set = sets[0]
}
