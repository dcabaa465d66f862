package apply

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// sets brings ipsets and their members back.
func (r *regainer) sets() []ruleset.Set {
	named := map[string]bool{}
	for _, rule := range r.rules {
		for _, s := range setsOf(rule) {
			named[s] = true
		}
	}
	out := slices.Clone(r.plan.Wanted.Sets)
	dynamic := dynamicSets(r.plan.Wanted)
	before := r.before.Sets
	for i := len(before) - 1; i >= 0; i-- { // backwards: lists before what they hold
		s := before[i]
		if k := slices.IndexFunc(out, func(o ruleset.Set) bool { return o.Name == s.Name }); k >= 0 {
			if !dynamic[s.Name] {
				r.members(&out[k], s)
			}
			continue
		}
		if !named[s.Name] && (setOf(r.base, s.Name) != nil || r.keptThen(Foreign{Kind: "set", Set: s.Name})) {
			continue
		}
		for _, name := range listed(&s) {
			named[name] = true
		}
		out = append(out, s)
		r.regained = append(r.regained, Foreign{Kind: "set", Set: s.Name, Count: len(s.Members)})
	}
	return orderSets(out)
}

// members brings back what others had put into a set of fwc's. A set of
// theirs stays as they have it.
func (r *regainer) members(to *ruleset.Set, before ruleset.Set) {
	if r.keptThen(Foreign{Kind: "members", Set: to.Name}) || r.keptThen(Foreign{Kind: "set", Set: to.Name}) {
		return
	}
	f := Foreign{Kind: "members", Set: to.Name}
	have, former := keys(to), keys(setOf(r.base, to.Name))
	var extra []string
	for _, m := range before.Members {
		if k := memberKey(m); !have[k] && !former[k] {
			extra = append(extra, m)
		}
	}
	if len(extra) == 0 {
		return
	}
	f.Count, f.Text = len(extra), firstOf(extra)
	if setOf(r.mine, to.Name) == nil || to.Type != before.Type || familyOf(to) != familyOf(&before) {
		r.refuse(f, "a set of that name is there now, and stays as it is")
		return
	}
	to.Members = slices.Concat(to.Members, extra)
	if to.Type != "list:set" {
		slices.Sort(to.Members)
	}
	r.regained = append(r.regained, f)
}

// firstOf names the first few members of a set.
func firstOf(members []string) string {
	s := strings.Join(members[:min(3, len(members))], ", ")
	if len(members) > 3 {
		s += ", …"
	}
	return s
}
