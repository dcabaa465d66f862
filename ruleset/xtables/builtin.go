package xtables

import "github.com/fwc-dev/fwc/ruleset"

// builtinChains are the base chains of each table, in the order in which the
// saves print them: that of the hooks on a packet's way.
var builtinChains = map[ruleset.Kind]map[string][]string{
	ruleset.IPTables:  inetChains,
	ruleset.IP6Tables: inetChains,
	ruleset.ARPTables: {"filter": {"INPUT", "OUTPUT"}},
	ruleset.EBTables: {
		"filter": {"INPUT", "FORWARD", "OUTPUT"},
		"nat":    {"PREROUTING", "OUTPUT", "POSTROUTING"},
		"broute": {"BROUTING"},
	},
}

var inetChains = map[string][]string{
	"raw":      {"PREROUTING", "OUTPUT"},
	"mangle":   {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"},
	"nat":      {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"},
	"filter":   {"INPUT", "FORWARD", "OUTPUT"},
	"security": {"INPUT", "FORWARD", "OUTPUT"},
}

// arpLegacyChains are those of the legacy arptables: its kernel table has the
// hook of forwarded packets too (net/ipv4/netfilter/arptable_filter.c), in the
// program's listing the last. The program of nf_tables has none for it.
var arpLegacyChains = []string{"INPUT", "OUTPUT", "FORWARD"}

// baseChains returns a table's base chains in the order of the save.
func baseChains(kind ruleset.Kind, backend ruleset.Backend, table string) []string {
	if kind == ruleset.ARPTables && backend == ruleset.Legacy && table == "filter" {
		return arpLegacyChains
	}
	return builtinChains[kind][table]
}

// tableOrder is the order of the tables in a canonical dump.
var tableOrder = []string{"raw", "mangle", "nat", "filter", "security", "broute"}

// BuiltinChains returns the names of a table's base chains in the order of
// the save, and nil for a table that the kind does not have. Every other
// chain is a user's, also one of ebtables with a policy; but for FORWARD of
// the legacy arptables.
func BuiltinChains(kind ruleset.Kind, table string) []string {
	return builtinChains[kind][table]
}
