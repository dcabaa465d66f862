package main_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fwc-dev/fwc/"

// allowed is the direction of imports: what each package may import of fwc's
// own packages. A name with a trailing slash allows everything below it.
var allowed = map[string][]string{
	"cmd/fwc":             {"internal/cli", "internal/netns"},
	"internal/cli":        {"artifact", "artifact/sshagent", "verify", "compiler", "apply", "lab", "ci", "ruleset", "ruleset/", "internal/"},
	"ruleset":             {},
	"ruleset/xtables":     {"ruleset"},
	"ruleset/ipset":       {"ruleset"},
	"ruleset/nft":         {"ruleset"},
	"ruleset/dump":        {"ruleset", "ruleset/xtables", "ruleset/ipset", "ruleset/nft"},
	"ruleset/packets":     {"ruleset", "ruleset/"},
	"compiler":            {"ruleset", "ruleset/", "internal/netns", "internal/netfilter"},
	"artifact":            {"ruleset", "ruleset/dump"},
	"artifact/sshagent":   {"artifact"},
	"verify":              {"artifact", "ruleset", "internal/atomicfile"},
	"apply":               {"verify", "artifact", "ruleset", "ruleset/", "internal/netns", "internal/netfilter", "internal/atomicfile"},
	"internal/prove":      {"ruleset", "ruleset/packets", "lab"},
	"lab":                 {"ruleset", "ruleset/dump", "ruleset/xtables", "ruleset/ipset", "ruleset/nft", "internal/netns", "internal/netfilter", "internal/atomicfile", "internal/termsafe"},
	"ci":                  {"ruleset", "ruleset/packets", "artifact", "verify", "internal/termsafe"},
	"internal/netns":      {},
	"internal/facts":      {"ruleset"},
	"internal/netfilter":  {"ruleset", "ruleset/", "internal/netns"},
	"internal/atomicfile": {},
	"internal/command":    {},
	"internal/termsafe":   {},
	"internal/fwctest":    {"ruleset", "ruleset/", "artifact", "internal/"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestImportDirection(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(p.ImportPath, module)
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s has no line in the import direction", name)
			continue
		}
		for _, imp := range p.Imports {
			own, ok := strings.CutPrefix(imp, module)
			if ok && !slices.ContainsFunc(may, func(m string) bool {
				return own == m || strings.HasSuffix(m, "/") && strings.HasPrefix(own, m)
			}) {
				t.Errorf("%s must not import %s", name, own)
			}
		}
	}
}

// TestForbiddenDependencies holds what the direction alone does not: what may
// not be reached by any path.
func TestForbiddenDependencies(t *testing.T) {
	for _, rule := range []struct {
		from, why string
		never     []string
	}{
		{"ruleset/...", "a model and its parsers run nothing", []string{"os/exec", "net", "github.com/urfave/cli/v2"}},
		{"artifact", "reading an artifact runs nothing", []string{"os/exec", "github.com/urfave/cli/v2"}},
		{"apply", "a host needs no compiler", []string{module + "compiler", module + "lab", module + "ruleset/packets", module + "ci", "github.com/urfave/cli/v2"}},
		{"verify", "a host needs no compiler", []string{module + "compiler", module + "lab", module + "ruleset/packets", module + "ci", "github.com/urfave/cli/v2"}},
		{"compiler", "a library has no flags", []string{"github.com/urfave/cli/v2"}},
		{"ci", "a library has no flags", []string{"github.com/urfave/cli/v2"}},
		{"lab", "a lab is told what to send", []string{module + "ruleset/packets", module + "ci", module + "compiler", module + "apply", module + "verify", module + "artifact", "github.com/urfave/cli/v2"}},
	} {
		for _, p := range list(t, module+rule.from) {
			for _, never := range rule.never {
				if slices.Contains(p.Deps, never) {
					t.Errorf("%s reaches %s: %s", strings.TrimPrefix(p.ImportPath, module), never, rule.why)
				}
			}
		}
	}
}

// list returns the packages of a pattern, as they are with the build tags.
func list(t *testing.T, pattern string, tags ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags", strings.Join(tags, ","), "-json=ImportPath,Imports,Deps", pattern)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}
