package packets

// asking is what a walk through the chains wants to know. One question at a
// time keeps the diagrams small: the rule that accepts a packet, of thousands,
// and the ways to translate and mark it would be a leaf for each pair.
type asking uint8

const (
	// askOutcome: what becomes of packets.
	askOutcome asking = iota
	// askVerdict: which rule decides whether they pass. What is done to them on
	// the way counts only where a later rule can see it.
	askVerdict
	// askChange: which rules translate and mark.
	askChange
)

// ask begins a walk that asks for something else, of packets that are in care
// at each place; these are part of those of the walk before, whose diagrams are
// given.
func (d *differ) ask(what asking, care map[place]node, cares map[madeKey]node) {
	d.asking, d.care = what, care
	d.chains = map[chainKey]node{}
	d.cares = [2]map[madeKey]node{{}, cares}
}

// narrowed is a care for the packets of a domain only.
func (d *differ) narrowed(care map[place]node, domain node) map[place]node {
	out, n := map[place]node{}, d.immutable(domain)
	for at, c := range care {
		out[at] = d.and(c, n)
	}
	return out
}

// careAt is what is asked for at a place.
func (b *builder) careAt(at place) node {
	if n, ok := b.care[at]; ok {
		return n
	}
	return trueNode
}

// kept is the part of an effect that counts.
func (b *builder) kept(e effect) effect {
	if b.asking != askVerdict || e == noEffect {
		return e
	}
	e.notes = 0
	if !b.fields[fieldMark].used {
		e.mark, e.connmark, e.markMade, e.connmarkMade = keepMark, keepConnmark, false, false
	}
	if !b.fields[fieldTOS].used {
		e.tosKeep, e.tosFlip = 255, 0
	}
	if !b.fields[fieldTTL].used {
		e.ttl = sameLifetime
	}
	if !b.sourceSeen {
		e.source = 0
	}
	return e
}

// decides is the decider of a rule or, for nil, a policy, 0 where nobody asks
// for it: what other tables accept the table filter decides over.
func (b *builder) decides(c *chain, r *rule, kind resultKind) int32 {
	if b.asking != askVerdict || kind == accepts && b.filtered && c.table.name != "filter" {
		return 0
	}
	return b.decider(c, r)
}

// joins says that a rule and its neighbours of the same action need not be told
// apart.
func (b *builder) joins(r *rule) bool {
	a := &r.action
	switch {
	case !simple(a):
		return false
	case b.asking == askVerdict:
		return a.kind == ret || r.chain.table.name == "filter" && b.inRuns || a.kind == accept && b.filtered && r.chain.table.name != "filter"
	case b.asking == askChange:
		return a.effect == noEffect
	}
	return true
}

// seesSource says whether a table comes behind one that translates sources: the
// table security of iptables-nft does.
func seesSource(programs ...*program) bool {
	for _, p := range programs {
		for key := range p.tables {
			if key.name == "security" {
				return true
			}
		}
	}
	return false
}

// idle finds the rules of a chain that are far from what anybody cares about,
// many in one step: of those that look at no destination, whose meeting with
// what is cared for takes long.
func (b *builder) idle(c *chain, near []int, at place) map[int]bool {
	const worth = 64
	care := b.careAt(at)
	if b.asking == askOutcome || care == trueNode || len(near) < worth {
		return nil
	}
	last := int32(-1)
	if l := b.fields[fieldDst].levels; len(l) > 0 {
		last = l[len(l)-1]
	}
	var wide []int
	var fits []node
	for _, i := range near {
		if n := b.fits(c.rules[i].fits, at); b.level(n) > last {
			wide, fits = append(wide, i), append(fits, n)
		}
	}
	out := map[int]bool{}
	var look func(low, high int)
	look = func(low, high int) {
		if high-low < 8 {
			return
		}
		if b.and(b.orAll(fits[low:high]), care) == falseNode {
			for _, i := range wide[low:high] {
				out[i] = true
			}
			return
		}
		look(low, (low+high)/2)
		look((low+high)/2, high)
	}
	look(0, len(wide))
	return out
}
