package ci

import (
	"cmp"
	"slices"
)

// graph is a layered drawing of nodes, the callers on the left.
type graph struct {
	nodes []graphNode
	edges []graphEdge
	// width and height hold all nodes.
	width, height float64
}

type graphNode struct {
	width, height float64
	rank          int // order among those that nobody calls
	// What layout finds: the middle of the left side, and the layer.
	x, y  float64
	layer int
	bend  bool // of an edge, no node of the caller's
	order float64
}

type graphEdge struct {
	from, to int
	// via are the bends on the way, as nodes of the graph.
	via []int
	// back says that the edge closes a circle, which no kernel loads but a
	// file may hold.
	back bool
}

const (
	nodeGap  = 14.0
	layerGap = 64.0
	bendSize = 8.0
)

// layout places the nodes: layers by the longest way from a node that nobody
// calls, order within them by their neighbours (Sugiyama, Tagawa and Toda,
// 1981), and height near those that they are joined to.
func (g *graph) layout() {
	g.layers()
	g.bends()
	layers := g.sorted()
	g.place(layers)
}

// layers finds the layer of each node and marks the edges that close circles.
func (g *graph) layers() {
	out := make([][]int, len(g.nodes))
	called := make([]bool, len(g.nodes))
	for i, e := range g.edges {
		out[e.from] = append(out[e.from], i)
		called[e.to] = called[e.to] || e.from != e.to
	}
	state := make([]byte, len(g.nodes)) // 1 on the way here, 2 done
	var finished []int
	var visit func(n int)
	visit = func(n int) {
		state[n] = 1
		for _, i := range out[n] {
			switch to := g.edges[i].to; state[to] {
			case 0:
				visit(to)
			case 1:
				g.edges[i].back = true
			}
		}
		state[n] = 2
		finished = append(finished, n)
	}
	for _, roots := range []bool{true, false} {
		for n := range g.nodes {
			if state[n] == 0 && called[n] != roots {
				visit(n)
			}
		}
	}
	slices.Reverse(finished)
	for _, n := range finished {
		for _, i := range out[n] {
			if e := g.edges[i]; !e.back {
				g.nodes[e.to].layer = max(g.nodes[e.to].layer, g.nodes[n].layer+1)
			}
		}
	}
}

// bends gives each edge that leaps over layers a small node in each.
func (g *graph) bends() {
	for i := range g.edges {
		e := &g.edges[i]
		for l := g.nodes[e.from].layer + 1; !e.back && l < g.nodes[e.to].layer; l++ {
			e.via = append(e.via, len(g.nodes))
			g.nodes = append(g.nodes, graphNode{height: bendSize, layer: l, bend: true})
		}
	}
}

// hops calls f for each pair of nodes of neighbouring layers that are joined.
func (g *graph) hops(f func(from, to int)) {
	for _, e := range g.edges {
		if e.back {
			continue
		}
		at := e.from
		for _, v := range e.via {
			f(at, v)
			at = v
		}
		f(at, e.to)
	}
}

// sorted returns the nodes of each layer from top to bottom.
func (g *graph) sorted() [][]int {
	var layers [][]int
	for n := range g.nodes {
		for len(layers) <= g.nodes[n].layer {
			layers = append(layers, nil)
		}
		layers[g.nodes[n].layer] = append(layers[g.nodes[n].layer], n)
	}
	if len(layers) == 0 {
		return nil
	}
	slices.SortStableFunc(layers[0], func(a, b int) int { return cmp.Compare(g.nodes[a].rank, g.nodes[b].rank) })
	before, after := g.neighbours()
	number := func(layer []int) {
		for i, n := range layer {
			g.nodes[n].order = float64(i)
		}
	}
	for _, layer := range layers {
		number(layer)
	}
	sort := func(layer []int, near [][]int) {
		key := map[int]float64{}
		for _, n := range layer {
			key[n] = g.mean(near[n], g.nodes[n].order, func(m int) float64 { return g.nodes[m].order })
		}
		slices.SortStableFunc(layer, func(a, b int) int { return cmp.Compare(key[a], key[b]) })
		number(layer)
	}
	for range 6 {
		for _, layer := range layers[1:] {
			sort(layer, before)
		}
		for i := len(layers) - 2; i > 0; i-- {
			sort(layers[i], after)
		}
	}
	return layers
}

func (g *graph) neighbours() (before, after [][]int) {
	before, after = make([][]int, len(g.nodes)), make([][]int, len(g.nodes))
	g.hops(func(from, to int) {
		after[from] = append(after[from], to)
		before[to] = append(before[to], from)
	})
	return before, after
}

func (g *graph) mean(of []int, otherwise float64, value func(int) float64) float64 {
	if len(of) == 0 {
		return otherwise
	}
	sum := 0.0
	for _, n := range of {
		sum += value(n)
	}
	return sum / float64(len(of))
}

// place finds the coordinates.
func (g *graph) place(layers [][]int) {
	before, after := g.neighbours()
	x := 0.0
	for _, layer := range layers {
		widest, y := 0.0, 0.0
		for _, n := range layer {
			g.nodes[n].x = x
			g.nodes[n].y = y + g.nodes[n].height/2
			y += g.nodes[n].height + nodeGap
			widest = max(widest, g.nodes[n].width)
		}
		for _, n := range layer {
			if g.nodes[n].bend {
				g.nodes[n].width = widest
			}
		}
		x += widest + layerGap
		g.width = x - layerGap
	}
	middle := func(n int) float64 { return g.nodes[n].y }
	for range 8 {
		for _, layer := range layers {
			g.settle(layer, func(n int) float64 { return g.mean(before[n], g.nodes[n].y, middle) })
		}
		for _, layer := range slices.Backward(layers) {
			g.settle(layer, func(n int) float64 { return g.mean(after[n], g.nodes[n].y, middle) })
		}
	}
	top, bottom := 0.0, 0.0
	for i, n := range g.nodes {
		if i == 0 || n.y-n.height/2 < top {
			top = n.y - n.height/2
		}
	}
	for i := range g.nodes {
		g.nodes[i].y -= top
		bottom = max(bottom, g.nodes[i].y+g.nodes[i].height/2)
	}
	g.height = bottom
}

// settle moves the nodes of a layer as near to their wishes as their order and
// their gaps let them: what is left of the wishes without the room that the
// nodes above take must not fall, which pooling neighbours gives.
func (g *graph) settle(layer []int, wish func(int) float64) {
	type pool struct {
		sum   float64
		count int
	}
	var pools []pool
	room := make([]float64, len(layer))
	at := 0.0
	for i, n := range layer {
		room[i] = at + g.nodes[n].height/2
		at += g.nodes[n].height + nodeGap
		pools = append(pools, pool{wish(n) - room[i], 1})
		for k := len(pools) - 1; k > 0 && pools[k-1].sum/float64(pools[k-1].count) > pools[k].sum/float64(pools[k].count); k-- {
			pools[k-1].sum += pools[k].sum
			pools[k-1].count += pools[k].count
			pools = pools[:k]
		}
	}
	i := 0
	for _, p := range pools {
		for range p.count {
			g.nodes[layer[i]].y = p.sum/float64(p.count) + room[i]
			i++
		}
	}
}
