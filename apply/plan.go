package apply

import (
	"slices"

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
	ours *ruleset.Snapshot
	// anew are native tables of fwc's that must be loaded although they are as
	// wanted, so that their chains run in the right order.
	anew map[tableKey]bool
	// carried are native tables of others, part of Wanted and never sent, and
	// tables with nothing but objects of nft, which are no part of it.
	carried map[tableKey]bool
}

// MergeOptions decide about what others put into the live firewall.
type MergeOptions struct {
	Keep    Keep // stays
	Replace bool // what Keep does not match goes
	// Former has the values that sysctls of base had before fwc set them. One
	// that is no longer set goes back to that.
	Former map[string]string

	strays strays // content of others that live does not show
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
		return nil, foreignError(lost, ours)
	}
	p.Lost = lost
	if r := rivalIn(lost); r != nil {
		p.Notes = append(p.Notes, r.Name+" puts its rules back when it starts again, unless: "+r.Stop)
	}
	return p, nil
}

// merge returns the plan that keeps what opts.Keep matches and drops what else
// is foreign, which it returns too.
func merge(base, ours, live *ruleset.Snapshot, opts MergeOptions) (*Plan, []Foreign, error) {
	if base == nil {
		base = &ruleset.Snapshot{}
	}
	p := &Plan{carried: map[tableKey]bool{}, ours: ours}
	var err error
	if p.anew, err = together(live, ours, p.own); err != nil {
		return nil, nil, err
	}
	m := &merger{base: base, ours: ours, live: live, voucher: newVoucher(opts.Keep, live), anew: p.anew}
	for _, f := range opts.strays.list {
		m.note(f)
	}
	for _, k := range opts.strays.aside {
		p.carried[k] = true
	}
	wanted := newParts()
	wanted.like = ours
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
	if len(m.kept) > 0 || !alike(ruleset.New(nil, wanted.tables, wanted.sets, wanted.sysctls), ours) {
		if p.Wanted, err = wanted.snapshot(); err != nil {
			return nil, nil, err
		}
	}
	p.Foreign, p.lost = m.kept, m.lost
	if b := beside(m.kept, ours); b != "" {
		p.Notes = append(p.Notes, "kept beside the artifact's: "+passBoth(b))
	}
	return p, m.lost, p.compare()
}

// own says whether fwc wants a table of that name: kept tables of others aside.
func (p *Plan) own(k tableKey) bool { return tableOf(p.ours, k) != nil }

// compare lists the changes.
func (p *Plan) compare() (err error) {
	p.Changes, err = changes(p.Live, p.Wanted, p.own)
	return err
}

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
