package xtables_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// program returns the restore or save program of a kind and backend.
func program(kind ruleset.Kind, backend ruleset.Backend, verb string) string {
	return fmt.Sprintf("%s-%s-%s", kind, backend, verb)
}

var setUse = regexp.MustCompile(`(?:--match-set|--set|--add-set|--del-set|--map-set) +"?([^" ]+)"? +((?:src|dst)(?:,(?:src|dst))*)`)

// stubSets creates an empty ipset for each that the text names.
func stubSets(kind ruleset.Kind, text []byte) error {
	family := "inet"
	if kind == ruleset.IP6Tables {
		family = "inet6"
	}
	made := make(map[string]bool)
	for _, m := range setUse.FindAllSubmatch(text, -1) {
		name := string(m[1])
		if made[name] {
			continue
		}
		made[name] = true
		kind := []string{"hash:ip", "hash:ip,port", "hash:ip,port,ip"}[strings.Count(string(m[2]), ",")]
		if out, err := exec.Command("ipset", "create", name, kind, "family", family, "skbinfo", "timeout", "0").CombinedOutput(); err != nil {
			return fmt.Errorf("ipset create %s: %w: %s", name, err, out)
		}
	}
	return nil
}

// roundTrip restores text in a fresh namespace and returns what the save
// prints then. A refusal of the restore program is a *exec.ExitError.
func roundTrip(kind ruleset.Kind, backend ruleset.Backend, text []byte) (save []byte, err error) {
	err = netns.Do(func() error {
		if err := stubSets(kind, text); err != nil {
			return err
		}
		cmd := exec.Command(program(kind, backend, "restore"))
		cmd.Stdin = bytes.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", cmd.Path, err, out)
		}
		var out []byte
		if out, err = exec.Command(program(kind, backend, "save")).Output(); err != nil {
			return fmt.Errorf("%s: %w", program(kind, backend, "save"), err)
		}
		save = out
		return nil
	})
	return save, err
}

var counters = regexp.MustCompile(`(?m)^(:\S+ \S+) \[\d+:\d+\]$`)

// plain strips comments, counters and empty lines from a save, and puts its
// tables in canonical order.
func plain(save []byte) string {
	var tables []string
	var table strings.Builder
	for line := range strings.Lines(string(save)) {
		if line == "\n" || line[0] == '#' {
			continue
		}
		if line[0] == '*' && table.Len() > 0 {
			tables = append(tables, table.String())
			table.Reset()
		}
		table.WriteString(line)
	}
	if table.Len() > 0 {
		tables = append(tables, table.String())
	}
	order := []string{"*raw\n", "*mangle\n", "*nat\n", "*filter\n", "*security\n", "*broute\n"}
	rank := func(t string) int {
		return slices.IndexFunc(order, func(p string) bool { return strings.HasPrefix(t, p) })
	}
	slices.SortStableFunc(tables, func(a, b string) int { return rank(a) - rank(b) })
	return counters.ReplaceAllString(strings.Join(tables, ""), "$1 [0:0]")
}

// difference is a line of one text where another has another.
type difference struct{ want, got string }

// differences lists where the lines of two texts differ.
func differences(want, got string) []difference {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out []difference
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(a) > 0 && len(b) > 0 && a[0] == b[0]:
			a, b = a[1:], b[1:]
		case len(a) == len(b):
			out = append(out, difference{a[0], b[0]})
			a, b = a[1:], b[1:]
		case len(a) > len(b):
			out = append(out, difference{want: a[0]})
			a = a[1:]
		default:
			out = append(out, difference{got: b[0]})
			b = b[1:]
		}
	}
	return out
}

// corpus returns the directory of collected dumps, or skips the test.
func corpus(t testing.TB) string {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Skip("the corpus of collected dumps is not there in CI")
	}
	dir := os.Getenv("FWC_CORPUS")
	if dir == "" {
		root, err := filepath.Abs(".")
		if err != nil {
			t.Fatal(err)
		}
		for !exists(filepath.Join(root, "go.mod")) && root != "/" {
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "corpus")
	}
	if !exists(dir) {
		t.Skip("no corpus of collected dumps: set FWC_CORPUS")
	}
	return dir
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
