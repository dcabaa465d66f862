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

// corpusDir returns the directory of real dumps, or "" where there is none.
func corpusDir() string {
	if dir := os.Getenv("FWC_CORPUS"); dir != "" {
		return dir
	}
	if os.Getenv("CI") != "" {
		return "" // it is not part of the repository
	}
	dir, err := os.Getwd()
	for ; err == nil && dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			dir = filepath.Join(dir, "..", "shared", "corpus")
			if _, err := os.Stat(dir); err == nil {
				return dir
			}
			break
		}
	}
	return ""
}

// corpus returns the directory of real dumps, or skips the test.
func corpus(t testing.TB) string {
	t.Helper()
	dir := corpusDir()
	if dir == "" {
		t.Skip("no corpus of real dumps: set FWC_CORPUS")
	}
	return dir
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
