// Package nft parses and formats the native nftables part of a ruleset, in the
// JSON of nft -j list ruleset. See libnftables-json(5); the details are those
// of nft 1.0.6.
//
// The text listing is no dump: nft -f cannot load back what it prints for
// rules of iptables programs, and it is a language with blocks and variables.
//
// # Canonical form
//
// One JSON document that nft -j -f loads into an empty namespace, one object a
// line and one set element a line, so that text tools can compare two:
//
//   - Handles, the metainfo object, counters' values, the used part of quotas
//     and what remains of elements' timeouts are dropped. An element keeps its
//     timeout, and begins it anew when it is loaded.
//   - Tables of iptables programs are dropped, see Owned: their save has them.
//   - Per table stand the table, its chains, stateful objects, sets and maps
//     without elements, flowtables, elements, then rules: each refers only to
//     what stands before it. (nft's own listing has a verdict map before the
//     chains it jumps to, and nft cannot load that back.)
//   - Tables stand by family and name, chains without a hook by name and after
//     those with one. Base chains stand by hook and priority; those that are
//     equal in both keep the order of the listing, as the kernel runs them in
//     an order that depends on it. So do tables, if such chains are of
//     different tables.
//   - Elements of sets, named or anonymous, stand by value, but for those whose
//     order has a meaning: concatenations with ranges.
//   - Every object's keys stand in one order.
//
// # What the JSON of nft 1.0.6 does not say
//
// testdata/losses.txt lists what nft loses on the way from the kernel to its
// JSON and back, and the tests hold the list. Two functions work around it:
// Merge completes a JSON listing by the text listing of the same state, and
// Script makes of the result what nft -f loads. Only what the text listing
// loses as well is then lost: nft leaves out of it what it takes for a
// dependency of another match (meta nfproto ipv6 meta l4proto ipv6-icmp is
// listed without the first), and a level of a cgroup that has no name.
package nft

import (
	"github.com/fwc-dev/fwc/ruleset"
)

// Parse reads the output of nft -j list ruleset, or what Canonical made of it,
// and returns the native tables in canonical order; those that an iptables
// program owns are left out. Errors are of type *ruleset.SyntaxError; names and
// strings that nft's language cannot write are among them, see CheckName.
//
// A rule's Text is nft syntax, as nft list ruleset would print it with -n -s;
// Raw is its JSON. What a statement holds that this package cannot put in nft's
// words stands in the Text as JSON, never left out.
func Parse(file string, text []byte) ([]ruleset.Table, error) {
	doc, err := read(file, text)
	if err != nil {
		return nil, err
	}
	return doc.model(), nil
}

// Canonical returns the canonical document of what Parse reads. It is empty
// where no native table is left.
func Canonical(file string, text []byte) ([]byte, error) {
	_, out, err := ParseCanonical(file, text)
	return out, err
}

// ParseCanonical is Parse and Canonical in one. The rules' lines are those of
// the canonical document.
func ParseCanonical(file string, text []byte) ([]ruleset.Table, []byte, error) {
	doc, err := read(file, text)
	if err != nil {
		return nil, nil, err
	}
	out := doc.format()
	return doc.model(), out, nil
}
