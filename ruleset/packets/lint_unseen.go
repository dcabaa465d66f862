package packets

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// lintFamily adds the findings of a family. Where its tables are too much for
// one space of packets, each gets its own; where a table is, its chains are
// told of as far as that shows without packets. The error is the context's.
func lintFamily(ctx context.Context, r *LintReport, p *program, opts Options) error {
	var fit []*table
	loops := map[*table]error{}
	for _, t := range p.list {
		if err := t.acyclic(); err != nil {
			loops[t] = err
		} else {
			fit = append(fit, t)
		}
	}
	together := newLinter(p, opts, fit...)
	for _, t := range p.list {
		l, err := together, loops[t]
		switch {
		case err != nil:
			l = newLinter(p, opts)
		case l == nil:
			l = newLinter(p, opts, t)
			err = l.look(ctx, t)
		default:
			if err = l.look(ctx, t); err != nil && ctx.Err() == nil {
				together = nil // what was in the way is given up
				if len(fit) > 1 {
					l = newLinter(p, opts, t)
					err = l.look(ctx, t)
				}
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.add(l, t, err)
	}
	return nil
}

// newLinter returns one that looks at some tables of a family. What others do
// to packets it knows, and not to which.
func newLinter(p *program, opts Options, tables ...*table) *linter {
	some := *p
	some.list = tables
	l := &linter{differ: differ{old: &some, new: &some, opts: opts, stateful: p.stateful()}, others: &program{universe: p.universe},
		found: map[*chain][]Finding{}, done: map[*chain]bool{}, visits: map[*chain][]*visit{}, alters: map[*chain][fields]bool{}}
	other := &chain{}
	for _, t := range p.list {
		for _, c := range t.list {
			for i := range c.rules {
				a := &c.rules[i].action
				p.changed(&l.changed, &a.effect)
				if a.effect != noEffect && !slices.Contains(tables, t) {
					other.rules = append(other.rules, rule{chain: other, fits: yes, action: action{effect: a.effect}})
				}
			}
		}
	}
	l.others.list = []*table{{list: []*chain{other}}}
	return l
}

// look visits a table. The error wraps ErrTooLarge or is the context's.
func (l *linter) look(ctx context.Context, t *table) error {
	return guard(func() {
		if l.builder == nil {
			l.builder = prepare(ctx, l.opts.MaxNodes, l.new.universe, l.new, l.others)
		}
		l.table(t)
	})
}

// add takes over what was found in a table; where that is not all, err says
// why.
func (r *LintReport) add(l *linter, t *table, err error) {
	unseen := Unseen{Family: t.family, Backend: t.backend, Table: t.name, Err: err}
	var plain map[*chain][]Finding
	if err != nil {
		plain = plainFindings(t)
	}
	for _, c := range t.list {
		found := l.found[c]
		if err != nil && !l.done[c] {
			unseen.Chains = append(unseen.Chains, c.name)
			found = withPlain(found, plain[c])
		}
		r.Findings = append(r.Findings, found...)
	}
	if len(unseen.Chains) > 0 {
		r.Unseen = append(r.Unseen, unseen)
	}
}

// withPlain adds to the findings of a chain those of rules that it has none of.
func withPlain(found, plain []Finding) []Finding {
	type topic struct {
		index int
		leads bool // into an empty chain, which is one of two things to say
	}
	told := map[topic]bool{}
	for _, f := range found {
		told[topic{f.Index, f.Kind == EmptyJump}] = true
	}
	for _, f := range plain {
		if !told[topic{f.Index, f.Kind == EmptyJump}] {
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(a.Index, b.Index) })
	return found
}

// plainFindings are what a table's rules show by themselves.
func plainFindings(t *table) map[*chain][]Finding {
	out := map[*chain][]Finding{}
	find := func(kind FindingKind, c *chain, s Step, by ...Step) {
		out[c] = append(out[c], Finding{Kind: kind, Family: t.family, Step: s, By: by})
	}
	reached := t.reached()
	for _, c := range t.list {
		if !reached[c] {
			find(UnusedChain, c, c.step())
			continue
		}
		// taker is a rule that lets no packet come to the next one, like those
		// that do so with what fits them, as long as nothing changes packets.
		var taker *rule
		like := map[string]*rule{}
		for i := range c.rules {
			r := &c.rules[i]
			to := t.chains[r.action.chain]
			if to != nil && len(to.rules) == 0 {
				find(EmptyJump, c, r.step())
			}
			asks := r.fits.text()
			switch by := cmp.Or(taker, like[asks]); {
			case by != nil:
				find(NeverMatches, c, r.step(), by.step())
			case r.fits.op == never:
				find(NeverMatches, c, r.step())
			case r.fits.op == always && r.acceptsFilter():
				find(AcceptsAll, c, r.step())
			}
			if r.action.effect != noEffect || to != nil {
				clear(like)
			}
			if !r.ends() {
				continue
			}
			if r.fits.op == always && taker == nil {
				taker = r
			} else if like[asks] == nil {
				like[asks] = r
			}
		}
	}
	return out
}

// text is the same of two conditions that are written alike.
func (c *condition) text() string {
	return string(c.appendText(nil))
}

func (c *condition) appendText(b []byte) []byte {
	b = fmt.Appendf(b, "%d %d %v %v %v %d(", c.op, c.field, c.set, c.want, c.mask, c.atom)
	for _, k := range c.kids {
		b = k.appendText(b)
	}
	return append(b, ')')
}

// ends says that no packet that fits the rule comes to the next one.
func (r *rule) ends() bool {
	switch r.action.kind {
	case accept, finish, ret, jumpAway:
		return true
	}
	return false
}

// reached are the chains that any rule leads to from a base chain.
func (t *table) reached() map[*chain]bool {
	out := map[*chain]bool{}
	var list []*chain
	come := func(c *chain) {
		if c != nil && !out[c] {
			out[c], list = true, append(list, c)
		}
	}
	for _, c := range t.list {
		if c.base {
			come(c)
		}
	}
	for ; len(list) > 0; list = list[1:] {
		for i := range list[0].rules {
			come(t.chains[list[0].rules[i].action.chain])
		}
	}
	return out
}
