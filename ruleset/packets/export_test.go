package packets

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
)

// SeedOf is seedOf for tests from outside.
func SeedOf(t testing.TB) uint64 { return seedOf(t) }

// Mutants are a random ruleset and what a few changes made of it, with their
// texts. The round says which family and backends.
func Mutants(seed, round uint64) (old, new *ruleset.Snapshot, texts [2]string, err error) {
	g := newGenerator(rand.New(rand.NewPCG(seed, round)), round%2 == 1)
	g.atoms, g.loads = g.chance(40), true
	backends := [][]ruleset.Backend{{ruleset.NFT}, {ruleset.Legacy}, {ruleset.NFT, ruleset.Legacy}}[round/2%3]
	_, kind := g.family()
	sets := g.makeSets()
	changedSets := g.alterMembers(sets)
	var dumps [2][]ruleset.Dump
	for i, text := range []string{sets, changedSets} {
		dumps[i] = append(dumps[i], ruleset.Dump{Kind: ruleset.IPSet, Text: []byte(text)})
		texts[i] = text
	}
	for n, b := range backends {
		tables := allTables(g.ruleset(5))
		changed := tables
		if n == 0 {
			changed = g.flipPolicy(g.mutate(g.mutate(tables)))
		}
		for i, list := range [][][]string{tables, changed} {
			text := dumpText(list)
			texts[i] += fmt.Sprintf("# %s\n%s", b, text)
			dumps[i] = append(dumps[i], ruleset.Dump{Kind: kind, Backend: b, Text: []byte(text)})
		}
	}
	if old, err = dumpSnapshot(dumps[0]...); err == nil {
		new, err = dumpSnapshot(dumps[1]...)
	}
	return old, new, texts, err
}

// alterMembers takes members out of sets, sometimes.
func (g *generator) alterMembers(sets string) string {
	if !g.chance(30) {
		return sets
	}
	lines := slices.DeleteFunc(strings.SplitAfter(sets, "\n"), func(l string) bool { return strings.HasPrefix(l, "add ") && g.chance(20) })
	return strings.Join(lines, "")
}

// flipPolicy turns a policy, sometimes.
func (g *generator) flipPolicy(tables [][]string) [][]string {
	if !g.chance(25) {
		return tables
	}
	t := g.IntN(len(tables))
	if tables[t][0] == "*nat" {
		return tables
	}
	for i, l := range tables[t] {
		switch {
		case !g.chance(30):
		case strings.HasSuffix(l, " ACCEPT [0:0]"):
			tables[t][i] = strings.Replace(l, "ACCEPT", "DROP", 1)
			return tables
		case strings.HasSuffix(l, " DROP [0:0]"):
			tables[t][i] = strings.Replace(l, "DROP", "ACCEPT", 1)
			return tables
		}
	}
	return tables
}
