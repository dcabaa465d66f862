package compiler_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the expected outcomes of testdata/scripts anew")

// generatorsDir is where packaging/deps.sh generators unpacks.
func generatorsDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../bin/generators/root")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("%v: run packaging/deps.sh generators bin/generators", err)
	}
	return dir
}

// scenario is one file of testdata/scripts. Its comment says which idiom it
// shows; the section "run" how it is built: lines of "script NAME", "args …",
// "env K=V", "iface NAME=CIDR,…", "backends NAME…", "layer" for what
// packaging/deps.sh unpacks. Sections named expect/… are the outcome:
// expect/error, expect/modules, expect/stdout, and the dumps of a build where
// plain iptables is the nft one, unless backends says otherwise. All others
// are files, of the project or of /etc.
type scenario struct {
	path     string
	archive  *txtar.Archive
	job      hostJob
	backends []string
	want     map[string]string
	quick    bool // of a generator: part of every test run
	rules    int  // of a generator: at least so many
}

func readScenario(t *testing.T, path string) scenario {
	t.Helper()
	ar, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := scenario{path: path, archive: ar, backends: []string{"nft", "legacy"}, want: map[string]string{}}
	s.job = hostJob{Files: map[string][]byte{}, Script: "fw.sh", Timeout: time.Minute}
	for _, f := range ar.Files {
		name, expected := strings.CutPrefix(f.Name, "expect/")
		switch {
		case expected:
			s.want[name] = string(f.Data)
		case f.Name == "run":
			s.settings(t, string(f.Data))
		case strings.HasPrefix(f.Name, "etc/"), strings.HasPrefix(f.Name, "var/"), strings.HasPrefix(f.Name, "usr/"):
			s.job.Files["/"+f.Name] = f.Data
		default:
			s.job.Files[f.Name] = f.Data
		}
	}
	return s
}

func (s *scenario) settings(t *testing.T, text string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "script":
			s.job.Script = value
		case "args":
			s.job.Args = strings.Fields(value)
		case "env":
			s.job.Env = append(s.job.Env, value)
		case "iface":
			s.job.Ifaces = append(s.job.Ifaces, value)
		case "backends":
			s.backends = strings.Fields(value)
		case "quick":
			s.quick = true
		case "rules":
			s.rules, _ = strconv.Atoi(value)
		case "layer":
			s.job.Layer = generatorsDir(t)
		case "":
		default:
			t.Fatalf("%s: unknown setting %q", s.path, key)
		}
	}
}

// TestCorpusScripts builds every script of testdata/scripts on both backends,
// runs it in a plain namespace, and compares all that is in the kernel then.
func TestCorpusScripts(t *testing.T) {
	paths, err := filepath.Glob("../testdata/scripts/*.txtar")
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d scripts: %v", len(paths), err)
	}
	for _, path := range paths {
		s := readScenario(t, path)
		for i, backend := range s.backends {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar")+"/"+backend, func(t *testing.T) {
				t.Parallel()
				j := s.job
				j.Backend = backend
				_, fails := s.want["error"]
				got, direct := buildAndRun(t, j, fails || *update)
				if got.Err == "" {
					compareDumps(t, got, direct, nil)
				}
				if diff := cmp.Diff(direct.Stdout, got.Stdout); diff != "" && got.Err == "" {
					t.Errorf("standard output (-direct +build):\n%s", diff)
				}
				if i == 0 || *all {
					j.Exact = true
					compareModes(t, got, onHost(t, j))
				}
				if i > 0 {
					return
				}
				if *update {
					s.write(t, got)
					return
				}
				if diff := cmp.Diff(s.want, outcome(got, s.want)); diff != "" {
					t.Errorf("outcome (-want +got):\n%s\nstderr: %s", diff, got.Stderr)
				}
			})
		}
	}
}

// buildAndRun returns the results of the build and of the direct run, which
// it leaves out if the build fails.
func buildAndRun(t *testing.T, j hostJob, mayFail bool) (built, direct hostResult) {
	t.Helper()
	built = onHost(t, j)
	if built.Err != "" {
		if !mayFail {
			t.Errorf("build: %s\nstderr: %s", built.Err, built.Stderr)
		}
		return built, direct
	}
	j.Direct, j.Sysctls = true, built.Sysctls
	direct = onHost(t, j)
	if direct.Status != 0 {
		t.Errorf("direct run: %s\nstderr: %s", direct.Err, direct.Stderr)
	}
	return built, direct
}

// compareDumps holds what a build gives to what the script makes. What the
// expression matches is different each time, and not compared.
func compareDumps(t *testing.T, built, direct hostResult, random *regexp.Regexp) {
	t.Helper()
	if random != nil {
		for _, dumps := range []map[string]string{built.Dumps, direct.Dumps} {
			for name, text := range dumps {
				dumps[name] = random.ReplaceAllString(text, "RANDOM")
			}
		}
	}
	if diff := cmp.Diff(direct.Dumps, built.Dumps); diff != "" {
		t.Errorf("the build is not what the script makes (-direct +build):\n%s\nstderr of the build: %s", diff, built.Stderr)
	}
}

// compareModes holds the two modes of a build to one outcome, down to the
// bytes.
func compareModes(t *testing.T, recorded, exact hostResult) {
	t.Helper()
	for _, r := range []*hostResult{&recorded, &exact} {
		r.Elapsed, r.Mode, r.Stderr = 0, "", ""
	}
	if diff := cmp.Diff(recorded, exact); diff != "" {
		t.Errorf("the modes differ (-recorded +exact):\n%s", diff)
	}
}

// outcome is a result in the sections of a scenario. What a script writes is
// part of it only where the scenario names it.
func outcome(r hostResult, want map[string]string) map[string]string {
	got := map[string]string{}
	maps.Copy(got, r.Dumps)
	if r.Err != "" {
		got["error"] = r.Err + "\n"
	}
	if len(r.Modules) > 0 {
		got["modules"] = strings.Join(r.Modules, "\n") + "\n"
	}
	if _, ok := want["stdout"]; ok {
		got["stdout"] = r.Stdout
	}
	return got
}

func (s *scenario) write(t *testing.T, r hostResult) {
	got := outcome(r, s.want)
	s.archive.Files = slices.DeleteFunc(s.archive.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "expect/") })
	for _, name := range slices.Sorted(maps.Keys(got)) {
		s.archive.Files = append(s.archive.Files, txtar.File{Name: "expect/" + name, Data: []byte(got[name])})
	}
	if err := os.WriteFile(s.path, txtar.Format(s.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
