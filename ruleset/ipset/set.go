package ipset

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// set is a set while its dump is read.
type set struct {
	name string
	typ  *setType
	line int
	// options are the create options that were given, in canonical spelling
	// and without those that options() computes.
	options map[string]string

	v6               bool
	hashsize         uint32
	maxelem          uint32
	timeout          uint32
	low, high        uint32 // of a bitmap
	netmask          int    // -1 without
	bitmask          netip.Addr
	markmask         uint32
	timed            bool
	skbinfo, comment bool
	counters         bool

	order        []string // of a list:set: member names
	members      map[string]member
	scratch      []element // reused from one add to the next
	scratchAtoms []atom
}

// member is one element with its options as they stand in the dump.
type member struct {
	key     string
	options string
}

// snapshot returns the set in canonical form.
func (s *set) snapshot() ruleset.Set {
	type entry struct{ key, text string }
	entries := make([]entry, 0, len(s.members))
	for text, m := range s.members {
		if m.options != "" {
			text += " " + m.options
		}
		entries = append(entries, entry{m.key, text})
	}
	if s.typ.name == "list:set" {
		at := make(map[string]int, len(s.order))
		for i, n := range s.order {
			at[n] = i
		}
		slices.SortFunc(entries, func(a, b entry) int { return at[a.key] - at[b.key] })
	} else {
		slices.SortFunc(entries, func(a, b entry) int {
			if c := strings.Compare(a.key, b.key); c != 0 {
				return c
			}
			return strings.Compare(a.text, b.text)
		})
	}
	out := ruleset.Set{Name: s.name, Type: s.typ.name, Options: s.describe(), Line: s.line}
	for _, e := range entries {
		out.Members = append(out.Members, e.text)
	}
	return out
}

// describe returns the options of the create line.
func (s *set) describe() string {
	var words []string
	for _, o := range s.typ.create {
		switch o {
		case "family":
			if s.v6 {
				words = append(words, "family inet6")
			} else {
				words = append(words, "family inet")
			}
		case "hashsize":
			words = append(words, "hashsize "+strconv.FormatUint(uint64(s.canonicalHashsize()), 10))
		case "maxelem":
			words = append(words, "maxelem "+strconv.FormatUint(uint64(s.maxelem), 10))
		default:
			v, ok := s.options[o]
			switch {
			case ok && v == "":
				words = append(words, o)
			case ok:
				words = append(words, o+" "+v)
			}
		}
	}
	return strings.Join(words, " ")
}

// canonicalHashsize is the larger of what the dump says and the smallest power
// of two that is four times the number of members.
func (s *set) canonicalHashsize() uint32 {
	want := uint64(4 * len(s.members))
	if want <= uint64(s.hashsize) {
		return s.hashsize
	}
	return uint32(min(1<<bits.Len64(want-1), 1<<31))
}

// powerOfTwo returns the hash size that the kernel makes of a wish: at least
// 64, the next power of two (hash create in ip_set_hash_gen.h).
func powerOfTwo(n uint32) uint32 {
	if n <= 64 {
		return 64
	}
	if n > 1<<31 {
		return 1 << 31
	}
	return 1 << bits.Len32(n-1)
}

// add puts elements in. The options are canonical already.
func (s *set) add(elems []element, options string, exist bool) error {
	for _, e := range elems {
		if _, ok := s.members[e.text]; ok {
			if !exist {
				return fmt.Errorf("%s is in set %s already", e.text, s.name)
			}
		} else if s.typ.hash() && uint32(len(s.members)) >= s.maxelem {
			return fmt.Errorf("set %s is full: it holds maxelem %d", s.name, s.maxelem)
		}
		s.members[e.text] = member{e.key, options}
	}
	return nil
}

func (s *set) del(elems []element, exist bool) error {
	for _, e := range elems {
		if _, ok := s.members[e.text]; !ok && !exist {
			return fmt.Errorf("%s is not in set %s", e.text, s.name)
		}
		delete(s.members, e.text)
		if i := slices.Index(s.order, e.key); i >= 0 {
			s.order = slices.Delete(s.order, i, i+1)
		}
	}
	return nil
}

func (s *set) flush() {
	clear(s.members)
	s.order = nil
}
