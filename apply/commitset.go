package apply

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
)

// setPlan is how the ipsets change.
type setPlan struct {
	// create are sets to make: new ones under their own name, the others under
	// a name for the time being, see stand.
	create []ruleset.Set
	// swap are pairs: a set in use and the new content that waits beside it.
	swap [][2]string
	// update are add and del lines for sets that others fill too, which keep
	// what they hold.
	update  []string
	updated []string // those sets
	// clash are sets that a swap cannot change, since their type or family is
	// another: rules use a stand-in until the old set is gone.
	clash []ruleset.Set
	stand map[string]string // of a clash: set to stand-in
	// destroy are the sets to drop at the end, in that order.
	destroy []ruleset.Set
}

// planSets compares the sets of two states.
func planSets(from, to *ruleset.Snapshot) *setPlan {
	p := &setPlan{stand: map[string]string{}}
	name := freshNames(from, to)
	fills := dynamicSets(to)
	var spare []ruleset.Set // what is left over at the end
	for _, t := range to.Sets {
		f := setOf(from, t.Name)
		switch {
		case f == nil && !p.holdsClash(&t):
			p.create = append(p.create, t)
		case f == nil || f.Type != t.Type || familyOf(f) != familyOf(&t) || p.holdsClash(f) || p.holdsClash(&t):
			p.clash = append(p.clash, t)
			p.stand[t.Name] = name()
			p.create = append(p.create, p.renamed(t, p.stand[t.Name]))
			spare = append(spare, p.create[len(p.create)-1])
		case sameSet(f, &t):
		case fills[t.Name] && shape(f) == shape(&t):
			p.update = append(p.update, updates(f, &t)...)
			p.updated = append(p.updated, t.Name)
		default:
			n := name()
			p.create = append(p.create, p.renamed(t, n))
			p.swap = append(p.swap, [2]string{n, t.Name})
			spare = append(spare, p.create[len(p.create)-1])
		}
	}
	for _, f := range from.Sets {
		if setOf(to, f.Name) == nil {
			p.destroy = append(p.destroy, f)
		}
	}
	p.destroy = listsFirst(append(p.destroy, spare...))
	return p
}

// renamed returns a set under another name, with stand-ins in a list's place
// of the sets that have one.
func (p *setPlan) renamed(s ruleset.Set, name string) ruleset.Set {
	s.Name = name
	if s.Type == "list:set" && len(p.stand) > 0 {
		s.Members = slices.Clone(s.Members)
		for i, m := range s.Members {
			member, rest, _ := strings.Cut(m, " ")
			if n := p.stand[member]; n != "" {
				s.Members[i] = strings.TrimSpace(n + " " + rest)
			}
		}
	}
	return s
}

// listsFirst orders sets as they can be destroyed.
func listsFirst(sets []ruleset.Set) []ruleset.Set {
	slices.SortStableFunc(sets, func(a, b ruleset.Set) int {
		if al, bl := a.Type == "list:set", b.Type == "list:set"; al != bl {
			return map[bool]int{true: -1, false: 1}[al]
		}
		return 0
	})
	return sets
}

// holdsClash says whether a list refers to a set that must be replaced under
// it, so that the list must be replaced too.
func (p *setPlan) holdsClash(f *ruleset.Set) bool {
	return slices.ContainsFunc(listed(f), func(n string) bool { return p.stand[n] != "" })
}

// standInPrefix begins the names of sets that are there for the time being.
const standInPrefix = "fwc-"

// isStandIn says whether freshNames gives a name.
func isStandIn(name string) bool {
	n, ok := strings.CutPrefix(name, standInPrefix)
	_, err := strconv.Atoi(n)
	return ok && err == nil
}

// freshNames returns names that neither state uses.
func freshNames(states ...*ruleset.Snapshot) func() string {
	n := 0
	return func() string {
		for {
			n++
			name := standInPrefix + strconv.Itoa(n)
			if !slices.ContainsFunc(states, func(s *ruleset.Snapshot) bool { return setOf(s, name) != nil }) {
				return name
			}
		}
	}
}

// familyOf is a set's family as the create line has it, "" where the type has
// none.
func familyOf(s *ruleset.Set) string {
	f := strings.Fields(s.Options)
	if i := slices.Index(f, "family"); i >= 0 && i+1 < len(f) {
		return f[i+1]
	}
	return ""
}

// sameSet says whether two sets hold the same, the time left aside.
func sameSet(a, b *ruleset.Set) bool {
	return same(&ruleset.Snapshot{Sets: []ruleset.Set{*a}}, &ruleset.Snapshot{Sets: []ruleset.Set{*b}})
}

// updates returns the ipset lines that turn one set's members into another's.
func updates(from, to *ruleset.Set) (lines []string) {
	old, wanted := keys(from), keys(to)
	for _, m := range from.Members {
		if !wanted[memberKey(m)] {
			lines = append(lines, "del "+quoted(from.Name)+" "+element(m)+" -exist")
		}
	}
	for _, m := range to.Members {
		if !old[memberKey(m)] {
			lines = append(lines, "add "+quoted(to.Name)+" "+m+" -exist")
		}
	}
	return lines
}

// element is a member without its options, as del takes it. See ipset(8).
func element(member string) string {
	e, rest, _ := strings.Cut(member, " ")
	if slices.Contains(strings.Fields(rest), "nomatch") {
		e += " nomatch"
	}
	return e
}

// quoted is a set's name as ipset restore reads it.
func quoted(name string) string {
	if strings.ContainsAny(name, " \t") {
		return `"` + name + `"`
	}
	return name
}

// loadSets makes the new content and swaps it in.
func (c *change) loadSets(p *setPlan) error {
	if err := c.ipset(ipset.Format(p.create)); err != nil {
		return err
	}
	var b bytes.Buffer
	for _, s := range p.swap {
		fmt.Fprintf(&b, "swap %s %s\n", s[0], quoted(s[1]))
	}
	for _, line := range p.update {
		b.WriteString(line + "\n")
	}
	c.out.Transactions += len(p.swap) + len(p.update)
	return c.ipset(b.Bytes())
}

// settleClash replaces the sets that rules now use a stand-in for, and points
// the rules back.
func (c *change) settleClash(p *setPlan, tables *tablePlan) error {
	if len(p.clash) == 0 {
		return nil
	}
	// What goes for good goes now: a list may hold one of them.
	var gone, later []ruleset.Set
	for _, d := range p.destroy {
		if setOf(c.from.Snapshot, d.Name) != nil {
			gone = append(gone, d)
		} else {
			later = append(later, d)
		}
	}
	p.destroy = later
	for _, s := range p.clash {
		if f := setOf(c.from.Snapshot, s.Name); f != nil {
			gone = append(gone, *f)
		}
	}
	gone = listsFirst(gone)
	if err := c.destroySets(gone); err != nil {
		return err
	}
	if err := c.ipset(ipset.Format(p.clash)); err != nil {
		return err
	}
	return c.loadTables(tables, nil)
}

// destroyWait bounds the retries of a destroy: the kernel gives a rule's
// reference back some time after the rule.
const destroyWait = 2 * time.Second

func (c *change) destroySets(sets []ruleset.Set) error {
	deadline := time.Now().Add(destroyWait)
	for _, s := range sets {
		for {
			err := c.ipset([]byte("destroy " + quoted(s.Name) + "\n"))
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return err
			}
			select {
			case <-c.ctx.Done():
				return context.Cause(c.ctx)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

func (c *change) ipset(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	return netfilter.Restore(c.ctx, ruleset.Dump{Kind: ruleset.IPSet, Text: text}, netfilter.RestoreOptions{})
}
