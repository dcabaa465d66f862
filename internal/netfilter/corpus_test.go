package netfilter_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// corpusDir finds the dumps of real hosts, which are no part of this
// repository.
func corpusDir(t *testing.T) string {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Skip("the corpus of dumps is not there in CI")
	}
	dir := os.Getenv("FWC_CORPUS")
	if dir == "" {
		wd, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for wd != "/" {
			if _, err := os.Stat(filepath.Join(wd, "go.mod")); err == nil {
				break
			}
			wd = filepath.Dir(wd)
		}
		dir = filepath.Join(wd, "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus of dumps: %v; FWC_CORPUS names its directory", err)
	}
	return dir
}

// loaders load a corpus file by its suffix.
var loaders = map[string][]string{
	".save4":   {"iptables-nft-restore", "iptables-legacy-restore"},
	".save6":   {"ip6tables-nft-restore", "ip6tables-legacy-restore"},
	".arp":     {"arptables-nft-restore"},
	".eb":      {"ebtables-nft-restore"},
	".ipset":   {"ipset restore"},
	".nft":     {"nft -f -"},
	".nftjson": {"nft -j -f -"},
}

var matchSet = regexp.MustCompile(`--(?:match|add|del|map)-set "?([^ "]+)`)

// loss is what the tools do to a file of the corpus, or cannot do.
type loss struct {
	err   string   // of Capture or Load, a part of it; instead of rules, if both are given
	rules []string // that differ: chain and number from 1; "*" for any
}

// known are the real losses of iptables 1.8.9 and nft 1.0.6: nothing else may
// differ.
var known = map[string]loss{
	// A save leaves out an inverted range of everything, and ! -i +.
	"300-assembled-ext-t-v4-loadable.save4/iptables-nft-restore": {rules: []string{"INPUT 20", "INPUT 210", "INPUT 242"}},
	"300-assembled-ext-t-v4-loadable.save4/iptables-legacy-restore": {rules: []string{"FORWARD 6", "INPUT 20", "INPUT 210",
		"INPUT 242", "INPUT 338", "INPUT 342", "INPUT 384", "INPUT 388"}},
	"302-assembled-ext-t-v6-loadable.save6/ip6tables-nft-restore": {rules: []string{"INPUT 20", "INPUT 40", "INPUT 79", "INPUT 96",
		"INPUT 270", "INPUT 302"}},
	"302-assembled-ext-t-v6-loadable.save6/ip6tables-legacy-restore": {rules: []string{"INPUT 20", "INPUT 40", "INPUT 79", "INPUT 96",
		"INPUT 270", "INPUT 302", "INPUT 398", "INPUT 402", "INPUT 444", "INPUT 448"}},
	"304-assembled-ext-t-eb-loadable.eb/ebtables-nft-restore": {err: "ebtables-nft-save: signal: segmentation fault"},
	// ! --h-type is left out, and --h-type saved in decimal is read as hex,
	// which the parser of the dump notices first.
	"305-assembled-ext-t-arp-all.arp/arptables-nft-restore": {err: "does not parse to itself",
		rules: []string{"INPUT 20", "INPUT 21"}},
	"306-assembled-ext-t-arp-loadable.arp/arptables-nft-restore": {err: "does not parse to itself",
		rules: []string{"INPUT 20", "INPUT 21"}},
	// Native rules in a table that is hooked as iptables' own.
	"229-nft-ipt-native.nft/nft":     {rules: []string{"*"}},
	"287-nftj-rs-setmap.nftjson/nft": {err: "Table `nat' is incompatible"},
	// What nft prints neither as JSON nor as text, meta nfproto ahead of an
	// ICMPv6 protocol, and what makes nft -j fail.
	"237-nft-fw4-04_icmp.nft/nft":      {rules: []string{"output 4", "output 5"}},
	"262-nft-t-sample-ruleset.nft/nft": {err: "no json callback"},
}

// Every rule set of the corpus that loads must survive capture and load with
// the kernel's objects unchanged, but for what the tools are known to lose.
func TestCorpusObjects(t *testing.T) {
	dir := corpusDir(t)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var loaded atomic.Int32
	t.Cleanup(func() {
		t.Logf("%d files loaded", loaded.Load())
		if loaded.Load() < 100 {
			t.Error("too few")
		}
	})
	for _, f := range files {
		for _, loader := range loaders[filepath.Ext(f.Name())] {
			text, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if len(text) > 2_000_000 {
				continue // more of the same as another one of 34,000 rules
			}
			name := f.Name() + "/" + strings.Fields(loader)[0]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				loads, ms, err := corpusRoundTrip(t, loader, text)
				if !loads {
					return
				}
				loaded.Add(1)
				want := known[name]
				if err != nil && want.err != "" && strings.Contains(err.Error(), want.err) {
					return
				}
				if err != nil || want.rules == nil && want.err != "" {
					t.Fatalf("got %v, want an error with %q", err, want.err)
				}
				seen := map[string]bool{}
				for _, m := range ms {
					at := fmt.Sprintf("%s %d", m.Chain, m.Rule+1)
					seen[at], seen["*"] = true, true
					if !slices.Contains(want.rules, at) && !slices.Contains(want.rules, "*") {
						t.Error(m)
					}
				}
				for _, at := range want.rules {
					if !seen[at] {
						t.Errorf("the loss at %s was not noticed", at)
					}
				}
			})
		}
	}
}

// corpusRoundTrip loads a file, captures, loads what was captured elsewhere and
// compares. A file that does not load with its own program is passed over.
func corpusRoundTrip(t *testing.T, loader string, text []byte) (loads bool, ms []netfilter.Mismatch, err error) {
	ctx := context.Background()
	inside(t, func() {
		stubSets(loader, text)
		cmd := exec.Command("sh", "-c", loader)
		cmd.Stdin = bytes.NewReader(text)
		if cmd.Run() != nil {
			return
		}
		loads = true
		ms, err = reload(t, ctx)
	})
	return loads, ms, err
}

// stubSets makes the ipsets that rules name, empty.
func stubSets(loader string, text []byte) {
	family := "inet"
	if strings.HasPrefix(loader, "ip6") {
		family = "inet6"
	}
	var names []string
	for _, m := range matchSet.FindAllSubmatch(text, -1) {
		names = append(names, string(m[1]))
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		// One that cannot be made shows when the rules load.
		_ = exec.Command("ipset", "create", n, "hash:net", "family", family).Run()
	}
}
