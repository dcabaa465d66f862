package packets

import "slices"

// A comparison looks at what is suspect piece by piece: few rules are near one
// changed rule, and their diagrams, cut down to its packets, are small, while
// those of all changed rules together hold a copy of what any packet meets for
// each destination. Every piece has a store of its own, emptied for the next.

// piece is packets that are looked at together.
type piece struct {
	where node
	// at are the packets that these are at each place, in parts, with what can
	// be told of each part without a diagram.
	at map[place][]being
}

// being is what packets are at a place.
type being struct {
	where node
	*outline
}

// pieces returns what is suspect, as much together as makes it cheap to look
// at.
func (d *differ) pieces(list []node, domain node, way []passage) []*piece {
	drawn := map[node]*outline{}
	var out []*piece
	for _, n := range list {
		if n = d.arriving(d.and(n, domain)); n != falseNode {
			out = append(out, d.piece(n, way, drawn))
		}
	}
	for len(out) > 1 && !d.worth(out, way) {
		out = d.joined(out, 4)
	}
	return out
}

// arriving is a diagram of packets that nothing has happened to yet.
func (b *builder) arriving(n node) node {
	for _, g := range hidden {
		if fl := &b.fields[g]; fl.used && len(fl.levels) > 0 {
			n = b.zero(n, fl.levels[0], fl.levels[len(fl.levels)-1])
		}
	}
	return n
}

// piece follows packets through a journey.
func (d *differ) piece(n node, way []passage, drawn map[node]*outline) *piece {
	out := &piece{where: n, at: map[place][]being{}}
	for i := range way {
		p := &way[i]
		n = d.within(n, p)
		o := drawn[n]
		if o == nil {
			o = d.outlineOf(n)
			drawn[n] = o
		}
		if b := (being{n, o}); !slices.Contains(out.at[p.place], b) {
			out.at[p.place] = append(out.at[p.place], b)
		}
		n = d.behind(n, p)
	}
	return out
}

// joined makes one piece of so many.
func (d *differ) joined(list []*piece, of int) []*piece {
	var out []*piece
	for some := range slices.Chunk(list, of) {
		one := &piece{where: falseNode, at: map[place][]being{}}
		for _, p := range some {
			one.where = d.or(one.where, p.where)
			for at, list := range p.at {
				for _, b := range list {
					if !slices.Contains(one.at[at], b) {
						one.at[at] = append(one.at[at], b)
					}
				}
			}
		}
		out = append(out, one)
	}
	return out
}

// mostNear is how many times all rules may be near a piece before larger
// pieces, each of which has more rules near it and fewer twice, are tried.
const mostNear = 32

// worth says whether pieces are not too many.
func (d *differ) worth(list []*piece, way []passage) bool {
	rules, near := 0, 0
	for _, p := range []*program{d.old, d.new} {
		rules += p.rules
	}
	for _, x := range list {
		d.check()
		n := d.near(x)
		for i := range way {
			for _, s := range []stage{way[i].old, way[i].new} {
				near += s.near(n)
			}
		}
		if near > mostNear*rules {
			return false
		}
	}
	return true
}

// near counts the rules that a stage may meet and that are near.
func (s *stage) near(n *neighbours) int {
	sum := 0
	for _, base := range s.chains {
		if base == nil {
			continue
		}
		for _, c := range base.table.list {
			sum += len(n.of(c, s.place))
		}
	}
	return sum
}

// near is which rules can touch a piece.
func (d *differ) near(p *piece) *neighbours {
	return &neighbours{at: p.at, outlines: d.outlines, known: map[chainKey][]int{}}
}

// fork returns a differ of the same programs with a store of its own, which is
// that of the one before.
func (d *differ) fork(near *neighbours) (*differ, *copier) {
	out, b := *d, *d.builder
	d.scratch.reset(d.store.limit - len(d.store.nodes))
	b.store = d.scratch
	b.made, b.chains, b.changes = map[madeKey]node{}, map[chainKey]node{}, nil
	b.close = near
	out.builder = &b
	return &out, &copier{d.store, b.store, map[node]node{}}
}

// reset empties a store.
func (s *store) reset(limit int) {
	const keep = 1 << 18
	if len(s.table) > keep {
		*s = *newStore(s.ctx, limit)
		return
	}
	s.nodes, s.limit = s.nodes[:0], limit
	for i := range s.table {
		s.table[i] = -1
	}
	clear(s.cache)
}

// copier brings diagrams from one store to another.
type copier struct {
	from, to *store
	known    map[node]node
}

func (c *copier) node(n node) node {
	if n.leaf() {
		return n
	}
	if m, ok := c.known[n]; ok {
		return m
	}
	b := c.from.nodes[n]
	lo := c.node(b.lo)
	m := c.to.make(b.level, lo, c.node(b.hi))
	c.known[n] = m
	return m
}

// look finds the packets of a piece whose fate changed, and which rules decide.
func (d *differ) look(j Journey, p *piece, f *found) {
	w, in := d.fork(d.near(p))
	domain := in.node(p.where)
	care := map[place]node{}
	for at, list := range p.at {
		n := falseNode
		for _, b := range list {
			n = w.or(n, in.node(b.where))
		}
		care[at] = n
	}
	w.ask(askOutcome, care, nil)
	groups := w.groups(w.journey(w.old, j, domain), w.journey(w.new, j, domain))
	if len(groups) == 0 {
		return
	}
	out := copier{w.store, d.store, map[node]node{}}
	home := make([]*group, len(groups))
	for i, g := range groups {
		home[i] = f.addGroup(g, &out)
	}
	for _, p := range w.parts(j, groups) {
		p.group = home[p.group.index]
		f.addPart(p, &out)
	}
}
