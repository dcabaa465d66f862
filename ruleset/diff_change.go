package ruleset

import "fmt"

// ChangeKind says what happened to the subject of a Change.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	// Moved is a rule, or a member of a list:set, that is on both sides and
	// whose place relative to its neighbours is another.
	Moved   ChangeKind = "moved"
	Changed ChangeKind = "changed"
)

// Subject says what a Change is about.
type Subject string

// The subjects of a Change.
const (
	SubjectTable   Subject = "table"
	SubjectFlags   Subject = "flags" // of a native table
	SubjectObject  Subject = "object"
	SubjectElement Subject = "element" // of a native set or map
	SubjectChain   Subject = "chain"
	SubjectHook    Subject = "hook" // of a native base chain
	SubjectPolicy  Subject = "policy"
	SubjectRule    Subject = "rule"
	SubjectSet     Subject = "set"    // an ipset
	SubjectMember  Subject = "member" // of an ipset
	SubjectSysctl  Subject = "sysctl"
)

// Change is one difference between two snapshots.
type Change struct {
	// Family, Backend, Table and Native name the table; they are empty for
	// ipsets and sysctls, which belong to none.
	Family  Family
	Backend Backend
	Table   string
	Native  bool
	// Chain is the chain of a chain, hook, policy or rule change.
	Chain string
	// Object is the name of the set or sysctl, or "KIND NAME" of a native
	// table's object.
	Object  string
	Subject Subject
	Kind    ChangeKind

	// Old and New are the two texts, "" on the side that has none; for a moved
	// rule they are equal. By subject they are: the table's name, its flags,
	// the object's declaration, an element, the chain's declaration (see
	// Chain.Declaration), a hook, a policy, a rule's text, "TYPE OPTIONS" of a
	// set, a member, a sysctl's value.
	Old, New string

	// OldIndex and NewIndex are the positions from 1 of a rule in its chain or
	// a member in its list:set; 0 on the side that has none, and where order
	// has no meaning.
	OldIndex, NewIndex int

	// Line is the line in the new dump, or in the old one of what was removed;
	// OldLine is the one in the old dump. 0 is unknown.
	Line, OldLine int
	// Source is the script's line in the same sense, and OldSource.
	Source, OldSource Position
}

// Declaration returns the chain's head as its dump writes it, without
// counters: ":INPUT DROP" and ":mine -" in an iptables-save,
// "chain input { type filter hook input priority 0; policy accept; }" in nft.
func (c *Chain) Declaration(native bool) string {
	if !native {
		if c.Policy == "" {
			return ":" + c.Name + " -"
		}
		return ":" + c.Name + " " + c.Policy
	}
	inner := ""
	if c.Hook != "" {
		inner += " " + c.Hook + ";"
	}
	if c.Policy != "" {
		inner += " policy " + c.Policy + ";"
	}
	if inner == "" {
		return "chain " + c.Name
	}
	return fmt.Sprintf("chain %s {%s }", c.Name, inner)
}
