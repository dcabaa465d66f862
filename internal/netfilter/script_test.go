package netfilter_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

func editAll() netfilter.ScriptOptions {
	return netfilter.ScriptOptions{Fate: func(ruleset.Family, string) netfilter.Fate { return netfilter.Edit }}
}

// objects reads the namespace's.
func objects(t *testing.T) *netfilter.State {
	t.Helper()
	s, err := netfilter.Objects(context.Background())
	if err != nil {
		t.Error(err)
		return &netfilter.State{}
	}
	return s
}

// switchTo brings the namespace to a state that was read in another.
func switchTo(t *testing.T, wanted *netfilter.State) (*netfilter.Script, error) {
	t.Helper()
	s, err := objects(t).Script(wanted, editAll())
	if err != nil {
		return nil, err
	}
	return s, s.Send(context.Background())
}

var moving = regexp.MustCompile(`\[[0-9]+:[0-9]+\]|packets [0-9]+ bytes [0-9]+|expires [0-9a-z]+|^# .*`)

// saved is everything the nft tools print, counters aside.
func saved(t *testing.T) string {
	t.Helper()
	out, _ := exec.Command("sh", "-c", `for c in iptables ip6tables arptables ebtables; do $c-nft-save; done; nft list tables | sort |
		grep -Ev ' (ip|ip6|arp|bridge) (raw|mangle|nat|filter|security)$' | while read -r t; do nft list $t; done`).CombinedOutput()
	var kept []string
	for line := range strings.Lines(string(out)) {
		if line = moving.ReplaceAllString(line, ""); strings.TrimSpace(line) != "" {
			kept = append(kept, line)
		}
	}
	slices.Sort(kept) // nft lists chains and sets in the order in which they came
	return strings.Join(kept, "")
}

// TestScriptCorpus brings live firewalls to others, and back, of pairs drawn from
// the corpus. FWC_PAIRS asks for more of them than some.
func TestScriptCorpus(t *testing.T) {
	dir := corpusDir(t)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		if l := loaders[filepath.Ext(f.Name())]; len(l) > 0 && filepath.Ext(f.Name()) != ".ipset" {
			if i, err := f.Info(); err == nil && i.Size() < 300_000 {
				all = append(all, f.Name())
			}
		}
	}
	load := func(name string) bool {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		loader := loaders[filepath.Ext(name)][0]
		stubSets(loader, text)
		cmd := exec.Command("sh", "-c", loader)
		cmd.Stdin = bytes.NewReader(text)
		return cmd.Run() == nil
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	pairs := 50
	if n, err := strconv.Atoi(os.Getenv("FWC_PAIRS")); err == nil {
		pairs = n
	}
	for range pairs {
		name, other := all[rnd.IntN(len(all))], all[rnd.IntN(len(all))]
		t.Run(name+" over "+other, func(t *testing.T) {
			t.Parallel()
			var wanted *netfilter.State
			var text string
			inside(t, func() {
				if load(name) {
					wanted, text = objects(t), saved(t)
				}
			})
			if wanted == nil {
				return
			}
			inside(t, func() {
				if !load(other) {
					load(all[0])
				}
				before, was := objects(t), saved(t)
				// The sets that the wanted rules name, under other indices.
				src, _ := os.ReadFile(filepath.Join(dir, name))
				stubSets(loaders[filepath.Ext(name)][0], src)
				for _, step := range []struct {
					to   *netfilter.State
					text string
				}{{wanted, text}, {before, was}} {
					_, err := switchTo(t, step.to)
					var un *netfilter.UncarriedError
					if errors.As(err, &un) {
						t.Logf("not carried: %v", err)
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					for _, m := range step.to.Diff(objects(t)) {
						if m.Table != "" {
							t.Error(m)
						}
					}
					if diff := cmp.Diff(step.text, saved(t)); diff != "" {
						t.Errorf("the save is another (-want +got):\n%s", diff)
					}
					if again, err := objects(t).Script(step.to, editAll()); err != nil || !again.Empty() {
						t.Errorf("a second time: %d messages, %v", again.Len(), err)
					}
				}
			})
		})
	}
}
