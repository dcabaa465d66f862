package packets_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/internal/prove"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

func TestMain(m *testing.M) {
	netns.Main() // the stage in which examples are proved
	os.Exit(m.Run())
}

// TestProveMutations compares random rulesets with what a few changes made of
// them, and sends each region's example through both. FWC_PROVE=N makes it
// N/20 examples; without it the test ends after half a minute.
func TestProveMutations(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of routers")
	}
	want, limit := 300, 25*time.Second
	if s := os.Getenv("FWC_PROVE"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		want, limit = n/20, 24*time.Hour
	}
	// What no random ruleset has shown yet is make prove's to find: it draws a
	// seed. Without it this holds what was found.
	seed := uint64(20)
	if os.Getenv("FWC_PROVE") != "" || os.Getenv("FWC_SEED") != "" {
		seed = packets.SeedOf(t)
	}
	t.Logf("FWC_SEED=%d", seed)
	start := time.Now()
	first, _ := strconv.ParseUint(os.Getenv("FWC_ROUND"), 10, 64)
	proved, unproved, large := 0, 0, 0
	reasons := map[string]int{}
	kinds := map[string]int{}
	for round := first; proved < want && time.Since(start) < limit && !t.Failed(); round++ {
		old, new, texts, err := packets.Mutants(seed, round)
		if err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, texts[0])
		}
		report, err := packets.Diff(context.Background(), old, new, packets.Options{MaxRegions: 12, MaxNodes: 2_000_000})
		if errors.Is(err, packets.ErrTooLarge) {
			large++ // two mutations of one ruleset may be more than a diagram holds
			continue
		}
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if len(report.Regions) == 0 {
			continue
		}
		proofs, err := prove.Regions(context.Background(), old, new, report.Regions)
		if err != nil {
			t.Fatalf("FWC_SEED=%d FWC_ROUND=%d: %v\n%s", seed, round, err, texts[0])
		}
		for i, p := range proofs {
			r := &report.Regions[i]
			switch {
			case p.NotProved != "":
				unproved++
				if reasons[p.NotProved]++; reasons[p.NotProved] == 1 {
					t.Logf("FWC_ROUND=%d: not proved: %s: %s %s of %s", round, p.NotProved, r.Journey, r.Example.State, p.Sent)
				}
				continue
			case !p.Agrees():
				t.Errorf("FWC_SEED=%d FWC_ROUND=%d: %s %s %s: %+v\nregion %s\nexample %+v\nclaimed %s → %s\n%s\n---\n%s", seed, round, r.Journey, r.Change, p.Sent, p,
					r.Words(), r.Example, r.ExampleOld, r.ExampleNew, texts[0], texts[1])
			}
			proved++
			kinds[string(r.Family)]++
			kinds[[]string{"nft", "legacy", "both backends"}[round/2%3]]++ // as Mutants has it
			kinds[string(r.Journey)]++
			kinds[string(r.Change)]++
			kinds[r.Example.State.String()]++
			kinds[string(r.ExampleNew.Verdict)]++
		}
	}
	t.Logf("%d examples agree with the kernels in %s: %v", proved, time.Since(start).Round(time.Millisecond), kinds)
	t.Logf("%d examples (%d %%) could not be proved:", unproved, 100*unproved/max(1, proved+unproved))
	for reason, n := range reasons {
		t.Logf("%5d  %s", n, reason)
	}
	if large > 0 {
		t.Logf("%d comparisons were too large", large)
	}
	if all := proved + unproved; all >= 40 && proved < all*3/4 {
		t.Error("too few examples are proved for the test to show much")
	}
}
