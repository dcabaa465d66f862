package packets

// takers are the rules before a dead one that take its packets: one that takes
// them all, if one is soon found.
func (l *linter) takers(visits []*visit, i int) []Step {
	var out []Step
	for _, v := range visits {
		c := v.c
		want := l.and(l.fits(c.rules[i].fits, v.at), v.reach)
		if want == falseNode {
			continue
		}
		gone, near := l.goneOf(v), sketchOf(c.rules[i].fits, v.at)
		looked := 0
		single := gone.next(0, i, &near, func(n node) bool {
			looked++
			return looked <= enoughLooks && l.subset(want, n)
		})
		if single < i {
			out = append(out, c.rules[single].step())
			continue
		}
		for j := 0; want != falseNode; j++ {
			if j = gone.next(j, i, &near, func(n node) bool { return l.meet(want, n) }); j == i {
				break
			}
			want = l.less(want, gone.union(0, j).packets)
			out = append(out, c.rules[j].step())
		}
	}
	return sortSteps(out)
}

// enoughLooks bounds the search for one rule that takes all that a dead one
// has: several may take it together, which is as good to know.
const enoughLooks = 250

// goneOf is what the rules of a chain keep from the next one.
func (l *linter) goneOf(v *visit) *unions {
	if v.gone == nil {
		v.gone = newUnions(l.store, len(v.c.rules), v.at, func(j int) (node, *condition) {
			r := &v.c.rules[j]
			left, _ := l.leaves(r, v.at)
			if left == falseNode {
				return falseNode, no
			}
			return l.and(l.fits(r.fits, v.at), left), r.fits
		})
	}
	return v.gone
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
	end := verdict{kind: ret}
	if c.base {
		end = verdict{c.policy.kind, c.policy.final, c.policy.with}
	}
	does := func(r *rule) (verdict, bool) {
		is, ok := r.action.verdict()
		if is.kind == ret {
			is = end // a base chain's RETURN is its policy
		}
		return is, ok && !r.writes
	}
	want, ok := does(&c.rules[i])
	if !ok {
		return nil
	}
	var by []Step
	rest := v.hits[i]
	all, near := l.doesOf(v), sketchOf(c.rules[i].fits, v.at)
	for j := i + 1; rest != falseNode; j++ {
		if j = all.next(j, len(c.rules), &near, func(n node) bool { return l.meet(rest, n) }); j == len(c.rules) {
			break
		}
		if other, ok := does(&c.rules[j]); !ok || other != want {
			return nil
		}
		rest = l.less(rest, all.union(0, j).packets)
		by = append(by, c.rules[j].step())
	}
	switch {
	case rest == falseNode:
		return by
	case end != want:
		return nil
	case c.base:
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

// doesOf is what the rules of a chain do anything to.
func (l *linter) doesOf(v *visit) *unions {
	if v.does == nil {
		v.does = newUnions(l.store, len(v.c.rules), v.at, func(j int) (node, *condition) {
			r := &v.c.rules[j]
			if r.action.idle() {
				return falseNode, no
			}
			return l.fits(r.fits, v.at), r.fits
		})
	}
	return v.does
}
