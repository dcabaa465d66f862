package main_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// hostLimit is how many bytes the program for hosts may have.
const hostLimit = 7 << 20

// forbiddenOnHosts are packages that the program for hosts must not reach, by
// their path or, with a trailing slash, all below it.
var forbiddenOnHosts = map[string][]string{
	"the compiler and what reads scripts": {module + "compiler", "mvdan.cc/"},
	"the lab, reports, packet analysis":   {module + "lab", module + "ci", module + "ruleset/packets"},
	"a network client":                    {"net/http", "crypto/tls", "net/smtp", "net/rpc", "golang.org/x/net/http2"},
	"C":                                   {"runtime/cgo", "os/user", "plugin"},
	"private keys":                        {module + "artifact/sshagent", "golang.org/x/crypto/", "github.com/secure-systems-lab/"},
	"certificates, RSA and DSA":           {"crypto/x509", "crypto/rsa", "crypto/dsa"},
	// Calls of methods by name keep every exported method in a program.
	"templates":              {"text/template", "html/template", "github.com/urfave/"},
	"a debugger or profiler": {"net/http/pprof", "expvar", "runtime/pprof", "testing"},
}

func TestHostImports(t *testing.T) {
	for _, p := range list(t, "./cmd/fwc", "host") {
		for what, paths := range forbiddenOnHosts {
			for _, dep := range p.Deps {
				if slices.ContainsFunc(paths, func(path string) bool {
					return dep == path || strings.HasSuffix(path, "/") && strings.HasPrefix(dep, path)
				}) {
					t.Errorf("the host build reaches %s: %s", dep, what)
				}
			}
		}
	}
}

// TestHost holds the program for hosts to its
// size, and runs testdata/script/host with it.
func TestHost(t *testing.T) {
	program := hostProgram(t)
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %.2f MiB", info.Size(), float64(info.Size())/(1<<20))
	if info.Size() > hostLimit {
		t.Errorf("the program has %d bytes, %d too many", info.Size(), info.Size()-hostLimit)
	}
	checkStatic(t, program)

	dir, err := filepath.Abs("../../testdata/script/host")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("FWC_HOST", program)
			return setup(env)
		},
		Cmds: commands,
	})
}

// hostProgram builds the program for hosts.
func hostProgram(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "fwc-host")
	build := exec.Command("make", "--no-print-directory", "host", "HOST="+program)
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make host: %v\n%s", err, out)
	}
	return program
}

// checkStatic fails if a program needs a loader or a library.
func checkStatic(t *testing.T, program string) {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program is not static: it has %s", p.Type)
		}
	}
	if libs, _ := f.ImportedLibraries(); len(libs) > 0 {
		t.Errorf("the program needs %v", libs)
	}
}
