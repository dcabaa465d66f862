// Package ipset parses and formats the grammar of ipset save and ipset
// restore. See ipset(8); the details are those of ipset 7.17 and of the
// kernel's net/netfilter/ipset.
//
// # Canonical form
//
// The same sets give the same text, however and whenever they were made:
//
//   - initval, the hash seed, is dropped, as are packets and bytes.
//   - hashsize is the larger of the reported one and the smallest power of two
//     that is at least four times the number of members: the kernel grows a
//     hash when a bucket overflows, which depends on the random initval.
//   - bucketsize is dropped where it is the kernel's default of 12: an ipset
//     older than 7.11 does not know the word.
//   - Other options are spelt and ordered as ipset save does, defaults too.
//   - Members stand by address, number and text; those of a list:set keep
//     their order, which decides matches.
//   - Remaining timeouts are rounded, see Timeout.
//
// What ipset save itself loses is lost here as well: ipset 7.17 does not save
// forceadd, though the kernel reports it.
package ipset

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// Format returns the canonical dump of sets that Parse returned, in an order
// in which ipset restore can create them: lists after all others.
func Format(sets []ruleset.Set) []byte {
	n := 0
	for i := range sets {
		n += 64 + len(sets[i].Options)
		for _, m := range sets[i].Members {
			n += 6 + len(sets[i].Name) + len(m)
		}
	}
	b := bytes.NewBuffer(make([]byte, 0, n))
	ordered := slices.Clone(sets)
	slices.SortStableFunc(ordered, compareSets)
	for _, s := range ordered {
		name := quote(s.Name)
		fmt.Fprintf(b, "create %s %s", name, s.Type)
		if s.Options != "" {
			b.WriteByte(' ')
			b.WriteString(s.Options)
		}
		b.WriteByte('\n')
		for _, m := range s.Members {
			b.WriteString("add ")
			b.WriteString(name)
			b.WriteByte(' ')
			b.WriteString(m)
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// compareSets orders sets as they can be created. A list cannot hold a list
// (the kernel's IPSET_ERR_LOOP), so two classes do.
func compareSets(a, b ruleset.Set) int {
	la, lb := a.Type == "list:set", b.Type == "list:set"
	switch {
	case la && !lb:
		return 1
	case lb && !la:
		return -1
	}
	return strings.Compare(a.Name, b.Name)
}

// quote quotes a word as ipset restore reads it: only white space needs it,
// and a double quote cannot be written at all.
func quote(s string) string {
	if strings.ContainsAny(s, " \t\r\n") {
		return `"` + s + `"`
	}
	return s
}
