package netfilter

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset/ipset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

// NameError says that something has a name that its program prints but cannot
// read back. The kernel takes any bytes in a name, and programs that speak
// netlink themselves can give one that would be an option, a line or a command
// in a dump.
type NameError struct {
	What string // "table ip", "ipset", "chain of table ip filter"
	Name string
}

// Error names the thing and what it is.
func (e *NameError) Error() string {
	return fmt.Sprintf("%s %q: no program can load back this name", e.What, e.Name)
}

// checkNames refuses names ahead of the programs that would print them. The
// names within native tables are checked where their dump is read.
func checkNames(tables []table, sets map[string]uint32) error {
	for _, t := range tables {
		switch {
		case t.owner == native && nft.CheckName(t.name) != nil:
			return &NameError{What: "table " + string(t.family), Name: t.name}
		case t.owner != native && t.odd != "":
			return &NameError{What: "chain of table " + string(t.family) + " " + t.name, Name: t.odd}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		if ipset.CheckName(name) != nil {
			return &NameError{What: "ipset", Name: name}
		}
	}
	return nil
}

// isChainName says whether iptables takes the name of a chain and its save
// prints it as one word of one line.
func isChainName(name string) bool {
	return name != "" && name[0] != '-' && name[0] != '!' &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '"' })
}
