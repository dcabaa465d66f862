// Package ruleset is the model that flows through fwc: the Snapshot, one
// immutable, canonically ordered picture of a netfilter state.
//
// A script becomes a Snapshot in staging, an artifact carries one, diff
// compares two, apply turns the host's into the artifact's and reads one back.
// The package imports the standard library alone; the packages below it parse
// and format the dump grammars.
package ruleset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Snapshot is one netfilter state in canonical order. Make one with New and
// treat it as immutable: it is shared freely.
type Snapshot struct {
	// Dumps are the canonical texts the rest was parsed from, in the order of
	// Kinds, nft backend before legacy. They hold no counters, no time stamps
	// and no handles.
	Dumps []Dump
	// Tables are the xtables and native nftables tables, ordered by backend,
	// family and name.
	Tables []Table
	// Sets are the ipsets, ordered as they must be created: a list:set after
	// its members, by name otherwise.
	Sets []Set
	// Sysctls are the keys below net., ordered by key.
	Sysctls []Sysctl
}

// Table is one table of one family.
type Table struct {
	Family  Family
	Backend Backend
	Name    string
	// Native says that the table belongs to nft and not to an iptables program.
	Native bool
	// Flags are a native table's flags, such as "dormant", in nft's words.
	Flags string
	// Chains are in the order of the dump: iptables-save prints base chains
	// in hook order, then user chains by name.
	Chains []Chain
	// Objects are a native table's named sets, maps, flowtables and stateful
	// objects, ordered by kind and name.
	Objects []Object
}

// Chain is one chain with its rules in order.
type Chain struct {
	Name string
	// Policy is ACCEPT, DROP, … of a base chain and "" of a user chain.
	// Native chains have it in lower case, as nft writes it.
	Policy string
	// Hook is a native base chain's "type filter hook input priority 0".
	Hook  string
	Rules []Rule
	// Line is where the dump declares the chain, from 1; 0 if unknown.
	Line int
	// PolicySource is where the script set the policy, if known.
	PolicySource Position
}

// Rule is one rule of a chain.
type Rule struct {
	// Text is the canonical rule without its chain, such as
	// "-p tcp -m tcp --dport 22 -j ACCEPT". Two rules are equal when their
	// texts are.
	Text string
	// Raw is the line of the dump that was parsed, whole.
	Raw string
	// Line is the line of the dump, from 1; 0 if unknown.
	Line int
	// Source is where the script made the rule, if known.
	Source Position
}

// Position is a place in a script. The zero Position is unknown.
type Position struct {
	File string
	Line int
}

// String returns file:line, or "" for an unknown position.
func (p Position) String() string {
	if p.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Set is one ipset. See ipset(8).
type Set struct {
	Name string
	Type string // hash:ip, list:set, …
	// Options is the canonical rest of the create line, such as
	// "family inet hashsize 1024 maxelem 65536": no initval.
	Options string
	// Members are sorted, each with its options ("192.0.2.1 nomatch"), except
	// those of a list:set, whose order has a meaning.
	Members []string
	Line    int
	Source  Position
}

// Sysctl is one kernel parameter of the network namespace.
type Sysctl struct {
	Key   string // net.ipv4.ip_forward, as sysctl(8) writes it
	Value string // single spaces between fields
}

// Object is a named object of a native nftables table.
type Object struct {
	Kind string // set, map, flowtable, counter, quota, limit, "ct helper", …
	Name string
	// Text is the declaration in canonical form, without elements.
	Text string
	// Elements are a set's or map's elements, sorted.
	Elements []string
}

// Dump is one dump of one kind, in the canonical form of its grammar.
type Dump struct {
	Kind    Kind
	Backend Backend // "" for the kinds that have none: ipset, sysctl
	Text    []byte
}

// New returns the Snapshot of the parts, each in canonical order. It takes
// ownership of the slices.
func New(dumps []Dump, tables []Table, sets []Set, sysctls []Sysctl) *Snapshot {
	slices.SortStableFunc(dumps, compareDumps)
	slices.SortStableFunc(tables, compareTables)
	slices.SortStableFunc(sysctls, func(a, b Sysctl) int { return strings.Compare(a.Key, b.Key) })
	return &Snapshot{Dumps: dumps, Tables: tables, Sets: sets, Sysctls: sysctls}
}

// Digest returns the sha256 of the canonical dumps, in hexadecimal. Equal
// digests mean equal states.
func (s *Snapshot) Digest() string {
	h := sha256.New()
	for _, d := range s.Dumps {
		fmt.Fprintf(h, "%s %d\n", d.Name(), len(d.Text))
		h.Write(d.Text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Dump returns the dump of a kind and backend, or nil.
func (s *Snapshot) Dump(k Kind, b Backend) *Dump {
	for i := range s.Dumps {
		if s.Dumps[i].Kind == k && s.Dumps[i].Backend == b {
			return &s.Dumps[i]
		}
	}
	return nil
}

// Table returns the table of that backend, family and name, or nil.
func (s *Snapshot) Table(b Backend, f Family, name string) *Table {
	for i := range s.Tables {
		if t := &s.Tables[i]; t.Backend == b && t.Family == f && t.Name == name {
			return t
		}
	}
	return nil
}

// Chain returns the chain of that name, or nil.
func (t *Table) Chain(name string) *Chain {
	for i := range t.Chains {
		if t.Chains[i].Name == name {
			return &t.Chains[i]
		}
	}
	return nil
}

// Builtin says whether the chain has a policy, that is, hangs on a hook.
func (c *Chain) Builtin() bool { return c.Policy != "" || c.Hook != "" }
