package netfilter

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

// State is what the kernel itself holds: the expressions of nf_tables rules
// and the entries of legacy tables, in a form in which two states are equal
// exactly when they treat packets alike and carry the same comments. Handles,
// counters and what else changes at run time are left out. Get one with
// Objects.
//
// It cannot show what never reached the kernel: iptables-nft 1.8.9 leaves
// ! --dport 0:65535 out of the rule that it sends, arptables-nft the masks of
// --h-type, --h-length, --opcode and --proto-type. Of the legacy backend it has
// ip, ip6 and arp, not bridge.
type State struct {
	tables []objTable
	sets   []ruleset.Set

	// whole are the tables of nf_tables in the kernel's order and with what
	// tables leaves out because it does nothing, each thing with the message
	// that the kernel told it by.
	whole      []objTable
	generation uint32
	names      map[uint16]string // of the ipsets that rules hold, by index
}

// Generation returns the number of the ruleset that s is a picture of, which
// every change of an nf_tables object increments; 0 where the kernel has no
// nf_tables.
func (s *State) Generation() uint32 { return s.generation }

// objTable is one table of one backend.
type objTable struct {
	backend ruleset.Backend
	family  ruleset.Family
	name    string
	def     []byte      // flags and user data
	chains  []objChain  // by name
	objects []objObject // by kind and name

	raw       []byte // attributes, as the kernel told them
	flags     uint32 // enum nft_table_flags
	anonymous map[string]*objObject
	bound     map[string]bool // anonymous chains
}

// objChain is one chain.
type objChain struct {
	name  string
	base  string // "type filter hook input priority 0", "" for a user chain
	def   []byte // devices, flags, user data
	pol   string // accept, drop; "" for a user chain
	rules []objRule

	raw []byte
}

// objRule is one rule: its expressions in order.
type objRule struct {
	exprs    []expr
	userdata []byte

	raw    []byte
	handle uint64 // of the legacy backend the offset among the entries

	mark mark // once it was asked for: a State is one goroutine's at a time
}

// expr is one nf_tables expression, or one part of a legacy entry.
type expr struct {
	name string   // "payload", "match tcp", "target DNAT", "jump"
	data []byte   // everything of it that matters
	sets []string // ipsets that it names, in the place of numbers in data
}

// objObject is a named set, map, flowtable or stateful object.
type objObject struct {
	kind, name string
	def        []byte
	elems      []string // sorted

	raw   []byte
	flags uint32 // of a set: enum nft_set_flags
	parts []setElement
}

// setElement is an element of a set or map.
type setElement struct {
	whole string // all that matters of it
	raw   []byte // attributes
}

// Objects reads the kernel's own objects of both backends and the ipsets.
// The picture is consistent: it is taken anew if the ruleset changes
// meanwhile, and ErrChanging returned if that goes on.
func Objects(ctx context.Context) (*State, error) {
	nl, err := dial()
	if err != nil {
		return nil, err
	}
	defer nl.Close()
	names := &setNames{nl: nl, known: map[uint16]string{}}
	tables, generation, err := nl.objects(ctx, names)
	if err != nil {
		return nil, err
	}
	legacy, err := legacyObjects(names)
	if err != nil {
		return nil, err
	}
	s := newState(tables, generation, legacy, names)
	if s.sets, err = nl.objectSets(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Generation returns the number of the ruleset that nf_tables has in the calling
// thread's network namespace, which each change of it raises; 0 where the kernel
// has no nf_tables.
func Generation() (uint32, error) {
	nl, err := dial()
	if errors.Is(err, errAbsent) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer nl.Close()
	n, err := nl.generation()
	if errors.Is(err, errAbsent) {
		return 0, nil
	}
	return n, err
}

// newState puts a state together, its ipsets aside.
func newState(tables []objTable, generation uint32, legacy []objTable, names *setNames) *State {
	s := &State{whole: tables, generation: generation, names: names.known}
	for _, t := range slices.Concat(tables, legacy) {
		t.chains, t.objects = slices.Clone(t.chains), slices.Clone(t.objects)
		slices.SortFunc(t.chains, func(a, b objChain) int { return strings.Compare(a.name, b.name) })
		slices.SortFunc(t.objects, func(a, b objObject) int { return strings.Compare(a.kind+" "+a.name, b.kind+" "+b.name) })
		if !idle(&t) {
			s.tables = append(s.tables, t)
		}
	}
	slices.SortFunc(s.tables, func(a, b objTable) int {
		return cmp.Or(cmp.Compare(a.backend, b.backend), cmp.Compare(a.family, b.family), cmp.Compare(a.name, b.name))
	})
	return s
}

// idle drops what an iptables program makes on the way and what does nothing:
// built-in chains that accept and have no rules, then tables without content.
// iptables-nft makes chains as it needs them, iptables-nft-restore all at once.
func idle(t *objTable) bool {
	own := nft.OwnedChains(t.family, t.name)
	if own == nil {
		return false
	}
	t.chains = slices.DeleteFunc(t.chains, func(c objChain) bool {
		// Only a built-in chain of the legacy backend has a policy; arptables
		// has FORWARD too, which its nft variant has not.
		b, ok := own[c.name]
		builtin := ok && c.base == b.String() || t.backend == ruleset.Legacy && c.pol != ""
		return builtin && c.pol == "accept" && len(c.rules) == 0
	})
	return len(t.chains)+len(t.objects) == 0
}
