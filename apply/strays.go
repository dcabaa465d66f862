package apply

import (
	"context"
	"fmt"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// besideRules is why nothing of nft's can stay in a table of an iptables
// program.
const besideRules = "fwc keeps nothing of nft's in a table of iptables"

// strays are what others have put beside the rules into tables of iptables
// programs: sets, maps and stateful objects of nft, of which their saves know
// nothing.
type strays struct {
	list []Foreign
	// aside are tables that have nothing else, and that nobody touches.
	aside []tableKey
}

// straysIn returns those of a live firewall that is to become ours.
func straysIn(live *State, ours *ruleset.Snapshot) (s strays) {
	if live.Objects == nil {
		return s
	}
	for _, o := range live.Objects.Beside() {
		k := tableKey{ruleset.NFT, o.Family, o.Table, false}
		native := k
		native.Native = true
		t := tableOf(live.Snapshot, k)
		switch {
		case tableOf(live.Snapshot, native) != nil: // nft's own, and in the snapshot
		case (t == nil || nothing(t)) && tableOf(ours, k) == nil && tableOf(ours, native) == nil:
			s.aside = append(s.aside, k)
		default:
			s.list = append(s.list, Foreign{Kind: "object", Backend: ruleset.NFT, Family: o.Family, Table: o.Table,
				Text: o.Kind, Set: o.Name, Count: o.Elements, Reason: besideRules})
		}
	}
	return s
}

// hidden returns where the kernel has not what the plan wants although the saves
// print it so: a table that is switched off, a rule of nft's that iptables prints
// as another, a set. The tables that drift as text are left aside.
func (p *Plan) hidden(ctx context.Context, live *State, drift []ruleset.Change) ([]ruleset.Change, error) {
	wanted, err := p.trial(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("compare the kernel's own objects: %w", err)
	}
	skip := map[tableKey]bool{}
	for k := range p.carried {
		skip[k] = true
	}
	for _, c := range drift {
		skip[tableKey{c.Backend, c.Family, c.Table, c.Native}] = true
	}
	var out []ruleset.Change
	for _, m := range differBut(wanted, live.Objects, skip) {
		if m.Backend == ruleset.NFT { // of the others text and objects are not of one instant
			out = append(out, p.change(m))
		}
	}
	return out, nil
}

// change puts a mismatch into the words of a diff.
func (p *Plan) change(m netfilter.Mismatch) ruleset.Change {
	k, native := keysOf(m)
	t := tableOf(p.Wanted, k)
	if t == nil {
		t = tableOf(p.Wanted, native)
	}
	c := ruleset.Change{Family: m.Family, Backend: m.Backend, Table: m.Table, Native: t != nil && t.Native, Chain: m.Chain,
		Kind: ruleset.Changed, Subject: ruleset.SubjectTable, Old: m.Table, New: m.What}
	if m.Chain == "" {
		return c
	}
	c.Subject, c.Old = ruleset.SubjectChain, m.Chain
	if o := chainOf(t, m.Chain); o != nil && m.Rule >= 0 && m.Rule < len(o.Rules) {
		c.Subject, c.Old, c.OldIndex, c.NewIndex = ruleset.SubjectRule, o.Rules[m.Rule].Text, m.Rule+1, m.Rule+1
	}
	return c
}
