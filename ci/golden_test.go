package ci_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/ruleset"
)

var update = flag.Bool("update", false, "write the golden parts of testdata/*.txtar anew")

// sides are those of a golden archive. Its comment's first word is what the
// two are: "artifacts" or "dumps"; "with packets" asks for what becomes of
// these.
func sides(t testing.TB, a *txtar.Archive) (old, new ci.Side) {
	old = ci.Side{Name: "old.rules", Snapshot: snapshot(t, a, "old")}
	new = ci.Side{Name: "new.rules", Snapshot: snapshot(t, a, "new")}
	if !strings.HasPrefix(string(a.Comment), "artifacts") {
		return old, new
	}
	tc := ruleset.Toolchain{Kernel: "6.1.0-28-amd64", Arch: "x86_64", IPTables: "1.8.9", Backend: ruleset.NFT, IPSet: "7.17", NFT: "1.0.6"}
	old.Name, old.Digest, old.Serial = "fw-1.artifact", strings.Repeat("a1", 32), 1760000000
	old.ScriptName, old.ScriptSHA256 = "fw.sh", strings.Repeat("0b", 32)
	old.Labels = map[string]string{"role": "router", "site": "north"}
	old.Modules, old.Signers = []string{"ip_set", "nf_conntrack_ftp"}, []string{"first"}
	old.Builds = []ci.Build{{Toolchain: tc}}
	new.Name, new.Digest, new.Serial = "fw-2.artifact", strings.Repeat("b2", 32), 1760003600
	new.ScriptName, new.ScriptSHA256 = "fw.sh", strings.Repeat("1c", 32)
	new.Labels = map[string]string{"role": "edge", "tier": "1"}
	new.Modules, new.Signers = []string{"ip_set"}, []string{"first", "second"}
	new.NotAfter = "2027-01-01T00:00:00Z"
	tc.Kernel = "6.1.0-30-amd64"
	new.Builds = []ci.Build{{Toolchain: tc, AcceptKernel: ">= 6.1, < 6.2"}}
	return old, new
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			old, new := sides(t, a)
			r := ci.New(old, new)
			if strings.Contains(string(a.Comment), "with packets") {
				if err := r.ComparePackets(t.Context(), old, new); err != nil {
					t.Fatal(err)
				}
			}
			var text, markdown, json bytes.Buffer
			for _, err := range []error{
				r.Text(&text, ci.TextOptions{Members: 8}),
				r.Markdown(&markdown, ci.MarkdownOptions{Members: 8}),
				r.JSON(&json),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			validate(t, json.Bytes())
			for _, want := range []txtar.File{{Name: "want.txt", Data: text.Bytes()}, {Name: "want.md", Data: markdown.Bytes()}, {Name: "want.json", Data: json.Bytes()}} {
				golden(t, a, want)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func golden(t *testing.T, a *txtar.Archive, got txtar.File) {
	t.Helper()
	for i := range a.Files {
		f := &a.Files[i]
		if f.Name != got.Name {
			continue
		}
		if *update {
			f.Data = got.Data
		} else if d := cmp.Diff(string(f.Data), string(got.Data)); d != "" {
			t.Errorf("%s (-want +got); if this is meant, run with -update\n%s", got.Name, d)
		}
		return
	}
	if !*update {
		t.Errorf("no %s", got.Name)
	}
	a.Files = append(a.Files, got)
}
