package apply

import (
	"errors"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// prepare plans the transaction and touches nothing. It returns why there is
// none, if so.
func (s *oneStep) prepare() (why string, err error) {
	from, to := s.from.Snapshot, s.to.Snapshot
	s.sets = planSets(from, to)
	s.moves = s.sets.moves(from, to)
	s.tables = changedTables(from, to, s.moves.affected)
	if err := s.settleEmpty(s.tables); err != nil {
		return "", err
	}
	if s.live = s.from.Objects; s.live == nil {
		if s.live, err = netfilter.Objects(s.ctx); err != nil {
			return "", err
		}
	}
	nft := s.tables.split(&s.legacy)
	if s.moves.legacyUses(from, to) {
		return "a legacy table uses a set that changes with its rules", nil
	}
	if s.live.Generation() == 0 {
		if nft.empty() {
			return "", nil
		}
		return "this kernel has no nf_tables", nil
	}
	if nft.empty() {
		return "", nil
	}
	if s.wanted = s.to.Objects; s.wanted == nil {
		if s.wanted, err = s.loadElsewhere(nft); err != nil {
			return "", err
		}
	}
	s.script, err = s.plan(nft, s.live, s.moves.stand, nil)
	if err == nil {
		for _, what := range s.script.Renewed {
			s.out.Notes = append(s.out.Notes, what+": it is made anew, and its rules keep their counters")
		}
	}
	var un *netfilter.UncarriedError
	if errors.As(err, &un) {
		return un.Error(), nil
	}
	return "", err
}

// loadElsewhere loads what is to change into a throwaway namespace and returns
// the kernel's objects of it.
func (s *oneStep) loadElsewhere(nft *tablePlan) (objects *netfilter.State, err error) {
	p := newParts()
	for _, list := range [][]ruleset.Table{nft.load, nft.native} {
		for i := range list {
			p.add(&list[i], s.to.Snapshot)
		}
	}
	p.sets, p.like = s.to.Sets, s.to.Snapshot
	wanted, err := p.snapshot()
	if err != nil {
		return nil, err
	}
	counted, err := s.to.counted(wanted)
	if err != nil {
		return nil, err
	}
	err = netns.Do(func() error {
		if err := netfilter.LoadCounted(s.ctx, counted); err != nil {
			return err
		}
		objects, err = netfilter.Objects(s.ctx)
		return err
	})
	return objects, err
}

// counted returns s with the counters that the state is to begin with.
func (st *State) counted(s *ruleset.Snapshot) (*ruleset.Snapshot, error) {
	source := st.Counters
	if source == nil {
		source = st.Raw
	}
	if source == nil {
		return s, nil
	}
	out := *s
	out.Dumps = nil
	for _, d := range s.Dumps {
		if d.Kind.Family() != "" {
			n, err := countersOf(source, d.Kind, d.Backend, st.Snapshot)
			if err != nil {
				return nil, err
			}
			d.Text = render(d.Kind, d.Text, n, nil)
		}
		out.Dumps = append(out.Dumps, d)
	}
	return &out, nil
}

// plan writes the script from a live state. Rules of the wanted one name sets
// by their stand-ins, those of the live one are known by alias.
func (s *oneStep) plan(nft *tablePlan, live *netfilter.State, stand, alias map[string]string) (*netfilter.Script, error) {
	fates := map[string]netfilter.Fate{}
	name := func(family ruleset.Family, table string) string { return string(family) + " " + table }
	set := func(list []ruleset.Table) {
		for i := range list {
			k := keyOf(&list[i])
			f := netfilter.Edit
			other := k
			other.Native = !k.Native
			// A native table that the caller calls absent is to be made anew, and
			// so is one that changes hands.
			if k.Native && tableOf(s.from.Snapshot, k) == nil || tableOf(s.from.Snapshot, other) != nil {
				f = netfilter.Renew
			}
			if n := name(k.Family, k.Name); fates[n] < f {
				fates[n] = f
			}
		}
	}
	for _, list := range [][]ruleset.Table{nft.load, nft.drop, nft.native, nft.dropNative} {
		set(list)
	}
	return live.Script(s.wanted, netfilter.ScriptOptions{Stand: stand, Alias: alias,
		Fate: func(family ruleset.Family, table string) netfilter.Fate { return fates[name(family, table)] }})
}

// split takes the legacy tables out of a plan.
func (p *tablePlan) split(legacy *tablePlan) *tablePlan {
	nft := &tablePlan{native: p.native, dropNative: p.dropNative}
	for _, t := range p.load {
		if t.Backend == ruleset.Legacy {
			legacy.load = append(legacy.load, t)
		} else {
			nft.load = append(nft.load, t)
		}
	}
	for _, t := range p.drop {
		if t.Backend == ruleset.Legacy {
			legacy.drop = append(legacy.drop, t)
		} else {
			nft.drop = append(nft.drop, t)
		}
	}
	return nft
}

func (p *tablePlan) empty() bool {
	return len(p.load)+len(p.drop)+len(p.native)+len(p.dropNative) == 0
}
