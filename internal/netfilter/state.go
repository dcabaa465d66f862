package netfilter

import (
	"cmp"
	"context"
	"slices"

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
}

// objTable is one table of one backend.
type objTable struct {
	backend ruleset.Backend
	family  ruleset.Family
	name    string
	def     []byte      // flags and user data
	chains  []objChain  // by name
	objects []objObject // by kind and name
}

// objChain is one chain.
type objChain struct {
	name  string
	base  string // "type filter hook input priority 0", "" for a user chain
	def   []byte // devices, flags, user data
	pol   string // accept, drop; "" for a user chain
	rules []objRule
}

// objRule is one rule: its expressions in order.
type objRule struct {
	exprs    []expr
	userdata []byte
}

// expr is one nf_tables expression, or one part of a legacy entry.
type expr struct {
	name string // "payload", "match tcp", "target DNAT", "jump"
	data []byte // everything of it that matters
}

// objObject is a named set, map, flowtable or stateful object.
type objObject struct {
	kind, name string
	def        []byte
	elems      []string // sorted
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
	tables, err := nl.objects(ctx, names)
	if err != nil {
		return nil, err
	}
	legacy, err := legacyObjects(names)
	if err != nil {
		return nil, err
	}
	s := &State{}
	for _, t := range append(tables, legacy...) {
		if !idle(&t) {
			s.tables = append(s.tables, t)
		}
	}
	slices.SortFunc(s.tables, func(a, b objTable) int {
		return cmp.Or(cmp.Compare(a.backend, b.backend), cmp.Compare(a.family, b.family), cmp.Compare(a.name, b.name))
	})
	if s.sets, err = nl.objectSets(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// idle drops what an iptables program makes on the way and what does nothing:
// built-in chains that accept and have no rules, then tables without content.
// iptables-nft makes chains as it needs them, iptables-nft-restore all at once.
func idle(t *objTable) bool {
	own := nft.OwnedChains(t.family, t.name)
	if own == nil || len(t.objects) > 0 {
		return false
	}
	t.chains = slices.DeleteFunc(t.chains, func(c objChain) bool {
		// Only a built-in chain of the legacy backend has a policy; arptables
		// has FORWARD too, which its nft variant has not.
		b, ok := own[c.name]
		builtin := ok && c.base == b.String() || t.backend == ruleset.Legacy && c.pol != ""
		return builtin && c.pol == "accept" && len(c.rules) == 0
	})
	return len(t.chains) == 0
}
