package nft

import (
	"fmt"

	"github.com/fwc-dev/fwc/ruleset"
)

// BaseChain is where a base chain hangs, in nft's words: filter, input, -150.
type BaseChain struct {
	Type, Hook string
	Priority   int
}

// String returns "type filter hook input priority -150".
func (b BaseChain) String() string {
	return fmt.Sprintf("type %s hook %s priority %d", b.Type, b.Hook, b.Priority)
}

// builtins are the tables and base chains that the nft variants of iptables,
// ip6tables, arptables and ebtables make: iptables/nft.c of 1.8.9, xtables_ipv4,
// xtables_arp and xtables_bridge. ip6 is as ip. The nft variant of ebtables has
// no table broute: one of that name is native.
var builtins = map[string]map[string]map[string]BaseChain{
	"ip": {
		"filter": {
			"INPUT": {"filter", "input", 0}, "FORWARD": {"filter", "forward", 0}, "OUTPUT": {"filter", "output", 0},
		},
		"nat": {
			"PREROUTING": {"nat", "prerouting", -100}, "INPUT": {"nat", "input", 100},
			"OUTPUT": {"nat", "output", -100}, "POSTROUTING": {"nat", "postrouting", 100},
		},
		"mangle": {
			"PREROUTING": {"filter", "prerouting", -150}, "INPUT": {"filter", "input", -150},
			"FORWARD": {"filter", "forward", -150}, "OUTPUT": {"route", "output", -150},
			"POSTROUTING": {"filter", "postrouting", -150},
		},
		"raw": {
			"PREROUTING": {"filter", "prerouting", -300}, "OUTPUT": {"filter", "output", -300},
		},
		"security": {
			"INPUT": {"filter", "input", 150}, "FORWARD": {"filter", "forward", 150}, "OUTPUT": {"filter", "output", 150},
		},
	},
	"arp": {
		"filter": {"INPUT": {"filter", "input", 0}, "OUTPUT": {"filter", "output", 0}},
	},
	"bridge": {
		"filter": {
			"INPUT": {"filter", "input", -200}, "FORWARD": {"filter", "forward", -200}, "OUTPUT": {"filter", "output", -200},
		},
		"nat": {
			"PREROUTING": {"filter", "prerouting", -300}, "OUTPUT": {"filter", "output", 100},
			"POSTROUTING": {"filter", "postrouting", 300},
		},
	},
}

// Owned says whether an iptables program owns a table, so that its save and
// not nft's listing is the table's dump. It does if it knows the table by name
// and the table's base chains are all as the program makes them: by name,
// type, hook and priority. A table without any base chain is owned if its name
// is one of theirs, as the programs list it too.
//
// A chain's Hook is as Parse has it.
func Owned(f ruleset.Family, name string, chains []ruleset.Chain) bool {
	known := OwnedChains(f, name)
	if known == nil {
		return false
	}
	for _, c := range chains {
		if c.Hook == "" {
			continue
		}
		if b, ok := known[c.Name]; !ok || c.Hook != b.String() {
			return false
		}
	}
	return true
}

// OwnedChains returns the base chains by name that an iptables program makes in
// a table; nil if none makes a table of that name. The map is not to be
// written to.
func OwnedChains(f ruleset.Family, table string) map[string]BaseChain {
	if f == ruleset.IPv6 {
		f = ruleset.IPv4
	}
	return builtins[string(f)][table]
}

// owned is Owned for a table that is being read.
func (t *table) owned() bool {
	chains := make([]ruleset.Chain, len(t.chains))
	for i, c := range t.chains {
		chains[i] = ruleset.Chain{Name: c.name, Hook: c.hookText()}
	}
	return Owned(ruleset.Family(t.family), t.name, chains)
}
