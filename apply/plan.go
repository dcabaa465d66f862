package apply

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// Plan is what an apply would change: data first, sent later or only shown.
type Plan struct {
	// Live is the present firewall, with those sysctls that Wanted names.
	Live *ruleset.Snapshot
	// Wanted is the firewall after the apply: the artifact's, and what is kept
	// of others in its place.
	Wanted *ruleset.Snapshot
	// Changes turn Live into Wanted; none means that nothing is sent.
	Changes []ruleset.Change
	// Foreign is the content of others that stays.
	Foreign []Foreign
	// Lost is the content of others that goes, by MergeOptions.Replace.
	Lost []Foreign
	// Regained is what a rollback brings back of what the generations that it
	// undoes had removed, NotRegained what it cannot, each with its Reason.
	Regained, NotRegained []Foreign
	// Notes say what else stays otherwise than one may expect.
	Notes []string

	lost []Foreign // as Lost, whatever Replace says
	// carried are native tables of others: part of Wanted and never sent.
	carried map[tableKey]bool
}

// MergeOptions decide about what others put into the live firewall.
type MergeOptions struct {
	Keep    Keep // stays
	Replace bool // what Keep does not match goes
	// Former has the values that sysctls of base had before fwc set them. One
	// that is no longer set goes back to that.
	Former map[string]string
}

// tableKey names a table across snapshots.
type tableKey struct {
	Backend ruleset.Backend
	Family  ruleset.Family
	Name    string
	Native  bool
}

func keyOf(t *ruleset.Table) tableKey { return tableKey{t.Backend, t.Family, t.Name, t.Native} }

// Merge plans the step from live to ours as a three-way merge whose base is
// what fwc applied last (nil: nothing yet). Content of live that neither base
// nor ours has is foreign: kept if opts vouch for it, else the error is a
// *ForeignError that lists it, unless opts.Replace. Members of a set that
// fills at run time, and empty xtables tables, are no foreign content.
func Merge(base, ours, live *ruleset.Snapshot, opts MergeOptions) (*Plan, error) {
	if err := opts.Keep.check(); err != nil {
		return nil, err
	}
	p, lost, err := merge(base, ours, live, opts)
	if err != nil {
		return nil, err
	}
	if len(lost) > 0 && !opts.Replace {
		return nil, &ForeignError{Foreign: lost}
	}
	p.Lost = lost
	return p, nil
}

// merge returns the plan that keeps what opts.Keep matches and drops what else
// is foreign, which it returns too.
func merge(base, ours, live *ruleset.Snapshot, opts MergeOptions) (*Plan, []Foreign, error) {
	if base == nil {
		base = &ruleset.Snapshot{}
	}
	m := &merger{base: base, ours: ours, live: live, keep: opts.Keep}
	p := &Plan{carried: map[tableKey]bool{}}
	wanted := newParts()
	for _, k := range tableKeys(ours, live) {
		b, o, l := tableOf(base, k), tableOf(ours, k), tableOf(live, k)
		if !k.Native {
			if t := m.table(b, o, l); t != nil {
				wanted.add(t, ours)
			}
			continue
		}
		switch t := m.native(b, o, l); t {
		case nil:
		case l:
			wanted.add(t, live)
			p.carried[k] = true
		default:
			wanted.add(t, ours)
		}
	}
	wanted.sets = m.sets()
	wanted.sysctls, p.Notes = m.sysctls(opts.Former)
	p.Live = onlySysctls(live, wanted.sysctls)
	p.Wanted = ours
	if len(m.kept) > 0 || !same(ruleset.New(nil, wanted.tables, wanted.sets, wanted.sysctls), ours) {
		var err error
		if p.Wanted, err = wanted.snapshot(); err != nil {
			return nil, nil, err
		}
	}
	p.Foreign, p.lost = m.kept, m.lost
	p.compare()
	return p, m.lost, nil
}

// compare lists the changes.
func (p *Plan) compare() { p.Changes = ruleset.Diff(settled(p.Live), settled(p.Wanted)) }

// loadable returns what of the wanted firewall an empty namespace can take:
// all but the native tables that stay untouched, and the sysctls, many of
// which a namespace has not.
func (p *Plan) loadable() (*ruleset.Snapshot, error) {
	out := newParts()
	for i := range p.Wanted.Tables {
		if t := &p.Wanted.Tables[i]; !p.carried[keyOf(t)] {
			out.add(t, p.Wanted)
		}
	}
	out.sets = p.Wanted.Sets
	return out.snapshot()
}

// tableKeys returns the tables of both snapshots, each once.
func tableKeys(snapshots ...*ruleset.Snapshot) []tableKey {
	var out []tableKey
	seen := map[tableKey]bool{}
	for _, s := range snapshots {
		for i := range s.Tables {
			if k := keyOf(&s.Tables[i]); !seen[k] {
				seen[k] = true
				out = append(out, k)
			}
		}
	}
	return out
}

func tableOf(s *ruleset.Snapshot, k tableKey) *ruleset.Table {
	for i := range s.Tables {
		if keyOf(&s.Tables[i]) == k {
			return &s.Tables[i]
		}
	}
	return nil
}

// onlySysctls returns s with those of its sysctls that the list names.
func onlySysctls(s *ruleset.Snapshot, list []ruleset.Sysctl) *ruleset.Snapshot {
	var kept []ruleset.Sysctl
	for _, v := range s.Sysctls {
		if slices.ContainsFunc(list, func(o ruleset.Sysctl) bool { return o.Key == v.Key }) {
			kept = append(kept, v)
		}
	}
	out := *s
	out.Sysctls = kept
	return &out
}

// settled returns s without what makes no difference to a packet and that the
// kernel does not reproduce: xtables tables with nothing in them, elements that
// native sets get at run time, the size of an ipset's hash, and the time that
// its members have left.
func settled(s *ruleset.Snapshot) *ruleset.Snapshot {
	out := *s
	out.Tables = slices.DeleteFunc(slices.Clone(s.Tables), func(t ruleset.Table) bool { return nothing(&t) })
	for i := range out.Tables {
		if t := &out.Tables[i]; t.Native {
			*t = *withoutDynamic(t)
		}
	}
	out.Sets = slices.Clone(s.Sets)
	for i := range out.Sets {
		set := &out.Sets[i]
		set.Options = shape(set)
		if !strings.Contains(set.Options, "timeout") {
			continue
		}
		set.Members = slices.Clone(set.Members)
		for k, member := range set.Members {
			set.Members[k] = memberKey(member)
		}
		slices.Sort(set.Members)
	}
	return &out
}

// shape returns a set's options without the size of its hash, which grows with
// the members and never shrinks.
func shape(s *ruleset.Set) string {
	f := strings.Fields(s.Options)
	for i := 0; i+1 < len(f); i++ {
		if f[i] == "hashsize" {
			return strings.Join(slices.Delete(f, i, i+2), " ")
		}
	}
	return strings.Join(f, " ")
}

// same says whether two snapshots are one firewall.
func same(a, b *ruleset.Snapshot) bool {
	return len(ruleset.Diff(settled(a), settled(b))) == 0
}
