package packets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// FindingKind names what lint found.
type FindingKind string

// The kinds of findings.
const (
	// NeverMatches is a rule that no packet can fit: By are the rules that take
	// all its packets before, and if there are none, no packet that comes to
	// the chain fits it.
	NeverMatches FindingKind = "never-matches"
	// ChangesNothing is a rule whose packets would meet the same fate without
	// it: By are the rules and the policy that they would meet.
	ChangesNothing FindingKind = "changes-nothing"
	// AcceptsAll is a rule that accepts whatever comes to it.
	AcceptsAll FindingKind = "accepts-all"
	// LateEstablished is a rule for established connections behind one, By, that
	// drops some of their packets.
	LateEstablished FindingKind = "late-established"
	// FamilyOpen is a base chain of IPv6 that lets in what its like of IPv4
	// keeps out.
	FamilyOpen FindingKind = "ipv6-open"
	// EmptyJump is a rule that leads into a chain without rules.
	EmptyJump FindingKind = "empty-jump"
	// UnusedChain is a chain that no packet comes to.
	UnusedChain FindingKind = "unused-chain"
)

// Finding is one remark on a ruleset.
type Finding struct {
	Kind   FindingKind
	Family ruleset.Family
	// Step is the rule; of a chain its Index is 0.
	Step
	By []Step
}

// Words says in a sentence what was found.
func (f *Finding) Words() string {
	by := ""
	for i, s := range f.By {
		more := i == 3 && len(f.By) > 4
		switch {
		case more || i > 0 && i == len(f.By)-1:
			by += " and "
		case i > 0:
			by += ", "
		}
		if more {
			by += fmt.Sprintf("%d more", len(f.By)-i)
			break
		}
		by += s.name()
	}
	switch f.Kind {
	case NeverMatches:
		if by == "" {
			return "no packet that comes here fits it"
		}
		if len(f.By) > 1 {
			return "never matches: " + by + " take all its packets"
		}
		return "never matches: " + by + " takes all its packets"
	case ChangesNothing:
		return "changes nothing: " + by + " would do the same"
	case AcceptsAll:
		return "accepts everything that comes to it"
	case LateEstablished:
		return "established connections come after " + by + ", which drops packets of theirs"
	case FamilyOpen:
		return "IPv6 is open where IPv4 is closed by " + by
	case EmptyJump:
		return "leads into a chain without rules"
	case UnusedChain:
		return "no packet comes to this chain"
	}
	return string(f.Kind)
}

func (s *Step) name() string {
	p := s.Source.String()
	if s.Index == 0 && p != "" {
		return fmt.Sprintf("the policy of %s (%s)", s.Chain, p)
	}
	if s.Index == 0 {
		return "the policy of " + s.Chain
	}
	if p != "" {
		return fmt.Sprintf("%s rule %d (%s)", s.Chain, s.Index, p)
	}
	return fmt.Sprintf("%s rule %d", s.Chain, s.Index)
}

// LintReport is what Lint says of a snapshot.
type LintReport struct {
	// Findings are in the order of the snapshot's tables, chains and rules.
	Findings []Finding
	// Unseen are the chains whose packets could not be followed.
	Unseen []Unseen
}

// Unseen are chains of a table of which Findings has only what shows without
// their packets: what comes to no rule, or to one that an equal rule or one
// without conditions takes all from.
type Unseen struct {
	Family  ruleset.Family
	Backend ruleset.Backend
	Table   string
	Chains  []string // in the table's order
	// Err says why: it wraps ErrTooLarge, or is a *LoopError.
	Err error
}

// Lint returns remarks on the IPv4 and IPv6 tables of a snapshot. It claims
// nothing that it cannot show: each table is looked at as if the ones before
// let everything pass. Errors are the context's, and those of rules that no
// parser of dumps lets through.
func Lint(ctx context.Context, s *ruleset.Snapshot, opts Options) (*LintReport, error) {
	opts.defaults()
	out := &LintReport{}
	programs := map[ruleset.Family]*program{}
	for _, family := range []ruleset.Family{ruleset.IPv4, ruleset.IPv6} {
		u := newSharedUniverse(family, s)
		p, err := load(u, &specs{map[string]*xtables.Spec{}, map[string]*reading{}}, s, family, nil)
		if err != nil && !errors.As(err, new(*LoopError)) {
			return nil, fmt.Errorf("%s: %w", family, err)
		}
		programs[family] = p
		if err := lintFamily(ctx, out, p, opts); err != nil {
			return nil, fmt.Errorf("%s: %w", family, err)
		}
	}
	out.Findings = append(out.Findings, openFamily(s, programs[ruleset.IPv4], programs[ruleset.IPv6])...)
	return out, nil
}

// linter looks at tables of one family.
type linter struct {
	differ
	found  map[*chain][]Finding
	done   map[*chain]bool
	visits map[*chain][]*visit
	// alters are the fields that a chain and what it leads to change.
	alters map[*chain][fields]bool
	// changed are those that any rule of the family does.
	changed [fields]bool
	// others has the effects of the tables that are not looked at.
	others *program
}

// visit is a chain at a hook, and the packets that come to it there, in what
// they are by then.
type visit struct {
	c     *chain
	at    place
	reach node
	// hits are what comes to each rule and fits it.
	hits []node
	// gone and does are what rules keep from the next one, and what they do
	// anything to; nil while nobody asks.
	gone, does *unions
}

// entries are the hooks of a base chain with the packets that come there.
func (l *linter) entries(c *chain) []*visit {
	var out []*visit
	changed := l.changed
	for _, j := range Journeys {
		domain := l.forget(l.domain(possible(j, l.u, l.new.native, l.stateful)), &changed)
		for _, s := range l.new.stages(j) {
			if !slices.Contains(s.chains[:], c) {
				continue
			}
			k := slices.IndexFunc(out, func(v *visit) bool { return v.at == s.place })
			if k < 0 {
				out = append(out, &visit{c: c, at: s.place, reach: falseNode})
				k = len(out) - 1
			}
			out[k].reach = l.or(out[k].reach, domain)
		}
	}
	return out
}

// table visits the chains of a table that has no loops, each after all that
// lead to it.
func (l *linter) table(t *table) {
	order := callersFirst(t)
	l.alter(order)
	for _, c := range order {
		if c.base {
			l.visits[c] = l.entries(c)
		}
		for _, v := range l.visits[c] {
			l.walk(v)
		}
		l.chain(c)
		l.done[c] = true
	}
}

// callersFirst returns the chains of a table, a chain behind all that jump to
// it.
func callersFirst(t *table) []*chain {
	waiting := map[*chain]int{}
	for _, c := range t.list {
		for i := range c.rules {
			if k := c.rules[i].action.kind; k == jump || k == jumpAway {
				waiting[t.chains[c.rules[i].action.chain]]++
			}
		}
	}
	var out []*chain
	for _, c := range t.list {
		if waiting[c] == 0 {
			out = append(out, c)
		}
	}
	for at := 0; at < len(out); at++ {
		for i := range out[at].rules {
			a := &out[at].rules[i].action
			if a.kind != jump && a.kind != jumpAway {
				continue
			}
			to := t.chains[a.chain]
			if waiting[to]--; waiting[to] == 0 {
				out = append(out, to)
			}
		}
	}
	return out
}

func (l *linter) find(kind FindingKind, c *chain, s Step, by ...Step) {
	l.found[c] = append(l.found[c], Finding{Kind: kind, Family: c.table.family, Step: s, By: by})
}

// chain adds the findings of a chain.
func (l *linter) chain(c *chain) {
	visits := l.visits[c]
	if !c.base && !slices.ContainsFunc(visits, func(v *visit) bool { return v.reach != falseNode }) {
		l.find(UnusedChain, c, c.step())
		return
	}
	for i := range c.rules {
		r := &c.rules[i]
		if to := c.table.chains[r.action.chain]; to != nil && len(to.rules) == 0 {
			l.find(EmptyJump, c, r.step())
		}
		alive := slices.ContainsFunc(visits, func(v *visit) bool { return v.hits[i] != falseNode })
		switch {
		case !alive:
			l.find(NeverMatches, c, r.step(), l.takers(visits, i)...)
		case l.acceptsAll(visits, r):
			l.find(AcceptsAll, c, r.step())
		default:
			if by := l.replaced(visits, i); by != nil {
				l.find(ChangesNothing, c, r.step(), by...)
			}
		}
		if by := l.lateEstablished(visits, i); by != nil && alive {
			l.find(LateEstablished, c, r.step(), *by)
		}
	}
}

func (c *chain) step() Step {
	return Step{Backend: c.table.backend, Table: c.table.name, Chain: c.name}
}

// sortSteps puts rules into the order in which a packet meets them, a policy
// last.
func sortSteps(list []Step) []Step {
	slices.SortStableFunc(list, func(a, b Step) int { return cmp.Compare(uint(a.Index)-1, uint(b.Index)-1) })
	return slices.Compact(list)
}
