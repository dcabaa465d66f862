package nft_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset/nft"
)

// scriptTrip completes a listing, loads it as a script into another namespace
// and returns what differs there: in the completed document, and in what nft
// prints.
func scriptTrip(l listing) error {
	want, err := nft.Merge("listing", l.json, l.text)
	if err != nil {
		return err
	}
	script, err := nft.Script("merged", want)
	if err != nil {
		return err
	}
	again, err := load(script, "-f", "-")
	if err != nil {
		return err
	}
	got, err := nft.Merge("again", again.json, again.text)
	if err != nil {
		return err
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		return fmt.Errorf("the document: %s", d)
	}
	if fixed, err := nft.Canonical("merged", want); err != nil || string(fixed) != string(want) {
		return fmt.Errorf("what Merge returns is not canonical: %v%s", err, cmp.Diff(string(want), string(fixed)))
	}
	if d := cmp.Diff(blocks(string(l.text)), blocks(string(again.text))); d != "" {
		return fmt.Errorf("the text: %s", d)
	}
	return nil
}

var broken = regexp.MustCompile(`,\n\s+`)

// blocks returns a text listing by "table block", each with its lines, in an
// order that does not depend on the kernel's. Tables of iptables programs are
// left out.
func blocks(text string) map[string][]string {
	out := map[string][]string{}
	var table, block string
	for line := range strings.Lines(broken.ReplaceAllString(text, ", ")) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "table "):
			table, block = line, line
			out[table] = []string{}
		case line == "", line == "\t}", line == "}":
			block = table
		case strings.HasPrefix(line, "\t\t"):
			out[block] = append(out[block], sorted(line))
		case strings.HasSuffix(line, "{"):
			block = table + line
			out[block] = []string{}
		default:
			out[table] = append(out[table], line)
		}
	}
	for _, owned := range []string{"table ip filter ", "table ip nat "} {
		maps.DeleteFunc(out, func(k string, _ []string) bool { return strings.HasPrefix(k, owned) })
	}
	return out
}

// sources returns every ruleset the tests have, and how nft reads it.
func sources(t *testing.T) map[string]func() (listing, error) {
	t.Helper()
	out := map[string]func() (listing, error){}
	file := func(name string, args ...string) func() (listing, error) {
		return func() (listing, error) {
			source, err := os.ReadFile(name)
			if err != nil {
				return listing{}, err
			}
			return load(source, args...)
		}
	}
	out["statements"] = file("testdata/statements.nft", "-f", "-")
	if dir := corpusDir(); dir != "" {
		for f, args := range results(t, dir) {
			out[f] = file(filepath.Join(dir, f), args...)
		}
	}
	return out
}

func TestScript(t *testing.T) {
	for name, source := range sources(t) {
		t.Run(name, func(t *testing.T) {
			l, err := source()
			if err != nil {
				t.Fatal(err)
			}
			if err := scriptTrip(l); err != nil {
				t.Errorf("%.3000s", err.Error())
			}
		})
	}
}

// TestLosses holds the list of what nft's JSON loses: a build that captured
// and loaded JSON alone would have to refuse each; with Merge and Script none
// is lost.
func TestLosses(t *testing.T) {
	text, err := os.ReadFile("testdata/losses.txt")
	if err != nil {
		t.Fatal(err)
	}
	entries := strings.Split(string(text), "\n== ")[1:]
	for _, e := range entries {
		title, source, _ := strings.Cut(e, "\n")
		name, where, _ := strings.Cut(title, ": ")
		t.Run(name, func(t *testing.T) {
			l, err := load([]byte(source), "-f", "-")
			if err != nil {
				t.Fatal(err)
			}
			lost := jsonTrip(l)
			switch {
			case lost == nil && where != "none":
				t.Errorf("nft's JSON carries it")
			case lost != nil && where == "none":
				t.Errorf("nft's JSON loses it: %v", lost)
			}
			err = scriptTrip(l)
			if where == "always" && err == nil || where != "always" && err != nil {
				t.Errorf("by text: %.3000v", err)
			}
		})
	}
}

// jsonTrip loads the canonical JSON of a listing in another namespace and
// returns what differs in what nft prints there.
func jsonTrip(l listing) error {
	canon, err := nft.Canonical("listing", l.json)
	if err != nil {
		return err
	}
	again, err := load(canon, "-j", "-f", "-")
	if err != nil {
		return err
	}
	if d := cmp.Diff(blocks(string(l.text)), blocks(string(again.text))); d != "" {
		return fmt.Errorf("%s", d)
	}
	return nil
}

// TestJSON counts how much of the corpus nft's JSON carries alone.
func TestJSON(t *testing.T) {
	var lost []string
	all := sources(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		l, err := all[name]()
		if err != nil {
			t.Fatal(err)
		}
		if jsonTrip(l) != nil {
			lost = append(lost, name)
		}
	}
	t.Logf("nft's JSON loses something of %d rulesets of %d: %s", len(lost), len(all), strings.Join(lost, " "))
}
