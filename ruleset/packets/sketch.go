package packets

// sketch is the part of a condition that can be held to another one without a
// diagram: what it wants of the fields of the header, nil for anything.
type sketch [len(sketched)]spans

// sketched are fields whose tests mean the same at every hook, the most telling
// first; interfaces do where a packet has them.
var sketched = [...]field{fieldDst, fieldSrc, fieldDport, fieldProto, fieldIn, fieldOut, fieldSport, fieldICMP, fieldFlags}

// sketchOf is a superset of the packets that fit a condition.
func sketchOf(c *condition, at place) sketch {
	var s sketch
	s.add(c, at)
	if c.op == all {
		for _, k := range c.kids {
			s.add(k, at)
		}
	}
	return s
}

func (s *sketch) add(c *condition, at place) {
	if c.op != inSet || c.field == fieldIn && !at.in || c.field == fieldOut && !at.out {
		return
	}
	for i, f := range sketched {
		if f == c.field && s[i] == nil {
			s[i] = c.set
		}
	}
}

// apart says that no packet can be in both.
func (s *sketch) apart(t *sketch) bool {
	for i := range s {
		if s[i] != nil && t[i] != nil && !overlap(s[i], t[i]) {
			return true
		}
	}
	return false
}

func overlap(a, b spans) bool {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].high.less(b[0].low):
			a = a[1:]
		case b[0].high.less(a[0].low):
			b = b[1:]
		default:
			return true
		}
	}
	return false
}

// outline is a sketch and, side by side for speed, the span of what it wants of
// each of the most telling fields.
type outline struct {
	hull  [3]span
	whole sketch
}

func newOutline(s sketch) outline {
	o := outline{whole: s}
	for i := range o.hull {
		o.hull[i] = span{high: ones(128)}
		if s := o.whole[i]; s != nil {
			o.hull[i] = span{s[0].low, s[len(s)-1].high}
		}
	}
	return o
}

// near says that a packet may be in both.
func (o *outline) near(p *outline) bool {
	for i := range o.hull {
		if a, b := &o.hull[i], &p.hull[i]; a.high.less(b.low) || b.high.less(a.low) {
			return false
		}
	}
	return !o.whole.apart(&p.whole)
}

// outlineOf is a superset of the packets in a diagram.
func (d *differ) outlineOf(n node) *outline {
	var s sketch
	for i, f := range sketched {
		fl := &d.fields[f]
		if len(fl.levels) == 0 {
			continue
		}
		switch may := d.project(n, f); {
		case may == trueNode:
		case !fl.raw:
			s[i] = d.values(f, may)
		default:
			s[i], _ = d.rawValues(f, may)
		}
	}
	o := newOutline(s)
	return &o
}

// outlines are those of chains' rules at a place, made once for all pieces.
type outlines map[chainKey][]outline

func (m outlines) of(c *chain, at place) []outline {
	key := chainKey{c, place{in: at.in, out: at.out}}
	list, ok := m[key]
	if !ok {
		list = make([]outline, len(c.rules))
		for i := range list {
			list[i] = newOutline(sketchOf(c.rules[i].fits, at))
		}
		m[key] = list
	}
	return list
}

// neighbours is which rules can touch a piece.
type neighbours struct {
	at map[place][]being
	outlines
	known map[chainKey][]int
}

// of returns the places of a chain's rules that can touch the piece, from 0.
func (n *neighbours) of(c *chain, at place) []int {
	if n == nil {
		out := make([]int, len(c.rules))
		for i := range out {
			out[i] = i
		}
		return out
	}
	key := chainKey{c, at}
	if known, ok := n.known[key]; ok {
		return known
	}
	var out []int
	list := n.outlines.of(c, at)
	for i := range list {
		for _, b := range n.at[at] {
			if list[i].near(b.outline) {
				out = append(out, i)
				break
			}
		}
	}
	n.known[key] = out
	return out
}
