package packets

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// exact are the matches of which no rule may hold an unknown.
var exact = []string{"-m tcp", "-m udp", "-m multiport", "-m icmp", "-m icmp6", "-m mark", "-m connmark", "-m state", "-m iprange",
	"-m set", "-m mac", "-m ttl", "-m hl", "-m length", "-m tos", "-m dscp", "-m pkttype"}

// TestCorpus makes a packet space of every dump of a corpus of real ones. What
// packet space knows of must not be an unknown in any of them, taking a rule
// away must make a difference that comes out in time, and so must lint.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("FWC_CORPUS")
	if dir == "" {
		t.Skip("the corpus of real dumps is not part of the repository: set FWC_CORPUS")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.save[46]"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dumps in %s: %v", dir, err)
	}
	var rules, unknown, dumps int
	kinds := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := ruleset.Dump{Kind: ruleset.IPTables, Backend: ruleset.NFT, Text: text}
		family := ruleset.IPv4
		if strings.HasSuffix(file, "6") {
			d.Kind, family = ruleset.IP6Tables, ruleset.IPv6
		}
		s, err := dump.Snapshot([]ruleset.Dump{d})
		var syntax *ruleset.SyntaxError
		if errors.As(err, &syntax) {
			continue // the corpus holds what iptables refuses, too
		}
		if err != nil {
			t.Fatal(err)
		}
		if s.Dump(d.Kind, d.Backend) == nil {
			continue // nothing in it
		}
		space, err := New(s, family)
		var loop *LoopError
		if errors.As(err, &loop) {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		dumps++
		n, k := space.Rules()
		rules, unknown = rules+n, unknown+k
		for _, a := range space.Atoms() {
			word := a.Text
			if f := strings.Fields(a.Text); len(f) > 1 {
				word = f[0] + " " + f[1]
			}
			kinds[word]++
			if slices.Contains(exact, word) && !strings.Contains(a.Text, "no such set") && !strings.Contains(a.Text, "not followed") && !strings.Contains(a.Text, "--tcp-option") {
				t.Errorf("%s: %s is an unknown", filepath.Base(file), a)
			}
		}
		if n > 5000 {
			// Every combination of one generator's features, each with a limit.
			rules, unknown = rules-n, unknown-k
			continue
		}
		// Without its sets a dump is made of unknowns.
		setless := slices.ContainsFunc(space.Atoms(), func(a Atom) bool { return strings.Contains(a.Text, "no such set") })
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		start := time.Now()
		if found, err := Lint(ctx, s, Options{}); err != nil || len(found.Unseen) > 0 && !setless {
			t.Errorf("lint %s: %v %v", filepath.Base(file), err, found)
		}
		if _, err := Diff(ctx, s, thinned(t, s, d.Kind), Options{}); err != nil && !(setless && errors.Is(err, ErrTooLarge)) {
			t.Errorf("diff %s: %v", filepath.Base(file), err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Logf("%s: %s", filepath.Base(file), took)
		}
		cancel()
	}
	t.Logf("%d dumps, %d rules, of which %d hold an unknown (%.1f %%): %v", dumps, rules, unknown, 100*float64(unknown)/float64(rules), kinds)
}

// thinned is the snapshot without every tenth rule, the first among them.
func thinned(t *testing.T, s *ruleset.Snapshot, kind ruleset.Kind) *ruleset.Snapshot {
	t.Helper()
	var b strings.Builder
	n := 0
	for line := range strings.Lines(string(s.Dump(kind, ruleset.NFT).Text)) {
		if strings.HasPrefix(line, "-A ") {
			if n++; n%10 == 1 {
				continue
			}
		}
		b.WriteString(line)
	}
	return snapshot(t, kind, b.String())
}
