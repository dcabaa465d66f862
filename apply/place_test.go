package apply

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// Rules of these tests are letters; capitals are foreign.
func letters(s string) (out []ruleset.Rule) {
	for _, r := range s {
		out = append(out, ruleset.Rule{Text: string(r)})
	}
	return out
}

func spelt(rules []ruleset.Rule) string {
	var b strings.Builder
	for _, r := range rules {
		b.WriteString(r.Text)
	}
	return b.String()
}

func placed(ours, live string) string {
	rules := letters(live)
	known := make([]bool, len(rules))
	var kept []int
	for i, r := range rules {
		known[i] = strings.ToLower(r.Text) == r.Text
		if !known[i] {
			kept = append(kept, i)
		}
	}
	return spelt(place(letters(ours), rules, known, kept))
}

func TestPlace(t *testing.T) {
	for _, tt := range []struct{ name, ours, live, want string }{
		{"none kept", "abc", "ab", "abc"},
		{"first stays first", "abc", "Xab", "Xabc"},
		{"last stays last", "abc", "abX", "abcX"},
		{"between stays behind its rule", "abcd", "aXcd", "aXbcd"},
		{"none of ours yet", "ab", "XY", "XYab"},
		{"none of ours any more", "", "aXbY", "XY"},
		{"all three", "abc", "XaYcZ", "XaYbcZ"},
		{"its rule is gone", "bc", "aXbc", "Xbc"},
		{"ours moved", "bca", "aXbc", "Xbca"},
		{"copies", "aab", "aXab", "aXab"},
	} {
		if got := placed(tt.ours, tt.live); got != tt.want {
			t.Errorf("%s: %s into %s gives %s, want %s", tt.name, tt.live, tt.ours, got, tt.want)
		}
	}
}

// TestPlaceKeepsOrder holds random merges to what any merge must do: all of
// ours in order, all of the foreign rules in order, and nothing moved where
// ours did not change.
func TestPlaceKeepsOrder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	random := func(alphabet string) string {
		b := make([]byte, rnd.IntN(12))
		for i := range b {
			b[i] = alphabet[rnd.IntN(len(alphabet))]
		}
		return string(b)
	}
	pick := func(s string, upper bool) string {
		return strings.Map(func(r rune) rune {
			if (r <= 'Z') != upper {
				return -1
			}
			return r
		}, s)
	}
	for range 5000 {
		ours, live := random("abcde"), random("abcdeXYZ")
		got := placed(ours, live)
		if pick(got, false) != ours {
			t.Fatalf("%s into %s gives %s: ours are not in order", live, ours, got)
		}
		if pick(got, true) != pick(live, true) {
			t.Fatalf("%s into %s gives %s: foreign rules are not in order", live, ours, got)
		}
		if same := placed(pick(live, false), live); same != live {
			t.Fatalf("%s into itself gives %s", live, same)
		}
	}
}

func BenchmarkPlace(b *testing.B) {
	for _, n := range []int{100, 5000, 20000} {
		b.Run(count(n, "rule"), func(b *testing.B) {
			ours := make([]ruleset.Rule, n)
			for i := range ours {
				ours[i].Text = strings.Repeat("x", i%7) + string(rune('a'+i%26)) + count(i, "")
			}
			live := slices.Concat(ours[:n/2], letters("XYZ"), ours[n/2:])
			known := make([]bool, len(live))
			for i := range known {
				known[i] = i < n/2 || i >= n/2+3
			}
			for b.Loop() {
				place(ours, live, known, []int{n / 2, n/2 + 1, n/2 + 2})
			}
		})
	}
}
