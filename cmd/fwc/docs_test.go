package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocs runs the commands of the documents, in their order, and compares
// what they print with what the document shows. A command that shows nothing
// must succeed.
func TestDocs(t *testing.T) {
	for doc, files := range map[string]string{
		"../../docs/reviews.md": "../../testdata/reviews",
		"../../docs/lab.md":     "../../testdata/labs",
	} {
		t.Run(filepath.Base(doc), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(doc)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(files)); err != nil {
				t.Fatal(err)
			}
			got := shown(t, dir, string(text))
			if *update {
				if err := os.WriteFile(doc, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(told.ReplaceAllString(string(text), ""), told.ReplaceAllString(got, "")); diff != "" {
				t.Errorf("%s is not what its commands print; -update writes it (-shown +printed):\n%s", doc, diff)
			}
		})
	}
}

const (
	prompt = "    $ "
	indent = "    "
)

// testTime is what fwc test says of its own speed.
var testTime = regexp.MustCompile(`(?m)( tests (?:passed|failed)) in [0-9.]+ s$`)

// told is a packet's state, of which kernels before Linux 6.16 do not tell.
var told = regexp.MustCompile(`(?m)  \((?:new|established|related|invalid|untracked)\)$`)

// shown returns a document with what its commands print now.
func shown(t *testing.T, dir, text string) string {
	var out []string
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		command, is := strings.CutPrefix(lines[i], prompt)
		out = append(out, lines[i])
		i++
		if !is {
			continue
		}
		end := i // of what the document shows
		for j := i; j < len(lines) && !strings.HasPrefix(lines[j], prompt); j++ {
			if strings.HasPrefix(lines[j], indent) {
				end = j + 1
			} else if lines[j] != "" {
				break
			}
		}
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "SOURCE_DATE_EPOCH=1750000000")
		printed, err := cmd.CombinedOutput()
		if end == i {
			if err != nil {
				t.Fatalf("%s: %v\n%s", command, err, printed)
			}
			continue
		}
		printed = testTime.ReplaceAll(printed, []byte("$1 in 0.10 s"))
		for line := range strings.Lines(string(printed)) {
			out = append(out, strings.TrimRight(indent+line, " \n"))
		}
		i = end
	}
	return strings.Join(out, "\n")
}
