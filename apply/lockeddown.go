package apply

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// isLockdown says whether a table is a lockdown or, if it is not native, holds
// one.
func isLockdown(t *ruleset.Table) bool {
	if t.Native {
		return t.Family == ruleset.Inet && t.Name == lockdownTable
	}
	return t.Name == "filter" && slices.ContainsFunc(t.Chains, func(c ruleset.Chain) bool { return strings.HasPrefix(c.Name, lockdownChain) })
}

// lockedDown says whether a live firewall has a lockdown in it.
func lockedDown(live *ruleset.Snapshot) bool {
	for i := range live.Tables {
		if isLockdown(&live.Tables[i]) {
			return true
		}
	}
	return false
}

// ofLockdown says whether a difference between firewalls is the lockdown's.
func ofLockdown(c ruleset.Change) bool {
	if c.Native {
		return c.Family == ruleset.Inet && c.Table == lockdownTable
	}
	if c.Table != "filter" || c.Kind != ruleset.Added {
		return false
	}
	// The table and its open hooks come with the chains where there was none.
	return strings.HasPrefix(c.Chain, lockdownChain) || strings.HasPrefix(target(c.New), lockdownChain) ||
		c.Subject == ruleset.SubjectTable || c.Subject == ruleset.SubjectChain && strings.HasSuffix(c.New, " ACCEPT")
}

// withLockdown returns base, what fwc applied last, with the lockdown that is in
// the live firewall: that is fwc's too, and goes with the next apply. The text of
// its dumps stays.
func withLockdown(base, live *ruleset.Snapshot) *ruleset.Snapshot {
	if !lockedDown(live) {
		return base
	}
	out := &ruleset.Snapshot{}
	if base != nil {
		*out = *base
		out.Tables = slices.Clone(base.Tables)
	}
	for i := range live.Tables {
		t := &live.Tables[i]
		switch {
		case !isLockdown(t):
		case t.Native:
			out.Tables = append(out.Tables, *t)
		default:
			addLockdown(out, t)
		}
	}
	return out
}

// addLockdown adds the lockdown in a live filter table to base's table.
func addLockdown(base *ruleset.Snapshot, live *ruleset.Table) {
	mine := *live
	mine.Chains = nil
	if t := tableOf(base, keyOf(live)); t != nil {
		mine.Chains = slices.Clone(t.Chains)
		base.Tables = slices.DeleteFunc(base.Tables, func(t ruleset.Table) bool { return keyOf(&t) == keyOf(live) })
	}
	for _, c := range live.Chains {
		switch {
		case strings.HasPrefix(c.Name, lockdownChain):
			mine.Chains = append(mine.Chains, c)
		case builtin(&c):
			b := mine.Chain(c.Name)
			if b == nil {
				mine.Chains = append(mine.Chains, ruleset.Chain{Name: c.Name, Policy: "ACCEPT"})
				b = &mine.Chains[len(mine.Chains)-1]
			}
			b.Rules = slices.Clone(b.Rules)
			for _, r := range c.Rules {
				if strings.HasPrefix(target(r.Text), lockdownChain) {
					b.Rules = append(b.Rules, r)
				}
			}
		}
	}
	base.Tables = append(base.Tables, mine)
}
