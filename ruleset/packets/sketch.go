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

// apart says that no packet can be in both. Fields that rules change on the
// way do not count.
func (s *sketch) apart(t *sketch, changed *[fields]bool) bool {
	for i, f := range sketched {
		if s[i] != nil && t[i] != nil && !changed[f] && !overlap(s[i], t[i]) {
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

// neighbours is which rules can touch what changed.
type neighbours struct {
	// all says that every rule may.
	all     bool
	list    []sketch
	changed [fields]bool
	known   map[madeKey]bool
}

// maxNeighbours is how many changed rules each rule is held to before all count:
// that takes the one number times the other.
const maxNeighbours = 4096

func (n *neighbours) add(c *condition, at place) {
	if n.all {
		return
	}
	if len(n.list) == maxNeighbours {
		n.all, n.list = true, nil
		return
	}
	n.list = append(n.list, sketchOf(c, at))
}

// near says whether a rule of that condition can touch what changed.
func (n *neighbours) near(c *condition, at place) bool {
	if n == nil || n.all {
		return true
	}
	key := madeKey{c, at}
	if near, ok := n.known[key]; ok {
		return near
	}
	s, near := sketchOf(c, at), false
	for i := range n.list {
		if !s.apart(&n.list[i], &n.changed) {
			near = true
			break
		}
	}
	n.known[key] = near
	return near
}
