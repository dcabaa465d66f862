package ci

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestGraphLayout draws random graphs, circles among them: no node may cover
// another, callers stand left of what they call, and nothing is outside.
func TestGraphLayout(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		g := graph{}
		n := 1 + rnd.IntN(mostNodes)
		for range n {
			g.nodes = append(g.nodes, graphNode{width: 60 + rnd.Float64()*120, height: nodeHeight})
		}
		for range rnd.IntN(3 * n) {
			if a, b := rnd.IntN(n), rnd.IntN(n); a != b {
				g.edges = append(g.edges, graphEdge{from: a, to: b})
			}
		}
		g.layout()
		for i, a := range g.nodes {
			if a.x < 0 || a.x+a.width > g.width+0.01 || a.y-a.height/2 < -0.01 || a.y+a.height/2 > g.height+0.01 {
				t.Fatalf("node %d is at %v,%v of %v×%v", i, a.x, a.y, g.width, g.height)
			}
			for j, b := range g.nodes[:i] {
				apart := a.y - b.y
				if apart < 0 {
					apart = -apart
				}
				if a.layer == b.layer && apart < (a.height+b.height)/2+nodeGap-0.01 || a.layer < b.layer && a.x+a.width > b.x {
					t.Fatalf("nodes %d and %d cover each other", i, j)
				}
			}
		}
		back := 0
		for _, e := range g.edges {
			if e.back {
				back++
			} else if g.nodes[e.from].layer >= g.nodes[e.to].layer || len(e.via) != g.nodes[e.to].layer-g.nodes[e.from].layer-1 {
				t.Fatalf("an edge from layer %d to %d over %d bends", g.nodes[e.from].layer, g.nodes[e.to].layer, len(e.via))
			}
		}
		if back == len(g.edges) && back > 0 {
			t.Fatal("every edge closes a circle")
		}
	}
}

// TestWordDiff checks that marks lose no text and mark no word that both share
// at the same place.
func TestWordDiff(t *testing.T) {
	mark := func(list []span) (out string) {
		for _, s := range list {
			if s.differs {
				out += "[" + s.text + "]"
			} else {
				out += s.text
			}
		}
		return out
	}
	for _, test := range []struct{ old, new, wantOld, wantNew string }{
		{"-p tcp --dport 22 -j ACCEPT", "-p tcp --dport 2222 -j ACCEPT", "-p tcp --dport [22] -j ACCEPT", "-p tcp --dport [2222] -j ACCEPT"},
		{"-p tcp -j ACCEPT", "-s 10.0.0.0/8 -p tcp -m limit --limit 5/min -j ACCEPT", "-p tcp -j ACCEPT", "[-s 10.0.0.0/8] -p tcp [-m limit --limit 5/min] -j ACCEPT"},
		{"-j DROP", "-j DROP --x", "-j DROP", "-j DROP [--x]"},
		{"a", "b", "a", "b"},
		{"", "b", "", "b"},
	} {
		a, b, _ := wordDiff(test.old, test.new)
		if mark(a) != test.wantOld || mark(b) != test.wantNew {
			t.Errorf("%q and %q", mark(a), mark(b))
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	text := func(most int) string {
		var list []string
		for range rnd.IntN(most) {
			list = append(list, string(rune('a'+rnd.IntN(5))))
		}
		return strings.Join(list, " ")
	}
	plain := func(list []span) (out string) {
		for _, s := range list {
			out += s.text
		}
		return out
	}
	for range 3000 {
		most := []int{3, 12, 400}[rnd.IntN(3)]
		old, new := text(most), text(most)
		a, b, _ := wordDiff(old, new)
		if plain(a) != old || plain(b) != new {
			t.Fatalf("%q and %q become %q and %q", old, new, mark(a), mark(b))
		}
	}
}

// TestCalls finds what rules may jump to.
func TestCalls(t *testing.T) {
	for text, want := range map[string]string{
		"-j mine": "mine", "-p tcp -j mine": "mine", "-p tcp -g mine": "mine goto", "-x-j mine": "", `-m comment --comment "-j mine"`: "",
		"-j": "", "": "", "j mine": "", "-j LOG --log-prefix x": "",
	} {
		got := ""
		calls(text, false, func(name string, isGoto bool) { got = name + mayBe(isGoto, " goto") })
		if got != want {
			t.Errorf("%q calls %q, not %q", text, got, want)
		}
	}
	var got []string
	calls("tcp dport vmap { 22 : jump ssh, 80 : goto web } ", true, func(name string, isGoto bool) { got = append(got, name+mayBe(isGoto, " goto")) })
	if strings.Join(got, ",") != "ssh,web goto" {
		t.Errorf("%q", got)
	}
}
