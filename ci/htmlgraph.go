package ci

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// pageGraph is the chains of one table as a drawing.
type pageGraph struct {
	Name, Kind, Note string
	Width, Height    string
	Nodes            []pageNode
	Edges            []pageEdge
}

type pageNode struct {
	ID, Name, About, Label     string
	X, Y, Width, Height        string
	TextX, NameY, AboutY       string
	CountX                     string
	Counts                     []pageCount
	Changed, Fresh, Gone, Base bool
}

type pageEdge struct {
	Path, Class  string
	Sign         string
	SignX, SignY string
}

const (
	mostNodes  = 60   // of a graph
	mostGraphs = 12   // of a page
	mostCells  = 26   // of a chain's name
	nameCell   = 7.3  // width of a character at 12 px
	aboutCell  = 5.7  // at 10.5 px
	nodeHeight = 42.0 //
	margin     = 6.0
)

// graphs draws the tables in which chains call one another and something
// changed.
func (r *Report) graphs(ids map[where]string) (out []pageGraph, undrawn string) {
	counts, policies := r.changesByChain()
	left := 0
	for i := range r.Chart {
		t := &r.Chart[i]
		lit := make([]bool, len(t.Chains))
		any, jumps := false, 0
		for j := range t.Chains {
			lit[j] = counts[t.place(t.Chains[j].Name)].total() > 0
			any = any || lit[j]
			jumps += len(t.Chains[j].Jumps)
		}
		switch {
		case !any || jumps == 0:
		case len(out) == mostGraphs:
			left++
		default:
			out = append(out, t.draw(lit, counts, policies, ids))
		}
	}
	if left > 0 {
		undrawn = fmt.Sprintf("%s more tables are not drawn.", grouped(left))
	}
	return out, undrawn
}

// draw lays out the changed chains with those that lead to them and those next
// to them, and with all others where there is room.
func (t *ChartTable) draw(lit []bool, counts map[where]Counts, policies map[where]*Item, ids map[where]string) pageGraph {
	name, kind := titleOf(&Item{Family: t.Family, Backend: t.Backend, Table: t.Table, Native: t.Native})
	keep, left := t.worthDrawing(lit)
	g := graph{}
	index := map[int]int{}
	for _, i := range keep {
		c := &t.Chains[i]
		index[i] = len(g.nodes)
		n := pageNode{Name: shown(c.Name, mostCells), About: aboutChain(c, policies[t.place(c.Name)])}
		width := float64(cells(n.Name)) * nameCell
		for _, k := range pageCounts(counts[t.place(c.Name)]) {
			width += float64(len(k.Count)+1)*7 + 7
		}
		g.nodes = append(g.nodes, graphNode{width: max(width, float64(utf8.RuneCountInString(n.About))*aboutCell, 64) + 26, height: nodeHeight, rank: rankOf(c, i)})
	}
	for _, i := range keep {
		for _, j := range t.Chains[i].Jumps {
			if to, ok := index[j.To]; ok && j.To != i {
				g.edges = append(g.edges, graphEdge{from: index[i], to: to})
			}
		}
	}
	g.layout()
	out := pageGraph{Name: shown(name, mostName), Kind: shown(kind, mostName), Width: px(g.width + 2*margin), Height: px(g.height + 2*margin)}
	if left > 0 {
		out.Note = fmt.Sprintf("%s unchanged %s not drawn.", grouped(left), plural(left, "chain is", "chains are"))
	}
	at := 0
	for _, i := range keep {
		for _, j := range t.Chains[i].Jumps {
			if _, ok := index[j.To]; ok && j.To != i {
				out.Edges = append(out.Edges, g.edge(&g.edges[at], j))
				at++
			}
		}
	}
	for k, i := range keep {
		c := &t.Chains[i]
		n := g.nodes[k]
		own := counts[t.place(c.Name)]
		x := pageNode{ID: ids[t.place(c.Name)], Name: shown(c.Name, mostCells), About: aboutChain(c, policies[t.place(c.Name)]),
			Counts: pageCounts(own), Changed: lit[i], Fresh: !c.Old, Gone: !c.New, Base: c.Policy != "" || c.Hook != "",
			X: px(n.x + margin), Y: px(n.y - n.height/2 + margin), Width: px(n.width), Height: px(n.height),
			TextX: px(n.x + margin + 12), NameY: px(n.y + margin - 3), AboutY: px(n.y + margin + 13), CountX: px(n.x + margin + n.width - 11)}
		x.Label = "chain " + shown(c.Name, mostName)
		if own.total() > 0 {
			x.Label += ", " + countWords(own)
		}
		out.Nodes = append(out.Nodes, x)
	}
	return out
}

// rankOf orders the chains that nobody calls: hooks first, as packets meet
// them.
func rankOf(c *ChartChain, i int) int {
	if at := slices.Index(hooks, c.Name); at >= 0 && c.Policy != "" {
		return at
	}
	return len(hooks) + i
}

// worthDrawing returns the chains to draw, in the table's order, and how many
// are left out.
func (t *ChartTable) worthDrawing(lit []bool) (keep []int, left int) {
	callers := make([][]int, len(t.Chains))
	joined := make([]bool, len(t.Chains))
	for i := range t.Chains {
		for _, j := range t.Chains[i].Jumps {
			callers[j.To] = append(callers[j.To], i)
			joined[i], joined[j.To] = true, true
		}
	}
	chosen := make([]bool, len(t.Chains))
	n := 0
	choose := func(i int) {
		if !chosen[i] && n < mostNodes && (joined[i] || lit[i]) {
			chosen[i] = true
			n++
		}
	}
	for i := range t.Chains {
		if lit[i] {
			choose(i)
		}
	}
	// The ways that lead to them, then what is next to them, then the rest.
	for again := true; again; {
		again = false
		for i := range t.Chains {
			if chosen[i] {
				for _, c := range callers[i] {
					before := n
					choose(c)
					again = again || n > before
				}
			}
		}
	}
	for i := range t.Chains {
		if lit[i] {
			for _, j := range t.Chains[i].Jumps {
				choose(j.To)
			}
		}
	}
	for i := range t.Chains {
		choose(i)
	}
	for i := range t.Chains {
		if chosen[i] {
			keep = append(keep, i)
		}
	}
	return keep, len(t.Chains) - len(keep)
}

func aboutChain(c *ChartChain, policy *Item) string {
	s := ""
	if policy != nil {
		s = shown(policy.Old+" → "+policy.New, 24) + " · "
	} else if c.Policy != "" {
		s = shown(c.Policy, 12) + " · "
	}
	switch {
	case !c.New:
		return s + "removed"
	case !c.Old:
		s += "new · "
	}
	return s + ruleWords(c)
}

// edge is the way of a call, through its bends.
func (g *graph) edge(e *graphEdge, j Jump) pageEdge {
	from, to := g.nodes[e.from], g.nodes[e.to]
	x, y := from.x+from.width+margin, from.y+margin
	path := fmt.Sprintf("M%s %s", px(x), px(y))
	curve := func(toX, toY float64) {
		middle := px((x + toX) / 2)
		path += fmt.Sprintf("C%s %s %s %s %s %s", middle, px(y), middle, px(toY), px(toX), px(toY))
		x, y = toX, toY
	}
	out := pageEdge{Class: "same"}
	switch {
	case !j.Old:
		out.Class, out.Sign = "fresh", "+"
	case !j.New:
		out.Class, out.Sign = "gone", "−"
	}
	if j.Goto {
		out.Class += " goto"
	}
	if e.back {
		path += fmt.Sprintf("q30 0 30 %s", px((to.y-from.y)/2))
		path += fmt.Sprintf("T%s %s", px(to.x+to.width+margin), px(to.y+margin))
		out.Path = path
		return out
	}
	for _, v := range e.via {
		n := g.nodes[v]
		curve(n.x+margin, n.y+margin)
		path += "H" + px(n.x+n.width+margin)
		x = n.x + n.width + margin
	}
	out.SignX, out.SignY = px((x+to.x+margin)/2), px((y+to.y+margin)/2)
	curve(to.x+margin-5, to.y+margin)
	out.Path = path
	return out
}

// px is a length with one decimal at most.
func px(f float64) string {
	s := fmt.Sprintf("%.1f", f)
	if n := len(s) - 2; s[n:] == ".0" {
		s = s[:n]
	}
	return s
}

// cells is about how wide a text is in characters: those of East Asia take
// two.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x1100 {
			n++
		}
	}
	return n
}
