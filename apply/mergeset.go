package apply

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// sets merges the ipsets: ours, with the members that others add at run time
// where that is vouched for, and the foreign ones that are kept.
func (m *merger) sets() []ruleset.Set {
	var out []ruleset.Set
	dynamic := dynamicSets(m.ours)
	for _, o := range m.ours.Sets {
		out = append(out, m.set(o, dynamic[o.Name]))
	}
	named := map[string]string{} // to who vouches for the rule
	for _, r := range m.keptRules {
		for _, s := range setsOf(r.text) {
			named[s] = r.keptBy
		}
	}
	// Backwards: a list:set stands after its members, and keeps them.
	foreign := slices.Clone(m.live.Sets)
	for i := len(foreign) - 1; i >= 0; i-- {
		s := foreign[i]
		if setOf(m.ours, s.Name) != nil {
			continue
		}
		by := m.voucher.set(s.Name)
		if by == "" {
			by = named[s.Name]
		}
		if by == "" && setOf(m.base, s.Name) != nil {
			continue // fwc's own, and the artifact drops it
		}
		m.note(Foreign{Kind: "set", Set: s.Name, Count: len(s.Members), KeptBy: by})
		if by == "" {
			continue
		}
		for _, member := range listed(&s) {
			if named[member] == "" {
				named[member] = by
			}
		}
		out = append(out, s)
	}
	return orderSets(out)
}

// set merges one set of ours with the live one of that name.
func (m *merger) set(o ruleset.Set, dynamic bool) ruleset.Set {
	l, b := setOf(m.live, o.Name), setOf(m.base, o.Name)
	if l == nil || l.Type != o.Type {
		return o
	}
	former := keys(b)
	if b != nil && b.Type != o.Type {
		former = nil
	}
	have := keys(&o)
	if dynamic {
		return mergeDynamic(o, l, former, have)
	}
	var extra []string
	for _, member := range l.Members {
		if k := memberKey(member); !have[k] && !former[k] {
			extra = append(extra, member)
		}
	}
	if len(extra) == 0 {
		return o
	}
	f := Foreign{Kind: "members", Set: o.Name, Count: len(extra), KeptBy: m.voucher.keep.match(o.Name),
		Text: firstOf(extra)}
	m.note(f)
	if f.KeptBy != "" {
		o.Members = slices.Concat(o.Members, extra)
		if o.Type != "list:set" {
			slices.Sort(o.Members)
		}
	}
	return o
}

// mergeDynamic merges a set that the kernel or a daemon fills at run time:
// members come and go there without anybody's asking, so that only what
// changed between base and ours is changed.
func mergeDynamic(o ruleset.Set, l *ruleset.Set, former, have map[string]bool) ruleset.Set {
	var members []string
	in := map[string]bool{}
	for _, member := range l.Members {
		if k := memberKey(member); have[k] || !former[k] {
			members = append(members, member)
			in[k] = true
		}
	}
	for _, member := range o.Members {
		if k := memberKey(member); !in[k] && !former[k] {
			members = append(members, member)
		}
	}
	slices.Sort(members)
	o.Members = members
	return o
}

// dynamicSets returns the sets of a snapshot that get members at run time:
// their members expire, or a rule adds or deletes them.
func dynamicSets(s *ruleset.Snapshot) map[string]bool {
	out := map[string]bool{}
	for _, set := range s.Sets {
		if slices.Contains(strings.Fields(set.Options), "timeout") {
			out[set.Name] = true
		}
	}
	for _, t := range s.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				// A set that such a rule only asks is nobody's to fill.
				for _, name := range argsOf(r.Text, fillOptions) {
					out[name] = true
				}
			}
		}
	}
	return out
}

// memberKey is a member without the time it has left.
func memberKey(member string) string {
	f := strings.Fields(member)
	for i := 1; i+1 < len(f); i++ {
		if f[i] == "timeout" {
			return strings.Join(slices.Delete(f, i, i+2), " ")
		}
	}
	return member
}

func keys(s *ruleset.Set) map[string]bool {
	out := map[string]bool{}
	if s != nil {
		for _, member := range s.Members {
			out[memberKey(member)] = true
		}
	}
	return out
}

// listed returns the names of the sets that a list:set holds.
func listed(s *ruleset.Set) []string {
	if s.Type != "list:set" {
		return nil
	}
	var out []string
	for _, member := range s.Members {
		if name, _, _ := strings.Cut(member, " "); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// orderSets puts sets in the order of their creation: lists last.
func orderSets(sets []ruleset.Set) []ruleset.Set {
	slices.SortStableFunc(sets, func(a, b ruleset.Set) int {
		if al, bl := a.Type == "list:set", b.Type == "list:set"; al != bl {
			return map[bool]int{true: 1, false: -1}[al]
		}
		return strings.Compare(a.Name, b.Name)
	})
	return sets
}

func setOf(s *ruleset.Snapshot, name string) *ruleset.Set {
	if s == nil {
		return nil
	}
	for i := range s.Sets {
		if s.Sets[i].Name == name {
			return &s.Sets[i]
		}
	}
	return nil
}
