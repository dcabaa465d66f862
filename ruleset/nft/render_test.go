package nft_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

// listed returns the rules of nft's text listing by "family table chain".
func listed(text string) map[string][]string {
	rules := map[string][]string{}
	var table, chain string
	open := false // within an anonymous chain
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "table "):
			table = f[1] + " " + f[2]
		case strings.HasPrefix(line, "\tchain "):
			chain = table + " " + f[1]
			rules[chain] = nil
		case line == "\t}":
			chain = ""
		case chain != "" && strings.HasPrefix(line, "\t\t") && f[0] != "type" && f[0] != "comment":
			if open {
				last := len(rules[chain]) - 1
				rules[chain][last] += map[bool]string{true: " ", false: "; "}[strings.HasSuffix(rules[chain][last], "{")] + strings.Join(f, " ")
			} else {
				rules[chain] = append(rules[chain], strings.TrimSpace(line))
			}
			open = open && line != "\t\t}" || strings.HasSuffix(line, "{")
		}
	}
	return rules
}

// compareRules reports the rules whose Text is not what nft prints.
func compareRules(t *testing.T, l listing, known map[string]string) (same int) {
	t.Helper()
	tables, err := nft.Parse("listing", l.json)
	if err != nil {
		t.Fatal(err)
	}
	want := listed(string(l.text))
	for _, table := range tables {
		for _, c := range table.Chains {
			lines := want[string(table.Family)+" "+table.Name+" "+c.Name]
			texts := texts(c)
			if len(lines) != len(texts) {
				t.Errorf("chain %s: %d rules, nft prints %d", c.Name, len(texts), len(lines))
				continue
			}
			for i := range lines {
				switch {
				case texts[i] == lines[i], sorted(texts[i]) == sorted(lines[i]):
					same++
				case known[lines[i]] == texts[i]:
				default:
					t.Errorf("nft prints\n\t%s\nParse says\n\t%s\n\t%s", lines[i], texts[i], c.Rules[i].Raw)
				}
			}
		}
	}
	return same
}

var braces = regexp.MustCompile(`\{ [^{}]* \}`)

// sorted orders the elements of anonymous sets: nft prints concatenations with
// ranges in the kernel's order.
func sorted(rule string) string {
	return braces.ReplaceAllStringFunc(rule, func(set string) string {
		elems := strings.Split(strings.TrimSuffix(strings.TrimPrefix(set, "{ "), " }"), ", ")
		slices.Sort(elems)
		return "{ " + strings.Join(elems, ", ") + " }"
	})
}

func texts(c ruleset.Chain) []string {
	var out []string
	for _, r := range c.Rules {
		out = append(out, r.Text)
	}
	return out
}

// knownTexts are the rules that nft's JSON does not tell whole.
var knownTexts = map[string]string{
	// The level is missing.
	"socket cgroupv2 level 1 1 accept": "socket cgroupv2 1 accept",
}

func TestStatements(t *testing.T) {
	source, err := os.ReadFile("testdata/statements.nft")
	if err != nil {
		t.Fatal(err)
	}
	l, err := load(source, "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	n := compareRules(t, l, knownTexts)
	t.Logf("%d rules read as nft prints them", n)
}

func TestCorpusText(t *testing.T) {
	dir := corpus(t)
	files := results(t, dir)
	n := 0
	for _, f := range slices.Sorted(func(yield func(string) bool) {
		for f := range files {
			if !yield(f) {
				return
			}
		}
	}) {
		source, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		l, err := load(source, files[f]...)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(f, func(t *testing.T) { n += compareRules(t, l, nil) })
	}
	t.Logf("%d rules read as nft prints them", n)
}
