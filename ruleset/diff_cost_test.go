package ruleset_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	. "github.com/fwc-dev/fwc/ruleset"
)

// shapes are the ways in which a long chain may change that have cost other
// diffs their time.
var shapes = []struct {
	name string
	make func(n int) (old, new []Rule)
}{
	{"one percent edited", func(n int) ([]Rule, []Rule) {
		a := numbered(n, "10.", "ACCEPT")
		b := slices.Clone(a)
		for i := 0; i < n; i += 100 {
			b[i].Text = fmt.Sprintf("-s 172.16.%d.%d/32 -j ACCEPT", i>>8&255, i&255)
		}
		return a, b
	}},
	{"rewrite alike", func(n int) ([]Rule, []Rule) { return numbered(n, "10.", "ACCEPT"), numbered(n, "11.", "ACCEPT") }},
	{"rewrite unlike", func(n int) ([]Rule, []Rule) { return numbered(n, "10.", "ACCEPT"), numbered(n, "11.", "DROP") }},
	{"reversal", func(n int) ([]Rule, []Rule) {
		a := numbered(n, "10.", "ACCEPT")
		b := slices.Clone(a)
		slices.Reverse(b)
		return a, b
	}},
	{"shuffle", func(n int) ([]Rule, []Rule) {
		a := numbered(n, "10.", "ACCEPT")
		b := slices.Clone(a)
		rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { b[i], b[j] = b[j], b[i] })
		return a, b
	}},
	{"one text", func(n int) ([]Rule, []Rule) { return repeated(n, 1, 0), repeated(n-n/10, 1, 0) }},
	{"ten texts shifted", func(n int) ([]Rule, []Rule) { return repeated(n, 10, 0), repeated(n, 10, 3) }},
	{"ten texts reversed", func(n int) ([]Rule, []Rule) {
		a := repeated(n, 10, 0)
		b := slices.Clone(a)
		slices.Reverse(b)
		return a, b
	}},
	{"three texts at random", func(n int) ([]Rule, []Rule) { return drawn(n, 3, 1), drawn(n, 3, 2) }},
	{"logged pairs thinned", func(n int) ([]Rule, []Rule) {
		var a, b []Rule
		for i, r := range numbered(n/2, "10.", "DROP") {
			log := Rule{Text: "-j LOG"}
			a = append(a, log, r)
			if i%7 != 0 {
				b = append(b, log, r)
			}
		}
		return a, b
	}},
}

func numbered(n int, net, target string) []Rule {
	out := make([]Rule, n)
	for i := range out {
		out[i].Text = fmt.Sprintf("-s %s%d.%d.%d/32 -j %s", net, i>>16, i>>8&255, i&255, target)
	}
	return out
}

func repeated(n, texts, shift int) []Rule {
	out := make([]Rule, n)
	for i := range out {
		out[i].Text = fmt.Sprintf("-s 10.0.0.%d/32 -j ACCEPT", (i+shift)%texts)
	}
	return out
}

func drawn(n, texts int, seed uint64) []Rule {
	r := rand.New(rand.NewPCG(seed, seed))
	out := make([]Rule, n)
	for i := range out {
		out[i].Text = fmt.Sprintf("-s 10.0.0.%d/32 -j ACCEPT", r.IntN(texts))
	}
	return out
}

func chained(rules []Rule) *Snapshot {
	return New(nil, []Table{{Family: IPv4, Backend: NFT, Name: "filter", Chains: []Chain{{Name: "INPUT", Policy: "DROP", Rules: rules}}}}, nil, nil)
}

// TestDiffCost holds 20,000 rules to a bound that a quadratic method would
// miss by far, in processor time, since the machine may be busy. The figures
// are in the log.
func TestDiffCost(t *testing.T) {
	for _, s := range shapes {
		a, b := s.make(20_000)
		old, new := chained(a), chained(b)
		wall, start := time.Now(), processorTime(t)
		changes := Diff(old, new)
		took := processorTime(t) - start
		t.Logf("%-24s %6d changes %8.1f ms, %8.1f ms of processor time", s.name, len(changes),
			float64(time.Since(wall).Microseconds())/1000, float64(took.Microseconds())/1000)
		if took > 5*time.Second {
			t.Errorf("%s took %v", s.name, took)
		}
	}
}

// processorTime is what this process has used, in user mode.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano())
}

// TestDiffThinned holds the matching of duplicates to sense: when every
// seventh pair of a log and a drop goes, nothing else moves.
func TestDiffThinned(t *testing.T) {
	a, b := shapes[len(shapes)-1].make(20_000)
	for _, c := range Diff(chained(a), chained(b)) {
		if c.Kind != Removed {
			t.Fatalf("%s: %s → %s", c.Kind, c.Old, c.New)
		}
	}
}

func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000, 20_000, 100_000} {
		for _, s := range shapes {
			x, y := s.make(n)
			old, new := chained(x), chained(y)
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				for b.Loop() {
					Diff(old, new)
				}
			})
		}
	}
}
