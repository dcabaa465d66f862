package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// OneStep commits everything of nf_tables, the tables of iptables programs and
// native ones, as one transaction of the kernel that touches nothing which is
// as wanted. Sets that change along with rules take a second one: the rules use
// stand-ins until the sets have their names back. Legacy tables are replaced one
// by one, and so is everything if a transaction cannot carry it.
type OneStep struct {
	// Wait bounds the wait for the xtables lock, 0 for no bound.
	Wait time.Duration

	fault fault
}

// Commit implements Committer. The error is netfilter.ErrGeneration if others
// have changed the firewall since from.Objects was read: then nothing is
// changed.
func (o OneStep) Commit(ctx context.Context, from, to *State) (Outcome, error) {
	s := &oneStep{change: change{ctx: ctx, wait: o.Wait, fault: o.fault, from: from, to: to}}
	why, err := s.prepare()
	if err != nil {
		return s.out, err
	}
	if why == "" {
		s.out.Exact = true
		began := time.Now()
		err = s.run()
		s.out.Took = time.Since(began)
		var refused *netfilter.BatchError
		if s.out.Transactions > 0 || !errors.As(err, &refused) {
			return s.out, err
		}
		why = refused.Error()
	}
	// What others do from here on must not be written over: the programs would.
	start := *from
	start.Objects = s.live
	out, err := PerTable(o).Commit(ctx, &start, to)
	if out.Transactions > 1 {
		out.Fallback += ": " + why
	}
	return out, err
}

// Foresee says how a commit would go, as far as that can be known, and changes
// nothing: its Fallback and its Notes.
func (o OneStep) Foresee(ctx context.Context, from, to *State) (Outcome, error) {
	s := &oneStep{change: change{ctx: ctx, wait: o.Wait, from: from, to: to}}
	why, err := s.prepare()
	switch {
	case err != nil:
	case why != "":
		s.because(tableByTable + ": " + why)
	default:
		if len(s.legacy.load)+len(s.legacy.drop) > 0 {
			s.because(legacyByTable)
		}
		if len(s.moves.stand) > 0 {
			s.because(namesBack)
		}
	}
	return s.out, err
}

// Why there is more than one transaction.
const (
	tableByTable  = "each table is replaced in a transaction of its own"
	legacyByTable = "the legacy backend replaces each table by itself"
	namesBack     = "sets that change with the rules get their names back in a second one"
)

// oneStep is one commit under way.
type oneStep struct {
	change
	tables *tablePlan // all that change
	legacy tablePlan  // those of them that are of the legacy backend
	sets   *setPlan
	moves  *setMoves
	live   *netfilter.State
	wanted *netfilter.State
	script *netfilter.Script
}

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

// run makes the change.
func (s *oneStep) run() error {
	steps := []struct {
		name string
		do   func() error
	}{
		{"sets", s.begin},
		{"tables", s.switchTables},
		{"clash", s.rebuildSets},
		{"native", s.switchBack},
		{"sysctls", s.setSysctls},
		{"destroy", func() error { return s.destroySets(s.moves.destroy) }},
	}
	for _, step := range steps {
		if err := s.ctx.Err(); err != nil {
			return context.Cause(s.ctx)
		}
		if err := s.fault.at(step.name); err != nil {
			return err
		}
		if err := step.do(); err != nil {
			return err
		}
	}
	return nil
}

// begin makes the sets that the first transaction needs.
func (s *oneStep) begin() error { return s.createSets(s.moves.create) }

// switchTables sends the transaction, then replaces the legacy tables.
func (s *oneStep) switchTables() error {
	nft := s.tables.split(new(tablePlan))
	for _, kind := range ruleset.Kinds {
		if len(ofKind(nft.load, kind, ruleset.NFT))+len(ofKind(nft.drop, kind, ruleset.NFT)) == 0 {
			continue
		}
		if err := s.fault.at("tables " + string(kind)); err != nil {
			return err
		}
	}
	if err := s.swapSets(s.moves.early); err != nil {
		return err
	}
	if err := s.send(s.script, s.live); err != nil {
		// Nothing of the firewall is changed but the sets that no rule of it
		// uses.
		if isRefusal(err) {
			err = errors.Join(err, s.swapSets(s.moves.early), s.destroySets(listsFirst(slices.Clone(s.moves.create))))
			s.out.Transactions = 0
		}
		return err
	}
	if err := s.loadTables(&s.legacy, nil); err != nil {
		return err
	}
	if len(s.legacy.load)+len(s.legacy.drop) > 0 && s.out.Transactions > 1 {
		s.because("the legacy backend replaces each table by itself" + s.legacyGap)
	}
	return nil
}

// setSysctls writes the keys that differ.
func (s *oneStep) setSysctls() error {
	before := s.out.Transactions
	err := s.loadSysctls()
	if n := s.out.Transactions - before; n > 0 && s.out.Transactions > 1 {
		s.because("a sysctl is set by itself")
	}
	return err
}

// isRefusal says whether an error of a transaction says that nothing changed.
func isRefusal(err error) bool {
	var refused *netfilter.BatchError
	return errors.Is(err, netfilter.ErrGeneration) || errors.As(err, &refused)
}

func (s *oneStep) send(script *netfilter.Script, live *netfilter.State) error {
	if script == nil || script.Empty() {
		return nil
	}
	if err := script.SendFrom(s.ctx, live); err != nil {
		return err
	}
	s.out.Transactions++
	return nil
}

// because notes why there is more than one transaction.
func (s *oneStep) because(why string) {
	if s.out.Fallback != "" {
		why = s.out.Fallback + "; " + why
	}
	s.out.Fallback = why
}

// switchBack gives the rules the sets of the stable names.
func (s *oneStep) switchBack() error {
	if len(s.moves.stand) == 0 || s.script == nil {
		return nil
	}
	alias := map[string]string{}
	for stable, stand := range s.moves.stand {
		alias[stand] = stable
	}
	nft := s.tables.split(new(tablePlan))
	for range replans {
		live, err := netfilter.Objects(s.ctx)
		if err != nil {
			return err
		}
		script, err := s.plan(nft, live, nil, alias)
		if err != nil {
			return err
		}
		if err = s.send(script, live); err == nil {
			s.because(namesBack)
			return nil
		}
		if !errors.Is(err, netfilter.ErrGeneration) {
			return err
		}
	}
	return fmt.Errorf("%w: it changed %d times while %s was switched", ErrBusy, replans, strings.Join(s.moves.names(), ", "))
}
