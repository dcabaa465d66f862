package apply

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// undone is one generation that a rollback undoes.
type undone struct {
	base   *ruleset.Snapshot // what fwc had applied before it, nil for nothing
	ours   *ruleset.Snapshot // what it applied
	before *State            // the live firewall that it replaced
	keep   Keep              // what vouched for foreign content then
}

// mergeBack is Merge for a rollback: what the undone generations removed comes
// back. Live content that does so anyway is not lost.
func mergeBack(base, ours, live *ruleset.Snapshot, opts MergeOptions, list []undone) (*Plan, error) {
	replace := opts
	replace.Replace = true
	p, err := Merge(base, ours, live, replace)
	if err != nil {
		return nil, err
	}
	for _, u := range list {
		if err := p.regain(u, ours); err != nil {
			return nil, err
		}
	}
	if len(p.Regained) > 0 {
		_, p.Lost, err = merge(base, p.Wanted, live, opts)
		if err != nil {
			return nil, err
		}
	}
	if len(p.Lost) > 0 && !opts.Replace {
		return nil, foreignError(p.Lost, ours)
	}
	return p, p.compare()
}

// regainer brings back into a plan what an undone generation removed: content
// of the live firewall of then that was neither fwc's nor kept. What was kept
// is its owner's, who may have changed it or dropped it since.
type regainer struct {
	undone
	plan *Plan
	mine *ruleset.Snapshot // the artifact that the rollback goes to
	then *Plan             // the generation's own merge

	regained []Foreign
	refused  []Foreign // what cannot be brought back, with a reason
	rules    []string  // the regained rules: the sets that they name come with them
}

// regain puts into the plan what the generation removed, where its place is
// free: a chain, set or native table of that name which others have made since
// stays as they have it. mine is what fwc wants after the rollback.
func (p *Plan) regain(u undone, mine *ruleset.Snapshot) error {
	then, _, err := merge(u.base, u.ours, u.before.Snapshot, MergeOptions{Keep: u.keep})
	if err != nil {
		return err
	}
	r := &regainer{undone: u, plan: p, mine: mine, then: then}
	if r.base == nil {
		r.base = &ruleset.Snapshot{}
	}
	out := newParts()
	out.like = p.Wanted
	for _, k := range tableKeys(p.Wanted, u.before.Snapshot) {
		now, before := tableOf(p.Wanted, k), tableOf(u.before.Snapshot, k)
		switch {
		case before == nil:
			out.add(now, p.Wanted)
		case !k.Native:
			if t := r.table(k, now, before); t != nil {
				out.add(t, p.Wanted)
			}
		default:
			from := p.Wanted
			if r.native(k, now, before) {
				now, from = before, u.before.Snapshot
			}
			if now != nil {
				out.add(now, from)
			}
		}
	}
	out.sets, out.sysctls = r.sets(), p.Wanted.Sysctls
	r.insideNative()
	p.NotRegained = append(p.NotRegained, r.refused...)
	if len(r.regained) == 0 {
		return nil
	}
	p.Regained = append(p.Regained, r.regained...)
	p.Wanted, err = out.snapshot()
	return err
}

// native says whether a native table comes back.
func (r *regainer) native(k tableKey, now, before *ruleset.Table) bool {
	f := Foreign{Kind: "table", Backend: k.Backend, Family: k.Family, Table: k.Name}
	if tableOf(r.base, k) != nil || tableOf(r.mine, k) != nil || r.keptThen(f) {
		return false
	}
	f.Count = rules(before)
	switch {
	case now == nil:
		r.regained = append(r.regained, f)
		return true
	case !sameTable(withoutDynamic(now), withoutDynamic(before)):
		r.refuse(f, "a table of that name is there now, and stays as it is")
	}
	return false
}

// keptThen says whether the generation kept a foreign thing: what f names of
// it, the rest aside.
func (r *regainer) keptThen(f Foreign) bool {
	return slices.ContainsFunc(r.then.Foreign, func(g Foreign) bool {
		return g.Kind == f.Kind && g.Backend == f.Backend && g.Family == f.Family && g.Table == f.Table &&
			g.Chain == f.Chain && g.Set == f.Set
	})
}

func (r *regainer) refuse(f Foreign, reason string) {
	f.Reason = reason
	r.refused = append(r.refused, f)
}

// table brings content of one xtables table back.
func (r *regainer) table(k tableKey, now, before *ruleset.Table) *ruleset.Table {
	base := tableOf(r.base, k)
	kept := sortOut(base, tableOf(r.ours, k), before)
	kept.vouch(newVoucher(r.keep, r.before.Snapshot))
	kept.dangling()
	lt := sortOut(base, now, before)
	out := *before
	out.Chains = nil
	if now != nil {
		out = *now
		out.Chains = slices.Clone(now.Chains)
	}
	var come []int // the chains of before whose rules come back, or some of them
	for i := range lt.chains {
		c := &lt.chains[i]
		f := Foreign{Kind: "chain", Backend: k.Backend, Family: k.Family, Table: k.Name, Chain: c.Name, Count: len(c.Rules)}
		w := chainOf(now, c.Name)
		switch {
		case kept.chains[i].foreign && kept.chains[i].keptBy != "":
		case builtin(c.Chain):
			r.policy(&out, base, c, f)
			come = append(come, i)
		case c.foreign:
			out.Chains = append(out.Chains, ruleset.Chain{Name: c.Name, Policy: c.Policy})
			r.regained = append(r.regained, f)
			come = append(come, i)
		case chainOf(base, c.Name) == nil && chainOf(tableOf(r.mine, k), c.Name) == nil:
			if !slices.EqualFunc(c.Rules, w.Rules, func(a, b ruleset.Rule) bool { return a.Text == b.Text }) {
				r.refuse(f, "a chain of that name is there now, and stays as it is")
			}
		default:
			come = append(come, i)
		}
	}
	for _, i := range come {
		r.chain(&out, lt, &kept.chains[i], i)
	}
	if now == nil && nothing(&out) {
		return nil
	}
	orderChains(out.Chains)
	return &out
}

// chain brings the rules of one chain back to their places.
func (r *regainer) chain(out *ruleset.Table, lt *liveTable, kept *liveChain, i int) {
	c := &lt.chains[i]
	var come []int
	for _, rule := range c.rules {
		if slices.ContainsFunc(kept.rules, func(q foreignRule) bool { return q.at == rule.at && q.keptBy != "" && q.reason == "" }) {
			continue
		}
		f := Foreign{Kind: "rule", Backend: lt.Backend, Family: lt.Family, Table: lt.Name, Chain: c.Name, Text: c.Rules[rule.at].Text}
		_, jumps := lt.index[rule.target]
		switch {
		case out.Chain(c.Name) == nil:
			r.refuse(f, "its chain is gone")
			continue
		case jumps && out.Chain(rule.target) == nil:
			r.refuse(f, "chain "+rule.target+" is gone")
			continue
		case !c.foreign: // a chain stands for its rules
			r.regained = append(r.regained, f)
		}
		come = append(come, rule.at)
		r.rules = append(r.rules, f.Text)
	}
	if o := out.Chain(c.Name); o != nil {
		o.Rules = place(o.Rules, c.Rules, c.known, come)
	}
}

// policy brings a hook's policy back, if it was somebody's decision: stricter
// than ACCEPT, and not fwc's.
func (r *regainer) policy(out *ruleset.Table, base *ruleset.Table, c *liveChain, f Foreign) {
	o := out.Chain(c.Name)
	if o == nil {
		out.Chains = append(out.Chains, ruleset.Chain{Name: c.Name, Policy: "ACCEPT"})
		o = &out.Chains[len(out.Chains)-1]
	}
	former := "ACCEPT"
	if b := chainOf(base, c.Name); b != nil {
		former = b.Policy
	}
	f.Kind, f.Count, f.Text = "policy", 0, c.Policy
	isTheirs := func(g Foreign) bool { return g.Kind == "policy" && g.place() == f.place() && g.Chain == f.Chain }
	if c.Policy == "ACCEPT" || c.Policy == former || c.Policy == o.Policy || r.keptThen(f) {
		return
	}
	if slices.ContainsFunc(r.plan.Foreign, isTheirs) {
		r.refuse(f, "another policy was set since, and stays")
		return
	}
	o.Policy = c.Policy
	r.regained = append(r.regained, f)
}

// insideNative lists what others had put into native tables of fwc's.
func (r *regainer) insideNative() {
	for _, f := range r.then.lost {
		if strings.HasPrefix(f.Reason, wholeNative) {
			r.refused = append(r.refused, f)
		}
	}
}
