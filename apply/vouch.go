package apply

import (
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// voucher says who vouches for content of others: a pattern of the user's, or a
// known manager by its name.
type voucher struct {
	keep  Keep
	known []*manager // whose word counts
	live  *ruleset.Snapshot
}

// newVoucher takes the word of the known managers, but for those that keep
// names after a "!".
func newVoucher(keep Keep, live *ruleset.Snapshot) *voucher {
	v := &voucher{keep: keep, live: live}
	for i := range managers {
		if m := &managers[i]; !slices.Contains(keep, "!"+m.name) {
			v.known = append(v.known, m)
		}
	}
	return v
}

// manager returns the known manager of that name, or nil.
func (v *voucher) manager(name string) *manager {
	i := slices.IndexFunc(v.known, func(m *manager) bool { return m.name == name })
	if i < 0 {
		return nil
	}
	return v.known[i]
}

// owner returns the name of the manager that has such a pattern, or "".
func (v *voucher) owner(name string, patterns func(*manager) Keep) string {
	for _, m := range v.known {
		if patterns(m).match(name) != "" {
			return m.name
		}
	}
	return ""
}

// chain says who vouches for the name of an xtables chain.
func (v *voucher) chain(name string) string {
	if by := v.keep.match(name); by != "" {
		return by
	}
	return v.owner(name, func(m *manager) Keep { return m.chains })
}

// set says who vouches for the name of an ipset.
func (v *voucher) set(name string) string {
	if by := v.keep.match(name); by != "" {
		return by
	}
	return v.owner(name, func(m *manager) Keep { return m.sets })
}

// table says who vouches for a native table.
func (v *voucher) table(t *ruleset.Table) string {
	if by := v.keep.match(t.Name); by != "" {
		return by
	}
	return v.owner(nativeName(t.Family, t.Name), func(m *manager) Keep { return m.tables })
}

// policy says who vouches for the policy of a chain of the kernel's: a manager
// that is known to close it, and has a rule there.
func (v *voucher) policy(lt *liveTable, c *liveChain) string {
	if by := v.keep.match(c.Name); by != "" {
		return by
	}
	for _, m := range v.known {
		jumps := func(r ruleset.Rule) bool { return m.chains.match(target(r.Text)) != "" }
		if slices.Contains(m.policies, lt.Name+" "+c.Name) && slices.ContainsFunc(c.Rules, jumps) {
			return m.name
		}
	}
	return ""
}

// managed returns the manager of a chain that is not foreign: one that the
// script fills, as DOCKER-USER, although another makes it and jumps to it.
func (v *voucher) managed(c *liveChain) string {
	if c.foreign || builtin(c.Chain) {
		return ""
	}
	return v.owner(c.Name, func(m *manager) Keep { return m.chains })
}

// vouch marks what somebody vouches for: chains by name with all their rules,
// the rules that jump to a kept chain, the foreign chains that kept rules jump
// to, and the rules that a manager is known to put into the kernel's chains.
func (lt *liveTable) vouch(v *voucher) {
	w := &witness{live: v.live, table: lt.Table, known: v.known}
	for i := range lt.chains {
		c := &lt.chains[i]
		by := v.chain(c.Name)
		switch m := v.manager(by); {
		case c.foreign && m != nil && m.closes && !lt.closes(c, m):
			c.reason = m.name + " is not known to accept anything in a chain of that name"
		case c.foreign:
			c.keptBy = by
		case by != "":
			for k := range c.rules {
				c.rules[k].keptBy = by
			}
		case builtin(c.Chain):
			for k := range c.rules {
				c.rules[k].keptBy = w.rule(lt.Name, c.Name, c.Rules[c.rules[k].at].Text)
			}
		}
	}
	for lt.spread(v) {
	}
	lt.hold(v)
}

// spread passes on who vouches, from chains to the rules that jump to them and
// from rules to the chains that they jump to, and says whether it did.
func (lt *liveTable) spread(v *voucher) (again bool) {
	for i := range lt.chains {
		c := &lt.chains[i]
		for k := range c.rules {
			r := &c.rules[k]
			if c.foreign {
				r.keptBy = c.keptBy
			}
			j, ok := lt.index[r.target]
			if !ok {
				continue
			}
			to := &lt.chains[j]
			by := to.keptBy
			if !to.foreign {
				by = v.managed(to)
			}
			switch {
			case r.keptBy != "" && to.foreign && to.keptBy == "" && to.reason == "":
				to.keptBy, again = r.keptBy, true
			case r.keptBy == "" && by != "" && !c.foreign && r.reason == "":
				m := v.manager(by)
				if m != nil && !m.hooked(lt.Name, c) {
					r.reason = m.name + " is not known to put rules there"
					continue
				}
				if _, goes := jump(c.Rules[r.at].Text); goes && m != nil && m.closes {
					// What that chain leaves alone would pass by the rest of this one.
					r.reason = m.name + " is not known to go to a chain without return"
					continue
				}
				r.keptBy, again = by, true
			}
		}
	}
	return again
}

// hold finds the chains that the artifact no longer fills but that their
// manager's rules still jump to: they stay, without fwc's rules.
func (lt *liveTable) hold(v *voucher) {
	for i := range lt.chains {
		for _, r := range lt.chains[i].rules {
			j, ok := lt.index[r.target]
			if !ok || r.keptBy == "" {
				continue
			}
			if to := &lt.chains[j]; v.managed(to) != "" && chainOf(lt.ours, to.Name) == nil {
				to.held = true
			}
		}
	}
}

// closes says whether a chain does no more than drop, reject, log and return,
// or pass on to others of the manager's chains.
func (lt *liveTable) closes(c *liveChain, m *manager) bool {
	return !slices.ContainsFunc(c.Rules, func(r ruleset.Rule) bool {
		t := target(r.Text)
		if _, jumps := lt.index[t]; jumps {
			return m.chains.match(t) == ""
		}
		if t == "SET" { // of others' sets may be what lets packets in
			return slices.ContainsFunc(setsOf(r.Text), func(s string) bool { return m.sets.match(s) == "" })
		}
		return !slices.Contains(closing, t)
	})
}

// closing are the targets that let nothing pass that would not have passed
// without them.
var closing = []string{"", "RETURN", "DROP", "REJECT", "TARPIT", "LOG", "NFLOG"}

// hooked says whether a manager is known to put rules into a chain that is not
// its own. It may into every chain that is not the kernel's: somebody has led
// packets there for it.
func (m *manager) hooked(table string, c *liveChain) bool {
	return m.hooks == nil || !builtin(c.Chain) || slices.Contains(m.hooks, table+" "+c.Name)
}
