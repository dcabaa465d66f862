package nft_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netns"
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
				break
			}
			return dir
		}
	}
	t.Skip("no corpus of real dumps: set FWC_CORPUS")
	return ""
}

// results returns the files that nft reads, with its arguments.
func results(t testing.TB, dir string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "RESULTS.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(line, "\t")
		if len(f) < 3 || f[2] != "yes" {
			continue
		}
		switch f[1] {
		case "nft":
			if strings.HasSuffix(f[0], ".nft") {
				files[f[0]] = []string{"-f", "-"}
			}
		case "nft -j":
			files[f[0]] = []string{"-j", "-f", "-"}
		}
	}
	return files
}

// command runs a command with input and returns its output.
func command(input []byte, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, stderr.String())
	}
	return out, nil
}

// listing is what nft says of a namespace.
type listing struct{ json, text []byte }

// load loads a source into a new namespace and lists it.
func load(source []byte, args ...string) (l listing, err error) {
	errDo := netns.Do(func() error {
		if _, err := command(source, "nft", args...); err != nil {
			return err
		}
		if l.json, err = command(nil, "nft", "-j", "list", "ruleset"); err != nil {
			return err
		}
		l.text, err = command(nil, "nft", "-s", "list", "ruleset")
		return err
	})
	return l, errors.Join(err, errDo)
}
