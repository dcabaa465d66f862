package compiler_test

import (
	"flag"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var all = flag.Bool("all", false, "run every shape of testdata/generators, and everything on both backends and in both modes")

// random are names of chains that Shorewall takes from the digest of the
// script it has made, which holds the time.
var random = regexp.MustCompile(`sha-[lr]h-[0-9a-f]{20}`)

// TestGenerators builds firewalls that other programs make from configurations
// of ours, testdata/generators/PROGRAM/SHAPE.txtar, in the format of the
// scenarios: the script runs the program. Each must come out as the program
// makes it in a plain namespace. Without -all it runs the shapes that
// are set to be quick.
//
// The programs are unpacked by packaging/deps.sh generators.
func TestGenerators(t *testing.T) {
	paths, err := filepath.Glob("../testdata/generators/*/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no generators: %v", err)
	}
	for _, path := range paths {
		s := readScenario(t, path)
		if !s.quick && !*all {
			continue
		}
		backends := s.backends
		if !*all {
			backends = backends[:1]
		}
		for _, backend := range backends {
			name := strings.TrimPrefix(strings.TrimSuffix(path, ".txtar"), "../testdata/generators/") + "/" + backend
			t.Run(name, func(t *testing.T) {
				// Side by side they would not give times.
				if !*all {
					t.Parallel()
				}
				j := s.job
				j.Backend, j.Layer, j.Timeout = backend, generatorsDir(t), 3*time.Minute
				built, direct := buildAndRun(t, j, false)
				compareDumps(t, built, direct, random)
				exact := time.Duration(0)
				if *all {
					j.Exact = true
					b := onHost(t, j)
					compareDumps(t, b, direct, random)
					exact = b.Elapsed
				}
				rules := 0
				for name, text := range built.Dumps {
					rules += strings.Count(text, "\n-A ")
					if strings.HasPrefix(name, "ipset") {
						rules += strings.Count(text, "\nadd ")
					}
				}
				// Nothing equals nothing.
				if rules < s.rules && built.Err == "" {
					t.Errorf("%d rules, want %d or more\nstdout: %s\nstderr: %s", rules, s.rules, built.Stdout, built.Stderr)
				}
				equal := "equal"
				if t.Failed() {
					equal = "not equal"
				}
				t.Logf("%-22s %5d rules %5d calls  direct %6.2f s  fwc %6.2f s  exact %6.2f s  %s  %s", name, rules, built.Calls,
					direct.Elapsed.Seconds(), built.Elapsed.Seconds(), exact.Seconds(), equal, built.Mode)
			})
		}
	}
}
