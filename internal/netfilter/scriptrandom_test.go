package netfilter_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// draft is a ruleset of one table as lists of rules by chain.
type draft struct {
	policy map[string]string
	chains []string
	rules  map[string][]string
}

func (d *draft) text() string {
	var b strings.Builder
	b.WriteString("*filter\n")
	for _, c := range []string{"INPUT", "FORWARD", "OUTPUT"} {
		fmt.Fprintf(&b, ":%s %s [0:0]\n", c, d.policy[c])
	}
	for _, c := range d.chains {
		fmt.Fprintf(&b, ":%s - [0:0]\n", c)
	}
	for _, c := range append([]string{"INPUT", "FORWARD", "OUTPUT"}, d.chains...) {
		for _, r := range d.rules[c] {
			fmt.Fprintf(&b, "-A %s %s\n", c, r)
		}
	}
	return b.String() + "COMMIT\n"
}

// extensionRules returns n rules of the extensions in the corpus that any chain of
// the filter table can hold, drawn at random.
func extensionRules(t *testing.T, rnd *rand.Rand, n int) (rules []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(corpusDir(t), "300-assembled-ext-t-v4-loadable.save4"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "-A FORWARD "); ok {
			all = append(all, strings.TrimSpace(rest))
		}
		if rest, ok := strings.CutPrefix(line, "-A INPUT "); ok {
			all = append(all, strings.TrimSpace(rest))
		}
	}
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	inside(t, func() {
		for _, r := range all { // some are for one chain only, or need a set
			var b strings.Builder
			for _, c := range []string{"INPUT", "FORWARD", "OUTPUT"} {
				b.WriteString("-A " + c + " " + r + "\n")
			}
			cmd := exec.Command("iptables-nft-restore")
			cmd.Stdin = strings.NewReader("*filter\n" + b.String() + "COMMIT\n")
			if cmd.Run() == nil {
				if rules = append(rules, r); len(rules) == n {
					break
				}
			}
		}
	})
	if len(rules) < n {
		t.Fatalf("%d rules", len(rules))
	}
	return rules
}

// mutate changes a ruleset in n places and returns about how many rules that
// touches.
func (d *draft) mutate(rnd *rand.Rand, pool []string, n int) *draft {
	out := &draft{policy: map[string]string{}, chains: slices.Clone(d.chains), rules: map[string][]string{}}
	for k, v := range d.policy {
		out.policy[k] = v
	}
	for k, v := range d.rules {
		out.rules[k] = slices.Clone(v)
	}
	for range n {
		all := append([]string{"INPUT", "FORWARD", "OUTPUT"}, out.chains...)
		c := all[rnd.IntN(len(all))]
		list := out.rules[c]
		switch rnd.IntN(7) {
		case 0, 1:
			out.rules[c] = slices.Insert(list, rnd.IntN(len(list)+1), pool[rnd.IntN(len(pool))])
		case 2:
			if len(list) > 0 {
				i := rnd.IntN(len(list))
				out.rules[c] = slices.Delete(list, i, i+1)
			}
		case 3: // moves
			if len(list) > 1 {
				i := rnd.IntN(len(list))
				r := list[i]
				list = slices.Delete(list, i, i+1)
				out.rules[c] = slices.Insert(list, rnd.IntN(len(list)+1), r)
			}
		case 4:
			h := []string{"INPUT", "FORWARD", "OUTPUT"}[rnd.IntN(3)]
			out.policy[h] = []string{"ACCEPT", "DROP"}[rnd.IntN(2)]
		case 5: // a chain comes, with a jump
			name := fmt.Sprintf("c%d", rnd.IntN(1000))
			if !slices.Contains(out.chains, name) {
				out.chains = append(out.chains, name)
				out.rules[name] = []string{pool[rnd.IntN(len(pool))], pool[rnd.IntN(len(pool))]}
				out.rules["INPUT"] = slices.Insert(out.rules["INPUT"], rnd.IntN(len(out.rules["INPUT"])+1), "-j "+name)
			}
		case 6: // a chain goes, with its jumps
			if len(out.chains) > 0 {
				i := rnd.IntN(len(out.chains))
				name := out.chains[i]
				out.chains = slices.Delete(out.chains, i, i+1)
				delete(out.rules, name)
				for k := range out.rules {
					out.rules[k] = slices.DeleteFunc(out.rules[k], func(r string) bool { return r == "-j "+name })
				}
			}
		}
	}
	return out
}

// TestScriptRandom edits random rulesets of every extension at random: what the
// kernel has then is what a restore of the whole makes, and the script is not
// longer than the edit.
func TestScriptRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	pool := extensionRules(t, rnd, 150)
	d := &draft{policy: map[string]string{"INPUT": "ACCEPT", "FORWARD": "ACCEPT", "OUTPUT": "ACCEPT"}, rules: map[string][]string{}}
	d = d.mutate(rnd, pool, 300)
	inside(t, func() {
		restore(t, d.text())
		for range 20 {
			n := 1 + rnd.IntN(12)
			next := d.mutate(rnd, pool, n)
			var wanted *netfilter.State
			var text string
			inside(t, func() {
				restore(t, next.text())
				wanted, text = objects(t), saved(t)
			})
			s, err := switchTo(t, wanted)
			if err != nil {
				t.Error(err, "\nfrom\n", d.text(), "\nto\n", next.text())
				return
			}
			for _, m := range wanted.Diff(objects(t)) {
				t.Error(m)
			}
			if diff := cmp.Diff(text, saved(t)); diff != "" {
				t.Errorf("the save is another (-want +got):\n%s", diff)
			}
			// An edit is at most a chain with two rules and what jumps to it; one
			// that goes may have gathered rules.
			if most := 5*n + d.in(d.chains) - next.in(d.chains); s.Len() > most {
				t.Errorf("%d messages for %d edits: %+v", s.Len(), n, s)
			}
			d = next
		}
	})
}

// in counts the rules of those chains.
func (d *draft) in(chains []string) (n int) {
	for _, c := range chains {
		n += len(d.rules[c])
	}
	return n
}

func restore(t *testing.T, text string) {
	t.Helper()
	cmd := exec.Command("iptables-nft-restore")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
