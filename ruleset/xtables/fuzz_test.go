package xtables_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

var fuzzKinds = []ruleset.Kind{ruleset.IPTables, ruleset.IP6Tables, ruleset.ARPTables, ruleset.EBTables}

// FuzzParse holds that Parse does not panic, that what it accepts it prints
// in a form which it reads as the same, and that each rule's text is its own
// canonical form.
func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			for i := range fuzzKinds {
				f.Add(uint8(i), file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, k uint8, text []byte) {
		kind := fuzzKinds[int(k)%len(fuzzKinds)]
		tables, err := xtables.Parse(kind, ruleset.NFT, "f", text)
		if err != nil {
			return
		}
		once := xtables.Format(tables)
		again, err := xtables.Parse(kind, ruleset.NFT, "once", once)
		if err != nil {
			t.Fatalf("%v\n%s", err, once)
		}
		if twice := xtables.Format(again); !bytes.Equal(once, twice) {
			t.Fatalf("printed:\n%s\nread and printed:\n%s", once, twice)
		}
		for _, table := range tables {
			for _, chain := range table.Chains {
				for _, rule := range chain.Rules {
					spec, err := xtables.ParseRule(kind, rule.Text)
					if err != nil {
						t.Fatalf("%s: %v", rule.Text, err)
					}
					if spec.String() != rule.Text {
						t.Fatalf("%q is the canonical form of %q", spec.String(), rule.Text)
					}
				}
			}
		}
	})
}

// FuzzRule holds that the canonical form of a rule is its own canonical form.
func FuzzRule(f *testing.F) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			for line := range strings.Lines(string(file.Data)) {
				fields := strings.SplitN(strings.TrimSpace(line), " ", 3)
				if len(fields) == 3 && fields[0] == "-A" {
					for i, kind := range fuzzKinds {
						if strings.HasPrefix(filepath.Base(name), string(kind)+"-") {
							f.Add(uint8(i), fields[2])
						}
					}
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, k uint8, text string) {
		kind := fuzzKinds[int(k)%len(fuzzKinds)]
		once, err := xtables.ParseRule(kind, text)
		if err != nil {
			return
		}
		twice, err := xtables.ParseRule(kind, once.String())
		if err != nil {
			t.Fatalf("%q, canonical form of %q: %v", once.String(), text, err)
		}
		if once.String() != twice.String() {
			t.Fatalf("%q becomes %q and then %q", text, once.String(), twice.String())
		}
	})
}

// FuzzWords holds that Words does not panic and that its words are found
// again where they are quoted.
func FuzzWords(f *testing.F) {
	for _, s := range []string{`-A x "a b"`, `"\""`, `a"b"c`, "\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := xtables.Words(line)
		if err != nil || len(words) == 0 {
			return
		}
		option := xtables.Option{Name: "--x", Values: words, Quoting: xtables.Always}
		spec := xtables.Spec{Kind: ruleset.IPTables, Target: xtables.Module{Name: "x", Options: []xtables.Option{option}}}
		again, err := xtables.Words(spec.String())
		if err != nil || len(again) != len(words)+3 {
			t.Fatalf("%q: %q, %v", spec.String(), again, err)
		}
		for i, w := range words {
			if again[i+3] != w {
				t.Fatalf("%q became %q", w, again[i+3])
			}
		}
	})
}
