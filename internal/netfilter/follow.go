package netfilter

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// Follow makes the script start from now in the place of before, which it was
// written from, if nothing that it touches has changed in between: no chain
// that it names has other rules or another policy, and no table of which it
// names a set or an object has others. It says whether it does. What others
// change elsewhere meanwhile is then theirs, and stays.
func (s *Script) Follow(before, now *State) bool {
	for p := range s.touched() {
		was, is := tableIn(before, p.family, p.table), tableIn(now, p.family, p.table)
		switch {
		case (was == nil) != (is == nil):
			return false
		case was == nil:
		case p.whole && !sameObjects(was, is):
			return false
		case !bytes.Equal(was.def, is.def) || p.chain != "" && !untouched(chainOf(was, p.chain), chainOf(is, p.chain)):
			return false
		}
	}
	s.generation = now.generation
	return true
}

// followFor bounds how long SendFrom follows what others change.
const followFor = 5 * time.Second

// SendFrom is Send that does not give up where others have changed something
// since before, which the script was written from, as long as the script does
// not touch that: between the last look at the ruleset and the transaction is
// then no more than a moment.
func (s *Script) SendFrom(ctx context.Context, before *State) error {
	err := s.Send(ctx)
	for start := time.Now(); errors.Is(err, ErrGeneration) && time.Since(start) < followFor && ctx.Err() == nil; {
		now, rerr := glance(ctx)
		if errors.Is(rerr, errInterrupted) || errors.Is(rerr, unix.ENOENT) {
			continue // a change came between: look again
		}
		if rerr != nil || !s.Follow(before, now) {
			return err
		}
		err = s.Send(ctx)
	}
	return err
}

// glance reads the objects of nf_tables, and ahead of them the generation: what
// starts from that is refused if they have changed since.
func glance(ctx context.Context) (*State, error) {
	nl, err := dial()
	if err != nil {
		return nil, err
	}
	defer nl.Close()
	generation, err := nl.generation()
	if err != nil {
		return nil, err
	}
	names := &setNames{nl: nl, known: map[uint16]string{}}
	tables, err := nl.objectsOnce(ctx, names)
	return &State{whole: tables, generation: generation, names: names.known}, err
}

// place is a chain, or with whole all of a table, that a script touches.
type place struct {
	family       ruleset.Family
	table, chain string
	whole        bool
}

// touched returns what the messages are about.
func (s *Script) touched() map[place]bool {
	out := map[place]bool{}
	for _, o := range s.ops {
		p := place{family: families[o.family]}
		var name string
		for typ, v := range attributes(o.attrs) {
			switch typ { // the first two of every message about something in a table
			case 1: // NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE, …
				p.table = cstring(v)
			case unix.NFTA_RULE_CHAIN:
				if o.msg == unix.NFT_MSG_NEWRULE || o.msg == unix.NFT_MSG_DELRULE {
					name = cstring(v)
				}
			case unix.NFTA_CHAIN_NAME:
				if o.msg == unix.NFT_MSG_NEWCHAIN || o.msg == unix.NFT_MSG_DELCHAIN {
					name = cstring(v)
				}
			}
		}
		p.chain, p.whole = name, name == ""
		out[p] = true
	}
	return out
}

func tableIn(s *State, f ruleset.Family, name string) *objTable {
	i := slices.IndexFunc(s.whole, func(t objTable) bool { return t.family == f && t.name == name })
	if i < 0 {
		return nil
	}
	return &s.whole[i]
}

// untouched says whether a chain is what it was, to the handles of its rules.
func untouched(a, b *objChain) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.base == b.base && a.pol == b.pol && bytes.Equal(a.def, b.def) &&
		slices.EqualFunc(a.rules, b.rules, func(x, y objRule) bool {
			return x.handle == y.handle && bytes.Equal(x.userdata, y.userdata) && x.entryKey() == y.entryKey()
		})
}

// sameObjects says whether all of a table is what it was.
func sameObjects(a, b *objTable) bool {
	return slices.EqualFunc(a.chains, b.chains, func(x, y objChain) bool { return x.name == y.name && untouched(&x, &y) }) &&
		slices.EqualFunc(byName(a.objects), byName(b.objects), func(x, y objObject) bool {
			return x.kind == y.kind && x.name == y.name && bytes.Equal(x.def, y.def) && slices.Equal(x.elems, y.elems)
		})
}

func byName(list []objObject) []objObject {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b objObject) int { return strings.Compare(a.kind+" "+a.name, b.kind+" "+b.name) })
	return out
}
