package apply

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
)

// legacySwitch holds tables of iptables-legacy and ip6tables-legacy ready, in
// the kernel's own form, under the lock that other programs wait for.
type legacySwitch struct {
	tables []*netfilter.LegacyTable
	unlock func()
}

// legacyKinds are what a legacySwitch is of.
var legacyKinds = []ruleset.Kind{ruleset.IPTables, ruleset.IP6Tables}

// takes says whether l stands for a restore of that kind and backend.
func (l *legacySwitch) takes(kind ruleset.Kind, backend ruleset.Backend) bool {
	return l != nil && backend == ruleset.Legacy && slices.Contains(legacyKinds, kind)
}

// close gives the lock back, once.
func (l *legacySwitch) close() {
	if l != nil && l.unlock != nil {
		l.unlock()
		l.unlock = nil
	}
}

// openLegacy prepares the legacy tables of ip and ip6 among those given, takes
// the lock, and sees that they are still what the change starts from. It
// returns nil if there are none, or if they cannot be prepared: then their
// restore programs say why not, or load them after all. The error is
// netfilter.ErrGeneration if others have changed them and nothing was done yet.
func (c *change) openLegacy(all []ruleset.Table, stand map[string]string) (*legacySwitch, error) {
	var dumps []ruleset.Dump
	var sets []string
	for _, kind := range legacyKinds {
		tables := ofKind(all, kind, ruleset.Legacy)
		if len(tables) == 0 {
			continue
		}
		d, err := c.counted(kind, ruleset.Legacy, tables, stand)
		if err != nil {
			return nil, err
		}
		dumps, sets = append(dumps, d), append(sets, setsIn(tables, stand)...)
	}
	if len(dumps) == 0 {
		return nil, nil
	}
	tables, err := c.loadApart(dumps, sets)
	if err != nil {
		return nil, nil
	}
	unlock, err := netfilter.LockLegacy(c.ctx, c.wait)
	if err != nil {
		return nil, err
	}
	l := &legacySwitch{tables: tables, unlock: unlock}
	if err := c.stillLegacy(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// setsIn returns the ipsets that the rules of tables name.
func setsIn(tables []ruleset.Table, stand map[string]string) (out []string) {
	for _, t := range tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				for _, s := range setsOf(r.Text) {
					if n := stand[s]; n != "" {
						s = n
					}
					out = append(out, s)
				}
			}
		}
	}
	return out
}

// loadApart loads dumps into a throwaway namespace, where sets of those names
// stand for the real ones, and returns what the kernel makes of them.
func (c *change) loadApart(dumps []ruleset.Dump, names []string) (tables []*netfilter.LegacyTable, err error) {
	slices.Sort(names)
	var sets []ruleset.Set
	for _, n := range slices.Compact(names) {
		sets = append(sets, ruleset.Set{Name: n, Type: "hash:net", Options: "family inet hashsize 64 maxelem 64"})
	}
	err = netns.Do(func() error {
		if len(sets) > 0 {
			d := ruleset.Dump{Kind: ruleset.IPSet, Text: ipset.Format(sets)}
			if err := netfilter.Restore(c.ctx, d, netfilter.RestoreOptions{}); err != nil {
				return err
			}
		}
		for _, d := range dumps {
			if err := netfilter.Restore(c.ctx, d, netfilter.RestoreOptions{Counters: true}); err != nil {
				return err
			}
		}
		tables, err = netfilter.LegacyTables()
		return err
	})
	return tables, err
}

// stillLegacy says whether the legacy tables are what the change starts from.
func (c *change) stillLegacy() error {
	if c.from.Raw == nil || c.begun {
		return nil
	}
	c.begun = true
	now, err := netfilter.CaptureLegacy(c.ctx)
	if err != nil {
		return err
	}
	for _, kind := range legacyKinds {
		if bytes.Equal(bareOf(now, kind), bareOf(c.from.Raw, kind)) {
			continue
		}
		return c.overtaken(fmt.Errorf("%s-legacy: %w", kind, netfilter.ErrGeneration))
	}
	return nil
}

// overtaken hides an ErrGeneration that comes too late for a plan from the
// start.
func (c *change) overtaken(err error) error {
	if c.out.Transactions > 0 && errors.Is(err, netfilter.ErrGeneration) {
		return errors.New(err.Error())
	}
	return err
}

// bareOf returns the legacy dump of one kind without its counters.
func bareOf(dumps []ruleset.Dump, kind ruleset.Kind) []byte {
	for _, d := range dumps {
		if d.Kind == kind && d.Backend == ruleset.Legacy {
			return bare(d)
		}
	}
	return nil
}

// switchLegacy makes the switch.
func (c *change) switchLegacy(l *legacySwitch) error {
	if l == nil {
		return nil
	}
	// What a state is put back to has its own counters.
	carry := c.to.Raw == nil && c.to.Counters == nil
	n, gap, err := netfilter.ReplaceLegacy(l.tables, netfilter.ReplaceOptions{Carry: carry})
	err = c.overtaken(err)
	c.out.Transactions += n
	if n > 1 {
		c.legacyGap = fmt.Sprintf(", %d within %v", n, gap.Round(10*time.Microsecond))
	}
	return err
}
