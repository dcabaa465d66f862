package packets

// takers are the rules before a dead one that take its packets: one that takes
// them all, if there is one.
func (l *linter) takers(visits []*visit, i int) []Step {
	var out []Step
	for _, v := range visits {
		c := v.c
		want := l.and(l.fits(c.rules[i].fits, v.at), v.reach)
		if want == falseNode {
			continue
		}
		gone := make([]node, i)
		single := -1
		for j := range i {
			left, _ := l.leaves(&c.rules[j], v.at)
			gone[j] = falseNode
			if left != falseNode {
				gone[j] = l.and(l.fits(c.rules[j].fits, v.at), left)
			}
			if single < 0 && l.subset(want, gone[j]) {
				single = j
			}
		}
		if single >= 0 {
			out = append(out, c.rules[single].step())
			continue
		}
		for j := 0; j < i && want != falseNode; j++ {
			if l.meet(want, gone[j]) {
				want = l.less(want, gone[j])
				out = append(out, c.rules[j].step())
			}
		}
	}
	return sortSteps(out)
}

// acceptsAll says whether a rule of the filter's hooks for what comes in or
// through accepts all packets.
func (l *linter) acceptsAll(visits []*visit, r *rule) bool {
	if !r.acceptsFilter() {
		return false
	}
	for _, v := range visits {
		if !l.subset(v.reach, l.fits(r.fits, v.at)) {
			return false
		}
	}
	return true
}

// acceptsFilter says whether a rule accepts in one of those hooks.
func (r *rule) acceptsFilter() bool {
	return r.action.kind == accept && r.chain.table.name == "filter" && (r.chain.name == "INPUT" || r.chain.name == "FORWARD")
}

// verdict is what two rules must share to be as good as one another.
type verdict struct {
	kind  actionKind
	final Verdict
	with  string
}

func (a *action) verdict() (verdict, bool) {
	return verdict{a.kind, a.final, a.with}, simple(a) && a.effect == noEffect
}

// replaced returns the rules and the policy that would do to a rule's packets
// what it does, nil if any packet would fare otherwise.
func (l *linter) replaced(visits []*visit, i int) []Step {
	var out []Step
	for _, v := range visits {
		if v.hits[i] == falseNode {
			continue
		}
		by := l.replacedAt(v, i)
		if by == nil {
			return nil
		}
		out = append(out, by...)
	}
	return sortSteps(out)
}

func (l *linter) replacedAt(v *visit, i int) []Step {
	c := v.c
	want, ok := c.rules[i].action.verdict()
	if !ok {
		return nil
	}
	var by []Step
	rest := v.hits[i]
	for j := i + 1; j < len(c.rules) && rest != falseNode; j++ {
		if j%blockSize == 0 && !l.meet(rest, l.blockOf(v, j)) {
			j += blockSize - 1
			continue
		}
		a := &c.rules[j].action
		if a.idle() {
			continue
		}
		fits := l.fits(c.rules[j].fits, v.at)
		if !l.meet(rest, fits) {
			continue
		}
		if does, ok := a.verdict(); !ok || does != want {
			return nil
		}
		rest = l.less(rest, fits)
		by = append(by, c.rules[j].step())
	}
	if rest == falseNode {
		return by
	}
	end := verdict{kind: ret}
	if c.base {
		end = verdict{c.policy.kind, c.policy.final, c.policy.with}
		if want.kind == ret {
			want = end // a base chain's RETURN is its policy
		}
	}
	if end != want {
		return nil
	}
	if c.base {
		return append(by, decider{c, nil}.step())
	}
	return append(by, Step{Backend: c.table.backend, Table: c.table.name, Chain: c.name, Text: "RETURN"})
}

// lateEstablished returns the rule that drops packets of established
// connections before the one at i accepts all others of theirs.
func (l *linter) lateEstablished(visits []*visit, i int) *Step {
	if len(visits) == 0 || !visits[0].c.base || visits[0].c.table.name != "filter" {
		return nil
	}
	c := visits[0].c
	if c.rules[i].action.kind != accept || !asksState(c.rules[i].fits) {
		return nil
	}
	for _, v := range visits {
		established := l.and(l.fits(is(fieldState, stateEstablished), v.at), v.reach)
		fits := l.fits(c.rules[i].fits, v.at)
		fresh := l.and(l.fits(is(fieldState, stateNew), v.at), v.reach)
		if established == falseNode || !l.subset(established, fits) || l.meet(fresh, fits) {
			continue
		}
		for j := range i {
			r := &c.rules[j]
			if r.action.kind == finish && (r.action.final == Drop || r.action.final == Reject) && l.meet(l.fits(r.fits, v.at), established) {
				s := r.step()
				return &s
			}
		}
	}
	return nil
}

// idle says that the action leaves a packet as it is and goes on.
func (a *action) idle() bool { return a.kind == goOn && a.effect == noEffect }

// blockOf is where any of the rules of a block fits that does anything.
func (l *linter) blockOf(v *visit, from int) node {
	if v.blocks == nil {
		v.blocks = map[int]node{}
	}
	if n, ok := v.blocks[from]; ok {
		return n
	}
	var list []node
	for j := from; j < min(from+blockSize, len(v.c.rules)); j++ {
		if r := &v.c.rules[j]; !r.action.idle() {
			list = append(list, l.fits(r.fits, v.at))
		}
	}
	v.blocks[from] = l.orAll(list)
	return v.blocks[from]
}
