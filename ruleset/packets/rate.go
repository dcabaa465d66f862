package packets

import (
	"slices"
	"strings"
)

// rate is a match that lets so much through, and the other that took its place
// in the same rule. A packet may be within the new rate and not within the
// former one, and the other way round where more came before: neither is a set
// of packets that are newly let in or kept out.
type rate struct{ old, new int } // numbers of unknowns

// rateOptions are those of matches that say how much, in which the two may
// differ.
var rateOptions = map[string][]string{
	"limit":     {"--limit", "--limit-burst"},
	"hashlimit": {"--hashlimit-upto", "--hashlimit-above", "--hashlimit-burst", "--hashlimit-htable-size", "--hashlimit-htable-max", "--hashlimit-htable-expire", "--hashlimit-htable-gcinterval"},
	"statistic": {"--probability", "--every", "--packet"}, "quota": {"--quota"},
}

// rates are the unknowns of one rule that differ in how much alone, each of
// which one side has and the other has not.
func (d *differ) rates() []rate {
	old, new := d.old.unknowns(), d.new.unknowns()
	var out []rate
	byPlace := map[string][]int{}
	name := func(n int) string {
		name, _, _ := strings.Cut(strings.TrimPrefix(d.u.atoms[n].Text, "-m "), " ")
		return name
	}
	for n := range d.u.atoms {
		if new[n] && !old[n] && rateOptions[name(n)] != nil {
			key := name(n) + "\n" + d.u.atoms[n].Scope
			byPlace[key] = append(byPlace[key], n)
		}
	}
	for n := range d.u.atoms {
		if !old[n] || new[n] {
			continue
		}
		for _, m := range byPlace[name(n)+"\n"+d.u.atoms[n].Scope] {
			x, y := optionsOf(d.u.atoms[n].Text), optionsOf(d.u.atoms[m].Text)
			if x != nil && y != nil && x.alike(y) && x.same(y, rateOptions[name(n)]...) {
				out = append(out, rate{n, m})
			}
		}
	}
	return out
}

// alike says that two have the same options, but for a burst: one that is as
// ever is not written.
func (o options) alike(other options) bool {
	names := func(o options) (out []string) {
		for name := range o {
			if !strings.HasSuffix(name, "-burst") && !strings.Contains(name, "-htable-") {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(names(o), names(other))
}

// unknowns are the numbers of those that a program's rules ask for.
func (p *program) unknowns() map[int]bool {
	out, seen := map[int]bool{}, map[*condition]bool{}
	var walk func(c *condition)
	walk = func(c *condition) {
		if seen[c] {
			return
		}
		seen[c] = true
		if c.op == atomic {
			out[c.atom] = true
		}
		for _, k := range c.kids {
			walk(k)
		}
	}
	for _, t := range p.list {
		for _, c := range t.list {
			for i := range c.rules {
				walk(c.rules[i].fits)
			}
		}
	}
	return out
}

// reckoned makes one region of two that are about one rate: packets that one
// side treats so if the former rate holds and the other side if the new one
// does. No other unknown of a side depends on the other's, so that is all there
// is to say of them.
func (d *differ) reckoned(parts []*part) []*part {
	if len(parts) > manyParts {
		return parts
	}
	for _, r := range d.rates() {
		for i := 0; i < len(parts); i++ {
			p := parts[i]
			whole, newHolds := d.without(r, p)
			if whole == falseNode || p.rate != nil {
				continue
			}
			k := slices.IndexFunc(parts, func(q *part) bool {
				other, holds := d.without(r, q)
				return q != p && q.rate == nil && other == whole && holds != newHolds && d.opposite(p, q)
			})
			if k < 0 {
				continue
			}
			q := parts[k]
			both := *p.group
			both.kind = Other
			one := &part{group: &both, where: d.or(p.where, q.where), first: p.first, oldBy: union(p.oldBy, q.oldBy), newBy: union(p.newBy, q.newBy),
				boxes: slices.Concat(p.boxes, q.boxes), cut: p.cut || q.cut, rate: &r, half: p.where, whole: whole, newHolds: newHolds}
			parts[i] = one
			parts = slices.Delete(parts, k, k+1)
			if k < i {
				i--
			}
		}
	}
	return parts
}

// without is a region's packets if they are those of a set for which just one of
// two unknowns holds, without these; newHolds says which.
func (d *differ) without(r rate, p *part) (whole node, newHolds bool) {
	old, new := d.variable(d.atoms[r.old]), d.variable(d.atoms[r.new])
	whole = d.exists(p.where, d.atoms[r.old], d.atoms[r.old])
	whole = d.exists(whole, d.atoms[r.new], d.atoms[r.new])
	switch p.where {
	case d.and(whole, d.less(new, old)):
		return whole, true
	case d.and(whole, d.less(old, new)):
		return whole, false
	}
	return falseNode, false
}

// opposite says that what became of the packets of one region becomes of those
// of the other, and the other way round.
func (d *differ) opposite(p, q *part) bool {
	a, b := d.fatesOf(p)
	x, y := d.fatesOf(q)
	return a.String() == y.String() && b.String() == x.String()
}

// fatesOf are a region's former and new outcome.
func (d *differ) fatesOf(p *part) (Outcome, Outcome) {
	var old, new []Outcome
	for _, f := range p.group.fates {
		if d.and(p.where, f.where) != falseNode {
			old, new = append(old, f.old), append(new, f.new)
		}
	}
	return together(old), together(new)
}

// reckonedFates are the outcomes of a region of two rates.
func (d *differ) reckonedFates(p *part) (old, new Outcome) {
	a, b := d.fatesOf(&part{group: p.group, where: p.half})
	if p.newHolds {
		a, b = b, a
	}
	// a becomes of packets for which the match holds, b of the others.
	old, new = a, a
	old.If, old.Else = d.u.atoms[p.rate.old].Text, b.String()
	new.If, new.Else = d.u.atoms[p.rate.new].Text, b.String()
	return old, new
}
