package ruleset_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	. "github.com/fwc-dev/fwc/ruleset"
)

// TestDiffApplies makes random snapshots and edits of them, and holds Diff to
// its word: the changes applied to the old snapshot give the new one, and the
// fewest possible rules have moved.
func TestDiffApplies(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	g := &generator{rand.New(rand.NewPCG(seed, 1))}
	for n := range 3000 {
		old := g.snapshot()
		new := g.snapshot()
		if n%4 != 0 {
			new = g.edited(old)
		}
		changes := Diff(old, new)
		if d := cmp.Diff(picture(new), patched(old, changes), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("round %d (-new +patched)\n%s\n%v", n, d, briefs(changes))
		}
		if again := Diff(old, new); !cmp.Equal(changes, again) {
			t.Fatalf("round %d: not deterministic", n)
		}
		least(t, old, new, changes)
	}
}

// pictured is a snapshot as a map, without what has no meaning.
type pictured = map[string]any

func tableName(family Family, backend Backend, name string, native bool) string {
	return fmt.Sprint("table ", family, " ", backend, " ", name, " ", native)
}

func picture(s *Snapshot) pictured {
	p := pictured{}
	for _, t := range s.Tables {
		k := tableName(t.Family, t.Backend, t.Name, t.Native)
		p[k] = t.Flags
		for _, c := range t.Chains {
			p[k+" chain "+c.Name] = c.Declaration(t.Native)
			p[k+" chain "+c.Name+" rules"] = texts(c.Rules)
		}
		for _, o := range t.Objects {
			p[k+" object "+o.Kind+" "+o.Name] = o.Text
			p[k+" object "+o.Kind+" "+o.Name+" elements"] = sorted(o.Elements)
		}
	}
	for _, e := range s.Sets {
		p["set "+e.Name] = e.Type + " " + e.Options
		p["set "+e.Name+" members"] = slices.Clone(e.Members)
		if e.Type != "list:set" {
			p["set "+e.Name+" members"] = sorted(e.Members)
		}
	}
	for _, y := range s.Sysctls {
		p["sysctl "+y.Key] = y.Value
	}
	return p
}

func texts(rules []Rule) []string {
	out := []string{}
	for _, r := range rules {
		out = append(out, r.Text)
	}
	return out
}

func sorted(in []string) []string {
	out := slices.Sorted(slices.Values(in))
	return out
}

// patched applies the changes to a picture of old, by what they say alone.
func patched(old *Snapshot, changes []Change) pictured {
	p := picture(old)
	orders := map[string][]Change{}
	set := func(key, new string, c Change) {
		if c.Kind == Removed {
			delete(p, key)
			return
		}
		p[key] = new
	}
	for _, c := range changes {
		k := tableName(c.Family, c.Backend, c.Table, c.Native)
		switch c.Subject {
		case SubjectTable:
			set(k, "", c)
		case SubjectFlags:
			if _, ok := p[k]; ok {
				p[k] = c.New
			}
		case SubjectObject:
			set(k+" object "+c.Object, c.New, c)
			orders[k+" object "+c.Object+" elements"] = nil
		case SubjectElement:
			orders[k+" object "+c.Object+" elements"] = append(orders[k+" object "+c.Object+" elements"], c)
		case SubjectChain:
			set(k+" chain "+c.Chain, c.New, c)
			orders[k+" chain "+c.Chain+" rules"] = nil
		case SubjectHook:
			key := k + " chain " + c.Chain
			p[key] = strings.Replace(p[key].(string), c.Old, c.New, 1)
		case SubjectPolicy:
			key := k + " chain " + c.Chain
			p[key] = strings.Replace(p[key].(string), c.Old, c.New, 1)
		case SubjectRule:
			orders[k+" chain "+c.Chain+" rules"] = append(orders[k+" chain "+c.Chain+" rules"], c)
		case SubjectSet:
			set("set "+c.Object, c.New, c)
			orders["set "+c.Object+" members"] = nil
		case SubjectMember:
			orders["set "+c.Object+" members"] = append(orders["set "+c.Object+" members"], c)
		case SubjectSysctl:
			set("sysctl "+c.Object, c.New, c)
		}
	}
	for key, list := range orders {
		owner := key[:strings.LastIndex(key, " ")]
		if _, ok := p[owner]; !ok {
			delete(p, key)
			continue
		}
		was, _ := p[key].([]string)
		p[key] = reordered(was, list)
		if decl, _ := p[owner].(string); !strings.HasPrefix(decl, "list:set") && !strings.HasSuffix(key, " rules") {
			p[key] = sorted(p[key].([]string))
		}
	}
	return p
}

// reordered applies changes to a list: by index where they have one, by text
// where they do not.
func reordered(was []string, changes []Change) []string {
	gone := map[int]bool{}
	place := map[int]string{}
	var more []string
	for _, c := range changes {
		switch {
		case c.OldIndex > 0:
			gone[c.OldIndex-1] = true
		case c.Old != "":
			gone[slices.Index(was, c.Old)] = true
		}
		switch {
		case c.NewIndex > 0:
			place[c.NewIndex-1] = c.New
		case c.New != "":
			more = append(more, c.New)
		}
	}
	out := []string{}
	rest := slices.Clone(was)
	i := 0
	for n := 0; ; n++ {
		if text, ok := place[n]; ok {
			out = append(out, text)
			delete(place, n)
			continue
		}
		for i < len(rest) && gone[i] {
			i++
		}
		if i >= len(rest) {
			break
		}
		out = append(out, rest[i])
		i++
	}
	if len(place) > 0 {
		out = append(out, fmt.Sprint("places out of reach: ", place))
	}
	return append(out, more...)
}

// least checks by the quadratic textbook method that a longest common
// subsequence of each chain stays, and that what both sides have is never
// reported as removed and added.
func least(t *testing.T, old, new *Snapshot, changes []Change) {
	t.Helper()
	for _, b := range new.Tables {
		a := old.Table(b.Backend, b.Family, b.Name)
		if a == nil {
			continue
		}
		for _, c := range b.Chains {
			o := a.Chain(c.Name)
			if o == nil {
				continue
			}
			x, y := texts(o.Rules), texts(c.Rules)
			moved, count := 0, map[string]int{}
			for _, ch := range changes {
				if ch.Table != b.Name || ch.Family != b.Family || ch.Backend != b.Backend || ch.Chain != c.Name || ch.Subject != SubjectRule {
					continue
				}
				if ch.Kind == Moved {
					moved++
					continue
				}
				if ch.Old != "" {
					count[ch.Old] |= 1
				}
				if ch.New != "" {
					count[ch.New] |= 2
				}
			}
			both := 0
			for text, n := range count {
				if n == 3 {
					t.Fatalf("%s is removed and added", text)
				}
			}
			rest := slices.Clone(y)
			for _, r := range x {
				if i := slices.Index(rest, r); i >= 0 {
					rest = slices.Delete(rest, i, i+1)
					both++
				}
			}
			if want := both - textbook(x, y); moved != want {
				t.Fatalf("%d rules moved, %d would do:\n%q\n%q", moved, want, x, y)
			}
		}
	}
}

func textbook(x, y []string) int {
	row := make([]int, len(y)+1)
	for _, a := range x {
		diagonal := 0
		for j, b := range y {
			above := row[j+1]
			if a == b {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(row[j+1], row[j])
			}
			diagonal = above
		}
	}
	return row[len(y)]
}
