package apply

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// Foreign is one piece of the live firewall that neither the artifact nor what
// fwc applied last has: somebody else put it there.
type Foreign struct {
	// Kind is "chain", "rule", "policy", "set" or "members" (of an ipset),
	// "table", "object" or "elements" (of native nft).
	Kind    string          `json:"kind"`
	Backend ruleset.Backend `json:"backend,omitempty"`
	Family  ruleset.Family  `json:"family,omitempty"`
	Table   string          `json:"table,omitempty"`
	Chain   string          `json:"chain,omitempty"`
	Set     string          `json:"set,omitempty"`
	// Text is the rule, the policy or the first few members of a set.
	Text string `json:"text,omitempty"`
	// Count is the number of rules of a chain or of a native table, or of a
	// set's members.
	Count int `json:"count,omitempty"`
	// KeptBy is the pattern or the known manager that vouches for it, or ""
	// where nobody does.
	KeptBy string `json:"keptBy,omitempty"`
	// Manager is KeptBy where that is a known manager: "Docker".
	Manager string `json:"manager,omitempty"`
	// Reason says why it cannot be kept although a pattern matches it.
	Reason string `json:"reason,omitempty"`
}

// String names the thing on one line, in the words of its tools.
func (f Foreign) String() string {
	var b strings.Builder
	switch f.Kind {
	case "chain":
		fmt.Fprintf(&b, "%s chain %s (%s)", f.place(), f.Chain, count(f.Count, "rule"))
	case "rule":
		fmt.Fprintf(&b, "%s -A %s %s", f.place(), f.Chain, f.Text)
	case "policy":
		fmt.Fprintf(&b, "%s -P %s %s", f.place(), f.Chain, f.Text)
	case "set":
		fmt.Fprintf(&b, "ipset %s (%s)", f.Set, count(f.Count, "member"))
	case "members":
		fmt.Fprintf(&b, "ipset %s: %s: %s", f.Set, count(f.Count, "member"), f.Text)
	case "object":
		fmt.Fprintf(&b, "%s %s %s", f.place(), f.Text, f.Set)
	case "elements":
		fmt.Fprintf(&b, "%s %s: %s: %s", f.place(), f.Set, count(f.Count, "element"), f.Text)
	case "table":
		fmt.Fprintf(&b, "nft table %s %s (%s)", f.Family, f.Table, count(f.Count, "rule"))
	}
	if f.Reason != "" {
		fmt.Fprintf(&b, ": %s", f.Reason)
	}
	return b.String()
}

// place names family, backend and table: "iptables filter",
// "ip6tables-legacy nat".
func (f Foreign) place() string {
	tool := string(f.Family.XTables())
	if tool == "" {
		tool = "nft " + string(f.Family)
	}
	if f.Backend == ruleset.Legacy {
		tool += "-legacy"
	}
	return tool + " " + f.Table
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ForeignError says that an apply would remove what fwc did not put there and
// nobody vouched for.
type ForeignError struct {
	// Foreign is what would be lost, never empty.
	Foreign []Foreign
	// Rival is the program that takes the firewall for its own, if some of the
	// content is its; nil otherwise.
	Rival *Rival
	// Beside is the backend of some of the content if the artifact has nothing
	// of that backend, but of the other; "" otherwise.
	Beside ruleset.Backend
}

func foreignError(lost []Foreign, ours *ruleset.Snapshot) *ForeignError {
	return &ForeignError{Foreign: lost, Rival: rivalIn(lost), Beside: beside(lost, ours)}
}

// Error names the first thing and how many there are.
func (e *ForeignError) Error() string {
	s := "foreign content would be lost: " + e.Foreign[0].String()
	if e.Rival != nil {
		s = e.Rival.Name + " runs this host's firewall, and two programs cannot own it: " + e.Foreign[0].String()
	}
	if n := len(e.Foreign) - 1; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	if e.Beside != "" {
		s += "; " + passBoth(e.Beside)
	}
	return s
}

// beside returns the backend of content of others that the artifact has nothing
// of although it has something of the other, or "".
func beside(list []Foreign, ours *ruleset.Snapshot) ruleset.Backend {
	has := map[ruleset.Backend]bool{}
	for i := range ours.Tables {
		has[ours.Tables[i].Backend] = true
	}
	for _, f := range list {
		if f.Backend != "" && len(has) == 1 && !has[f.Backend] {
			return f.Backend
		}
	}
	return ""
}

// passBoth says what two backends in use at once mean.
func passBoth(other ruleset.Backend) string {
	mine, theirs := "nf_tables", "the legacy backend"
	if other != ruleset.Legacy {
		mine, theirs = theirs, mine
	}
	return fmt.Sprintf("the artifact is of %s and this is of %s: packets pass the rules of both", mine, theirs)
}

// Keep vouches for content of others: patterns as path.Match has them, in
// which "*" stands for any run of characters and "?" for one, matched against
// names of xtables chains, ipsets and native tables. Known managers need no
// pattern, see managers; "!Docker" takes their word from one of them.
type Keep []string

// check returns an error that names the first malformed pattern.
func (k Keep) check() error {
	for _, p := range k {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("keep pattern %q: %w", p, err)
		}
	}
	return nil
}

// match returns the first pattern that matches the name, or "".
func (k Keep) match(name string) string {
	// A chain's name may hold a slash, which is nothing special there.
	flat := strings.NewReplacer("/", "\x00")
	name = flat.Replace(name)
	i := slices.IndexFunc(k, func(p string) bool {
		ok, err := path.Match(flat.Replace(p), name)
		return err == nil && ok
	})
	if i < 0 {
		return ""
	}
	return k[i]
}
