// Package xtables parses, canonicalises and prints the dumps of iptables,
// ip6tables, arptables and ebtables: the text of their save programs and
// what people write for their restore programs.
//
// The canonical form of a rule is the text that the save of iptables 1.8.9
// prints for it, without counters: options in the order of the save, names
// as numbers where it prints numbers, defaults written out or left out as it
// does. Two rules that mean the same to the kernel have, as far as the save
// tells, one text. Where the save itself loses a match — "! --dport 0:65535"
// is saved as nothing, and so a rule that never matched becomes one that
// always does — the canonical form keeps it, so that such a rule and its
// save are not taken for equal.
//
// Everything a rule says is kept. A match or target that the package does
// not know becomes an opaque Module with its arguments in order; what is not
// a rule is an error with file and line.
package xtables

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// maxLine is the longest line that Parse reads, in bytes.
const maxLine = 1 << 20

// Parse reads a dump or restore input of a kind and returns the tables that
// it makes, in canonical order: raw, mangle, nat, filter, security, broute;
// in each the base chains in the order of their hooks and the users' chains
// by name. All base chains of a table are there, with policy ACCEPT where
// the text does not tell.
//
// The commands that a restore takes are executed: -A, -I, -R, -D, -C, -N,
// -X, -P, -F, -E; a rule with several addresses becomes several rules. What
// the restore programs refuse is an error of type *ruleset.SyntaxError, with
// two exceptions in favour of dumps that were edited or carried over: lines
// may end in CR LF, and "--dport ! 22", the negation of old, is read as
// "! --dport 22". A host name as address is kept as it is. Raw of each rule
// is its line, Text its canonical form.
func Parse(kind ruleset.Kind, backend ruleset.Backend, file string, text []byte) ([]ruleset.Table, error) {
	r := &restorer{kind: kind, backend: backend}
	if builtinChains[kind] == nil {
		return nil, &ruleset.SyntaxError{File: file, Msg: fmt.Sprintf("%s is no kind of xtables dump", kind)}
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if len(line) > maxLine {
			return nil, &ruleset.SyntaxError{File: file, Line: n, Msg: fmt.Sprintf("line longer than %d bytes", maxLine)}
		}
		if err := r.line(n, strings.TrimRight(line, "\r")); err != nil {
			return nil, located(err, file, n)
		}
	}
	if r.current != nil && r.needsCommit() {
		return nil, &ruleset.SyntaxError{File: file, Line: n + 1, Msg: "COMMIT expected"}
	}
	return r.finish(), nil
}

// located makes err a SyntaxError of that place.
func located(err error, file string, line int) error {
	var syntax *ruleset.SyntaxError
	if errors.As(err, &syntax) {
		syntax.File = file
		return syntax
	}
	return &ruleset.SyntaxError{File: file, Line: line, Msg: err.Error()}
}

// Format prints tables of one kind and backend as the save does, without
// comments and counters; chain lines of iptables and ip6tables keep [0:0].
func Format(tables []ruleset.Table) []byte {
	size := 0
	for _, t := range tables {
		for _, c := range t.Chains {
			for _, rule := range c.Rules {
				size += len(rule.Text) + len(c.Name) + 8
			}
			size += len(c.Name) + 24
		}
		size += 32
	}
	b := make([]byte, 0, size)
	for i := range tables {
		b = appendTable(b, &tables[i])
	}
	return b
}

func appendTable(b []byte, t *ruleset.Table) []byte {
	inet := t.Family == ruleset.IPv4 || t.Family == ruleset.IPv6
	b = append(b, '*')
	b = append(b, t.Name...)
	b = append(b, '\n')
	for _, c := range t.Chains {
		b = append(b, ':')
		b = append(b, c.Name...)
		b = append(b, ' ')
		switch {
		case c.Policy != "":
			b = append(b, c.Policy...)
		case t.Family == ruleset.Bridge:
			b = append(b, "ACCEPT"...)
		default:
			b = append(b, '-')
		}
		if inet {
			b = append(b, " [0:0]"...)
		}
		b = append(b, '\n')
	}
	for _, c := range t.Chains {
		for _, rule := range c.Rules {
			b = append(b, "-A "...)
			b = append(b, c.Name...)
			if rule.Text != "" || t.Family == ruleset.ARP {
				b = append(b, ' ')
			}
			b = append(b, rule.Text...)
			b = append(b, '\n')
		}
	}
	if inet {
		b = append(b, "COMMIT\n"...)
	}
	return b
}
