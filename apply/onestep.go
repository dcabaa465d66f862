package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
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
