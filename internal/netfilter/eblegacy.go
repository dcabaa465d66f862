package netfilter

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// ebModules lists the tables whose legacy ebtables module is loaded, sorted.
// The kernel has no list of tables for bridges, and asking for one makes it;
// without the module there is none.
func ebModules() []string {
	text, err := os.ReadFile("/proc/modules")
	if err != nil {
		return nil
	}
	return ebModulesIn(string(text))
}

func ebModulesIn(modules string) []string {
	var names []string
	for line := range strings.Lines(modules) {
		name, _, _ := strings.Cut(line, " ")
		if t, ok := strings.CutPrefix(name, "ebtable_"); ok {
			names = append(names, t)
		}
	}
	slices.Sort(names)
	return names
}

// ebChain is the head of a chain in a listing of ebtables-legacy.
var ebChain = regexp.MustCompile(`^Bridge chain: (\S+), entries: \d+, policy: (\S+)$`)

// ebSave turns the listing of ebtables-legacy -L into a dump in the form of
// ebtables-legacy-save. That is a script, which calls the plain ebtables, and
// so may print the tables of the other backend.
func ebSave(listing []byte) ([]byte, error) {
	var table, chains, rules bytes.Buffer
	chain := ""
	for line := range strings.Lines(string(listing)) {
		line = strings.TrimSpace(line)
		name, isTable := strings.CutPrefix(line, "Bridge table: ")
		m := ebChain.FindStringSubmatch(line)
		switch {
		case line == "":
		case isTable:
			fmt.Fprintf(&table, "*%s\n", name)
		case m != nil:
			chain = m[1]
			fmt.Fprintf(&chains, ":%s %s\n", chain, m[2])
		case chain == "" || table.Len() == 0:
			return nil, fmt.Errorf("ebtables-legacy: unknown line %q", line)
		default:
			fmt.Fprintf(&rules, "-A %s %s\n", chain, line)
		}
	}
	return slices.Concat(table.Bytes(), chains.Bytes(), rules.Bytes()), nil
}
