package netfilter

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// Fate is what an edit script does with a table.
type Fate int

const (
	// Leave does not touch the table.
	Leave Fate = iota
	// Edit makes the table as it is wanted and touches nothing of it that is so
	// already. A table that is not wanted goes.
	Edit
	// Renew deletes the table and makes it again, which moves its chains behind
	// those of other tables with the same hook and priority. Rules and objects
	// that it had go on with their counters.
	Renew
)

// ScriptOptions say how far a script goes.
type ScriptOptions struct {
	// Fate decides about each table that either state has.
	Fate func(family ruleset.Family, table string) Fate
	// Stand gives another name to ipsets that wanted rules name: they are made
	// with the set of that name.
	Stand map[string]string
	// Alias gives the name under which a rule of the live state knows an ipset
	// that a wanted rule knows by another: a rule that differs in that only
	// takes its counters along.
	Alias map[string]string
}

// Script is the shortest way found from one nf_tables ruleset to another: one
// transaction, not yet sent.
type Script struct {
	ops        []op
	generation uint32 // that it starts from
	// Inserted, Deleted and Kept count rules of the tables that are edited;
	// Moved are those of both that are one rule in another place.
	Inserted, Deleted, Moved, Kept int
	// Renewed are tables that are made anew because they could not be edited,
	// each with the reason.
	Renewed []string
}

// op is one message of the transaction.
type op struct {
	msg    uint16 // NFT_MSG_*
	flags  netlink.HeaderFlags
	family byte
	attrs  []byte
	fix    []fixup
	what   string // what it is about, for an error
}

// fixup is a place in a message for the index of an ipset.
type fixup struct {
	at  int
	set string
}

// Empty says whether there is nothing to do.
func (s *Script) Empty() bool { return len(s.ops) == 0 }

// Len returns the number of messages.
func (s *Script) Len() int { return len(s.ops) }

// UncarriedError says that a ruleset has something that no script can make, so
// that it must be loaded in another way.
type UncarriedError struct {
	Table string // "ip6 filter"
	What  string
}

// Error names the table and the thing.
func (e *UncarriedError) Error() string {
	return fmt.Sprintf("table %s has %s, which only its own program can load", e.Table, e.What)
}

// The parts of a transaction, in the order in which they are sent. Policies
// come first: the kernel sets them while it walks through the transaction,
// after the one instant at which all rules change. New base chains are hooked
// at once, and so accept until then. What is used is made before what uses it,
// and deleted after.
const (
	partPolicies = iota
	partGone     // tables
	partTables
	partChains
	partNewPolicies
	partObjects
	partSets
	partElements
	partRules
	partLeftovers // sets, objects, then chains that are used no more
	partCount
)

// scripter writes a script.
type scripter struct {
	opts         ScriptOptions
	live, wanted *State
	parts        [partCount][]op
	script       Script
	sets         uint32 // ids given to sets of this transaction
	err          error
}

// Script returns what turns the nf_tables tables of live into those of wanted,
// which may have been read in another network namespace. The error is an
// *UncarriedError if there is no such script.
func (live *State) Script(wanted *State, opts ScriptOptions) (*Script, error) {
	s := &scripter{opts: opts, live: live, wanted: wanted}
	s.script.generation = live.generation
	former := map[*objTable]*objTable{} // of those to build
	pair(live.whole, wanted.whole, func(t objTable) string { return string(t.family) + " " + t.name }, func(l, w *objTable) {
		t := cmp.Or(l, w)
		fate := opts.Fate(t.family, t.name)
		switch {
		case fate == Leave:
			return
		case w == nil:
			s.drop(l)
			return
		case l == nil:
			former[w] = &objTable{}
			return
		}
		if fate == Edit {
			reason := uneditable(l, w)
			if reason == "" {
				s.edit(l, w)
				return
			}
			s.script.Renewed = append(s.script.Renewed, fmt.Sprintf("table %s %s: %s", t.family, t.name, reason))
		}
		s.drop(l)
		former[w] = l
	})
	for i := range wanted.whole { // in the order in which their chains are to run
		if f := former[&wanted.whole[i]]; f != nil {
			s.build(&wanted.whole[i], f)
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	s.script.ops = slices.Concat(s.parts[:]...)
	return &s.script, nil
}

// add puts a message into a part of the transaction.
func (s *scripter) add(part int, t *objTable, msg uint16, flags netlink.HeaderFlags, attrs []byte, what string) {
	s.parts[part] = append(s.parts[part], op{msg: msg, flags: flags, family: familyNumber(t.family), attrs: attrs, what: what})
}

// fail ends the work: the script cannot be written.
func (s *scripter) fail(t *objTable, what string) {
	if s.err == nil {
		s.err = &UncarriedError{Table: string(t.family) + " " + t.name, What: what}
	}
}

func familyNumber(f ruleset.Family) byte {
	for n, name := range families {
		if name == f {
			return n
		}
	}
	return unix.NFPROTO_UNSPEC
}

// uneditable returns why a table cannot be changed in place, "" if it can.
func uneditable(l, w *objTable) (why string) {
	if !bytes.Equal(l.def, w.def) {
		return "its flags or comment change"
	}
	pair(l.objects, w.objects, func(o objObject) string { return o.kind + " " + o.name }, func(x, y *objObject) {
		switch {
		case x == nil || y == nil:
		case !bytes.Equal(x.def, y.def):
			why = fmt.Sprintf("%s %s is defined otherwise", x.kind, x.name)
		case x.flags&nftSetConstant != 0 && !slices.Equal(x.elems, y.elems):
			why = fmt.Sprintf("the elements of the constant set %s change", x.name)
		}
	})
	pair(l.chains, w.chains, func(c objChain) string { return c.name }, func(x, y *objChain) {
		if x != nil && y != nil && (x.base != y.base || !bytes.Equal(x.def, y.def)) {
			why = fmt.Sprintf("chain %s is hooked otherwise, or its flags or comment change", x.name)
		}
	})
	if why == "" && !sameOrder(l, w) {
		why = "chains of one hook and priority run in another order"
	}
	return why
}

// sameOrder says whether base chains of one hook and priority would run in the
// wanted order if those that are there stay and the others come behind.
func sameOrder(l, w *objTable) bool {
	at := map[string][]string{}
	for i := range l.chains {
		if c := &l.chains[i]; c.base != "" && chainOf(w, c.name) != nil {
			at[c.base] = append(at[c.base], c.name)
		}
	}
	for i := range w.chains {
		if c := &w.chains[i]; c.base != "" && chainOf(l, c.name) == nil {
			at[c.base] = append(at[c.base], c.name)
		}
	}
	for i := range w.chains {
		if c := &w.chains[i]; c.base != "" {
			if at[c.base][0] != c.name {
				return false
			}
			at[c.base] = at[c.base][1:]
		}
	}
	return true
}

// drop deletes a table. A chain that dies is a moment longer in its hook than
// its rules: until then it accepts.
func (s *scripter) drop(t *objTable) {
	for i := range t.chains {
		if t.chains[i].pol == "drop" {
			s.policy(partPolicies, t, &t.chains[i], "accept")
		}
	}
	s.add(partGone, t, unix.NFT_MSG_DELTABLE, 0, text(nil, unix.NFTA_TABLE_NAME, t.name), "table "+t.name)
	for i := range t.chains {
		s.script.Deleted += len(t.chains[i].rules)
	}
}

// build makes a table that is not there, or no more: former is what was there.
func (s *scripter) build(t, former *objTable) {
	s.add(partTables, t, unix.NFT_MSG_NEWTABLE, netlink.Create, only(t.raw, unix.NFTA_TABLE_NAME, unix.NFTA_TABLE_FLAGS, nftaTableUserdata),
		"table "+t.name)
	s.objects(t, &objTable{}, former)
	for i := range t.chains {
		s.newChain(t, &t.chains[i])
		s.rules(t, t, &t.chains[i], &objChain{}, chainOf(former, t.chains[i].name))
	}
}

// edit changes a table in place.
func (s *scripter) edit(l, w *objTable) {
	s.objects(w, l, l)
	pair(l.chains, w.chains, func(c objChain) string { return c.name }, func(x, y *objChain) {
		switch {
		case y == nil:
			if x.pol == "drop" {
				s.policy(partPolicies, l, x, "accept")
			}
			s.rules(l, w, &objChain{name: x.name}, x, x)
			s.add(partLeftovers, l, unix.NFT_MSG_DELCHAIN, 0, s.named(l, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME, x.name),
				"chain "+x.name)
		case x == nil:
			s.newChain(w, y)
			s.rules(l, w, y, &objChain{name: y.name}, nil)
		default:
			if x.pol != y.pol {
				s.policy(partPolicies, w, y, y.pol)
			}
			s.rules(l, w, y, x, x)
		}
	})
}

// newChain makes a chain without rules.
func (s *scripter) newChain(t *objTable, c *objChain) {
	what := "chain " + c.name
	raw := only(c.raw, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME, unix.NFTA_CHAIN_HOOK, unix.NFTA_CHAIN_TYPE,
		nftaChainFlags, nftaChainUserdata, unix.NFTA_CHAIN_COUNTERS)
	s.add(partChains, t, unix.NFT_MSG_NEWCHAIN, netlink.Create, raw, what)
	if c.pol == "drop" {
		s.policy(partNewPolicies, t, c, c.pol)
	}
}

// policy sets a base chain's policy.
func (s *scripter) policy(part int, t *objTable, c *objChain, policy string) {
	v := map[string]uint32{"drop": 0, "accept": 1}[policy] // NF_DROP, NF_ACCEPT
	attrs := s.named(t, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME, c.name)
	attrs = attr(attrs, unix.NFTA_CHAIN_POLICY, binary.BigEndian.AppendUint32(nil, v))
	s.add(part, t, unix.NFT_MSG_NEWCHAIN, 0, attrs, "policy of chain "+c.name)
}

// named begins the attributes of a message about something in a table.
func (s *scripter) named(t *objTable, table, name uint16, n string) []byte {
	return text(text(nil, table, t.name), name, n)
}

// text appends an attribute that is a C string.
func text(b []byte, typ uint16, v string) []byte { return attr(b, typ, append([]byte(v), 0)) }

// only returns the attributes of b of some types, unchanged.
func only(b []byte, types ...uint16) (out []byte) {
	for typ, whole := range wholeAttributes(b) {
		if slices.Contains(types, typ) {
			out = append(out, whole...)
		}
	}
	return out
}

func chainOf(t *objTable, name string) *objChain {
	if t == nil {
		return nil
	}
	if i := slices.IndexFunc(t.chains, func(c objChain) bool { return c.name == name }); i >= 0 {
		return &t.chains[i]
	}
	return nil
}
