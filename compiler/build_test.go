package compiler

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// TestScripts builds every testdata/*.txtar as root and as nobody. The file
// fw.sh of each is the script, others lie beside it; "args" and "flags" say how
// it is built. What is compared: "calls", "error", "notes", "warnings",
// "stdout", "sources" of rules and sets, "mode", and any dump by its name.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	build := func(name string, j job, want map[string]string) {
		for _, u := range users {
			t.Run(name+"/"+u.name, func(t *testing.T) {
				t.Parallel()
				compare(t, want, runAs(t, u.cred, j))
			})
			if u.cred == nil {
				j := j
				j.Exact = true
				want := maps.Clone(want)
				delete(want, "mode")
				t.Run(name+"/exact", func(t *testing.T) {
					t.Parallel()
					compare(t, want, runAs(t, u.cred, j))
				})
			}
		}
	}
	for _, path := range paths {
		ar, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, files := map[string]string{}, map[string]string{}
		for _, f := range ar.Files {
			if strings.HasSuffix(f.Name, ".sh") || strings.HasSuffix(f.Name, ".conf") {
				files[f.Name] = string(f.Data)
			} else {
				want[f.Name] = string(f.Data)
			}
		}
		j := job{Script: "fw.sh", Dir: project(t, files), Args: strings.Fields(want["args"])}
		for _, f := range strings.Fields(want["ifaces"]) {
			i, err := ParseIface(f)
			if err != nil {
				t.Fatal(err)
			}
			j.Ifaces = append(j.Ifaces, i)
		}
		j.Hosts, j.Hostname, j.Nameservers = want["hosts"], strings.TrimSpace(want["hostname"]), strings.Fields(want["nameservers"])
		j.KeepGoing = strings.Contains(want["flags"], "keep-going")
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		build(name, j, want)
		// A kernel without overlays for user namespaces gives the same.
		if name == "private" || name == "reach" {
			j.NoOverlay = true
			build(name+" without overlay", j, want)
		}
	}
}

func sorted(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func compare(t *testing.T, want map[string]string, o outcome) {
	t.Helper()
	got := map[string]string{
		"error": o.Err, "stdout": o.Stdout, "calls": strings.Join(o.Calls, "\n"),
		"sources": strings.Join(o.Sources, "\n"), "mode": o.Mode,
		"modules": strings.Join(o.Modules, " "), "wanted": strings.Join(o.Wanted, "\n"), "notes": strings.Join(o.Notes, "\n"), "warnings": strings.Join(o.Warnings, "\n"),
	}
	for name, text := range o.Dumps {
		got[name] = text
	}
	if _, ok := want["error"]; !ok && o.Err != "" {
		t.Errorf("%s error: %s\n%s", o.Kind, o.Err, o.Stderr)
	}
	for name, text := range want {
		if name == "calls" {
			// Of what was queued only the order in each table is known.
			text, got[name] = sorted(text), sorted(got[name])
		}
		if name == "hosts" || name == "hostname" || name == "nameservers" || name == "args" || name == "flags" || name == "ifaces" {
			continue
		}
		if diff := cmp.Diff(strings.TrimSpace(text), strings.TrimSpace(got[name])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
