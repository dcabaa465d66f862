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

// tableOrder is the order of the tables in a canonical dump.
var tableOrder = []string{"raw", "mangle", "nat", "filter", "security", "broute"}

// BuiltinChains returns the names of a table's base chains in the order of
// the save, and nil for a table that the kind does not have. Every other
// chain is a user's, also one of ebtables with a policy.
func BuiltinChains(kind ruleset.Kind, table string) []string {
	return builtinChains[kind][table]
}
