package apply

import (
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// theirs adds to the way back what others have put into the firewall since the
// change began: content of now that neither the former firewall nor the wanted
// one has. target is the way back without it. It returns target itself where
// there is no such content, which it lists as kept; what cannot stay is lost.
func (s *store) theirs(now, before, target *ruleset.Snapshot) (with *ruleset.Snapshot, kept, lost []Foreign) {
	p := s.Pending
	g, err := s.generation(p.Generation)
	if err != nil {
		return target, nil, nil
	}
	wanted, err := s.applied(g)
	if err != nil {
		return target, nil, nil // then nothing tells theirs from ours
	}
	live := withoutStandIns(now, before, wanted, &p.Touched)
	m := &merger{base: wanted, ours: before, live: live, voucher: newVoucher(Keep{"*"}, live)}
	out := newParts()
	out.like = target
	for _, k := range tableKeys(target, now) {
		t, l := tableOf(target, k), tableOf(m.live, k)
		if l != nil && p.Touched.table(k) {
			b, o := tableOf(wanted, k), tableOf(before, k)
			if k.Native {
				m.nativeForeign(b, o, l)
			} else {
				t = m.table(b, o, l)
			}
		}
		if t != nil {
			out.add(t, target)
		}
	}
	out.sets, out.sysctls = slices.Clone(target.Sets), target.Sysctls
	for i := range out.sets {
		m.since(&out.sets[i], &p.Touched)
	}
	if len(m.kept) == 0 {
		return target, nil, m.lost
	}
	if with, err = out.snapshot(); err != nil {
		return target, nil, append(m.lost, m.kept...)
	}
	return with, m.kept, m.lost
}

// since adds the members that others have put into a set.
func (m *merger) since(o *ruleset.Set, t *touchedSet) {
	l, b := setOf(m.live, o.Name), setOf(m.base, o.Name)
	if l == nil || !slices.Contains(t.Sets, o.Name) {
		return
	}
	have, wanted := keys(o), keys(b)
	var extra []string
	for _, member := range l.Members {
		if k := memberKey(member); !have[k] && !wanted[k] {
			extra = append(extra, member)
		}
	}
	if len(extra) == 0 {
		return
	}
	f := Foreign{Kind: "members", Set: o.Name, Count: len(extra), Text: firstOf(extra)}
	if l.Type != o.Type || shape(l) != shape(o) {
		f.Reason = "the set was of another type or had other options"
		m.lost = append(m.lost, f)
		return
	}
	o.Members = slices.Concat(o.Members, extra)
	if o.Type != "list:set" {
		slices.Sort(o.Members)
	}
	m.kept = append(m.kept, f)
}

// withoutStandIns returns now without the rules that name a set by the name
// that a change gives it for the time being: those are fwc's.
func withoutStandIns(now, before, wanted *ruleset.Snapshot, t *touchedSet) *ruleset.Snapshot {
	standIn := func(name string) bool {
		return slices.Contains(t.Sets, name) && setOf(before, name) == nil && setOf(wanted, name) == nil
	}
	if !slices.ContainsFunc(t.Sets, standIn) {
		return now
	}
	out := *now
	out.Tables = slices.Clone(now.Tables)
	for i := range out.Tables {
		table := &out.Tables[i]
		if table.Native {
			continue
		}
		table.Chains = slices.Clone(table.Chains)
		for k := range table.Chains {
			c := &table.Chains[k]
			c.Rules = slices.DeleteFunc(slices.Clone(c.Rules), func(r ruleset.Rule) bool {
				return slices.ContainsFunc(setsOf(r.Text), standIn)
			})
		}
	}
	return &out
}
