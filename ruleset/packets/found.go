package packets

import "slices"

// found is what the pieces of a journey showed.
type found struct {
	groups  []*group
	byKey   map[string]*group
	parts   []*part
	byRules map[string]*part
}

func newFound() *found { return &found{byKey: map[string]*group{}, byRules: map[string]*part{}} }

// addGroup adds the packets of a piece's group and returns that of all pieces.
func (f *found) addGroup(g *group, from *copier) *group {
	known := f.byKey[g.key]
	if known == nil {
		one := *g
		one.fates, one.index = nil, len(f.groups)
		known = &one
		f.byKey[g.key], f.groups = known, append(f.groups, known)
	}
	for _, x := range g.fates {
		k := slices.IndexFunc(known.fates, func(y fate) bool { return x.pair == y.pair })
		if k < 0 {
			k = len(known.fates)
			known.fates = append(known.fates, fate{old: x.old, new: x.new, pair: x.pair})
		}
		known.fates[k].some = append(known.fates[k].some, from.node(x.where))
	}
	return known
}

// addPart adds the packets of a piece's part.
func (f *found) addPart(p *part, from *copier) {
	where := from.node(p.where)
	p.first = from.node(p.first)
	key := p.key()
	known := f.byRules[key]
	if known == nil {
		known = p
		f.byRules[key], f.parts = p, append(f.parts, p)
	}
	known.some = append(known.some, where)
}

func (p *part) key() string { return itoa(p.group.index) + idKey(p.oldBy) + idKey(p.newBy) }

// all returns the parts of all pieces.
func (f *found) all(d *differ) []*part {
	for _, g := range f.groups {
		var list []node
		for i := range g.fates {
			x := &g.fates[i]
			x.where = d.orAll(x.some)
			list = append(list, x.where)
		}
		g.where = d.orAll(list)
	}
	into := d.arrived(f.groups)
	byKey := map[string]*part{}
	var out []*part
	for _, p := range f.parts {
		p.where = d.orAll(p.some)
		if o := into[p.group]; o != nil {
			p.group = o
		}
		key := p.key()
		if known := byKey[key]; known != nil {
			known.where = d.or(known.where, p.where)
			continue
		}
		byKey[key], out = p, append(out, p)
	}
	if d.fields[fieldState].used {
		// A region is told by its first part: new connections say more of a rule
		// than what comes after them.
		fresh := d.exactly(fieldState, number(stateNew))
		slices.SortStableFunc(out, func(p, q *part) int {
			return before(d.and(p.where, fresh) == falseNode) - before(d.and(q.where, fresh) == falseNode)
		})
	}
	return d.runsAsOne(d.runsAsOne(out, false), true)
}

// runsAsOne makes one of the parts that too many rules of one run decide over
// on a side.
func (d *differ) runsAsOne(parts []*part, new bool) []*part {
	side := func(p *part) *[]int32 {
		if new {
			return &p.newBy
		}
		return &p.oldBy
	}
	other := func(p *part) []int32 {
		if new {
			return p.oldBy
		}
		return p.newBy
	}
	type key struct {
		*group
		run   *rule
		other string
	}
	of := map[key][]*part{}
	var order []key
	for _, p := range parts {
		k := key{group: p.group, other: idKey(other(p))}
		if x := d.deciders[slices.Max(append([]int32{0}, *side(p)...))]; x.rule != nil {
			k.run = &x.chain.rules[x.rule.run]
		}
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], p)
	}
	var out []*part
	for _, k := range order {
		var ids []int32
		for _, p := range of[k] {
			ids = union(ids, *side(p))
		}
		if len(ids) <= mostRules || k.run == nil {
			out = append(out, of[k]...)
			continue
		}
		slices.SortFunc(ids, func(a, b int32) int { return d.deciders[a].rule.index - d.deciders[b].rule.index })
		one := of[k][0]
		for _, p := range of[k] {
			if len(*side(p)) > 0 && (*side(p))[0] == ids[0] {
				one = p
			}
		}
		for _, p := range of[k] {
			one.where = d.or(one.where, p.where)
		}
		*side(one) = ids
		out = append(out, one)
	}
	return out
}
