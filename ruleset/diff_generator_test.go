package ruleset_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	. "github.com/fwc-dev/fwc/ruleset"
)

// generator makes random snapshots and edits of them.
type generator struct{ *rand.Rand }

func (g *generator) snapshot() *Snapshot {
	var tables []Table
	for _, key := range []Table{{Family: IPv4, Backend: NFT, Name: "filter"}, {Family: IPv4, Backend: Legacy, Name: "filter"},
		{Family: IPv6, Backend: NFT, Name: "nat"}, {Family: Inet, Backend: NFT, Name: "own", Native: true}} {
		if g.IntN(4) == 0 {
			continue
		}
		for _, name := range []string{"INPUT", "OUTPUT", "mine", "yours"} {
			if g.IntN(4) == 0 {
				continue
			}
			c := Chain{Name: name, Rules: g.rules(g.IntN(12))}
			if name == strings.ToUpper(name) {
				c.Policy = []string{"ACCEPT", "DROP"}[g.IntN(2)]
				if key.Native {
					c.Hook = fmt.Sprintf("type filter hook input priority %d", g.IntN(2))
				}
			}
			key.Chains = append(key.Chains, c)
		}
		if key.Native {
			key.Flags = []string{"", "dormant"}[g.IntN(2)]
			for i := range g.IntN(3) {
				key.Objects = append(key.Objects, Object{Kind: "set", Name: fmt.Sprint("s", i), Text: fmt.Sprint("size ", g.IntN(2)), Elements: g.members(g.IntN(5))})
			}
		}
		tables = append(tables, key)
	}
	var sets []Set
	for i := range g.IntN(4) {
		s := Set{Name: fmt.Sprint("set", i), Type: []string{"hash:ip", "list:set"}[g.IntN(2)], Options: fmt.Sprint("maxelem ", g.IntN(2)), Members: g.members(g.IntN(8))}
		if s.Type != "list:set" {
			slices.Sort(s.Members)
		}
		sets = append(sets, s)
	}
	var sysctls []Sysctl
	for i := range g.IntN(3) {
		sysctls = append(sysctls, Sysctl{fmt.Sprint("net.k", i), fmt.Sprint(g.IntN(2))})
	}
	return New(nil, tables, sets, sysctls)
}

func (g *generator) rules(n int) []Rule {
	out := make([]Rule, n)
	for i := range out {
		out[i].Text = fmt.Sprintf("-s 10.0.0.%d/32 -p tcp -j %s", g.IntN(6), []string{"ACCEPT", "DROP"}[g.IntN(2)])
	}
	return out
}

func (g *generator) members(n int) []string {
	var out []string
	for range n {
		m := fmt.Sprint("192.0.2.", g.IntN(9))
		if !slices.ContainsFunc(out, func(o string) bool { return strings.HasPrefix(o, m) }) {
			out = append(out, m+[]string{"", " timeout 5"}[g.IntN(2)])
		}
	}
	return out
}

// edited returns a copy with a few rules added, removed and moved.
func (g *generator) edited(s *Snapshot) *Snapshot {
	out := *s
	out.Tables = slices.Clone(s.Tables)
	for i := range out.Tables {
		t := &out.Tables[i]
		t.Chains = slices.Clone(t.Chains)
		for j := range t.Chains {
			r := slices.Clone(t.Chains[j].Rules)
			for range g.IntN(4) {
				switch at := g.IntN(len(r) + 1); {
				case g.IntN(3) == 0 || len(r) == at:
					r = slices.Insert(r, at, g.rules(1)...)
				case g.IntN(2) == 0:
					r = slices.Delete(r, at, at+1)
				default:
					x := r[at]
					r = slices.Delete(r, at, at+1)
					r = slices.Insert(r, g.IntN(len(r)+1), x)
				}
			}
			t.Chains[j].Rules = r
		}
	}
	return &out
}
