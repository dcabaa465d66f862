package packets

import (
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// openFamily finds the hooks that IPv4 closes and IPv6 leaves open.
func openFamily(s *ruleset.Snapshot, four, six *program) []Finding {
	if four.native || six.native || ipv6Disabled(s) || four.acyclic() != nil || six.acyclic() != nil {
		return nil
	}
	var out []Finding
	for _, name := range []string{"INPUT", "FORWARD"} {
		by, closed := four.closes(name)
		if _, also := six.closes(name); !closed || also {
			continue
		}
		step := Step{Backend: by.Backend, Table: "filter", Chain: name, Text: "ACCEPT"}
		for _, t := range six.list {
			if t.name == "filter" {
				step.Backend = t.backend
				if c := t.chains[name]; c != nil {
					step.Source = c.set
				}
			}
		}
		out = append(out, Finding{Kind: FamilyOpen, Family: ruleset.IPv6, Step: step, By: []Step{by}})
	}
	return out
}

func ipv6Disabled(s *ruleset.Snapshot) bool {
	return s != nil && slices.ContainsFunc(s.Sysctls, func(c ruleset.Sysctl) bool {
		return c.Key == "net.ipv6.conf.all.disable_ipv6" && c.Value == "1"
	})
}

// closes says whether the filter drops what comes to a hook and no rule is
// about, and by what.
func (p *program) closes(name string) (Step, bool) {
	for _, t := range p.list {
		if t.name != "filter" {
			continue
		}
		if c := t.chains[name]; c != nil {
			if by, ends := closing(c); ends && by.action().kind == finish {
				return by.step(), true
			}
		}
	}
	return Step{}, false
}

func (x decider) action() *action {
	if x.rule != nil {
		return &x.rule.action
	}
	return &x.chain.policy
}

// closing returns the rule without conditions that ends a chain, also in one
// that it leads to, or the policy.
func closing(c *chain) (decider, bool) {
	for i := range c.rules {
		r := &c.rules[i]
		if r.fits.op != always {
			continue
		}
		switch r.action.kind {
		case accept, finish:
			return decider{c, r}, true
		case jump:
			if by, ends := closing(c.table.chains[r.action.chain]); ends {
				return by, true
			}
		case jumpAway, ret:
			if r.action.kind == jumpAway {
				if by, ends := closing(c.table.chains[r.action.chain]); ends {
					return by, true
				}
			}
			return decider{c, nil}, c.base
		}
	}
	return decider{c, nil}, c.base
}
