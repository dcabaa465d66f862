package xtables

import (
	"fmt"
	"math"
	"strings"
)

var setName = atMost(31)

// setMatches is the match on ipsets.
var setMatches = []extension{{
	name: "set",
	options: []option{
		{name: "match-set", aliases: "set", args: two, value: setName, second: setDirections, invert: true, must: true},
		{name: "return-nomatch", args: none},
		{name: "update-counters", args: none, invert: true},
		{name: "update-subcounters", args: none, invert: true},
		{name: "packets-eq", value: number(0, math.MaxUint64), invert: true},
		{name: "packets-lt", value: number(0, math.MaxUint64)},
		{name: "packets-gt", value: number(0, math.MaxUint64)},
		{name: "bytes-eq", value: number(0, math.MaxUint64), invert: true},
		{name: "bytes-lt", value: number(0, math.MaxUint64)},
		{name: "bytes-gt", value: number(0, math.MaxUint64)},
	},
	finish: setUpdates,
}}

// setUpdates drops the options to update counters, which are always updated
// unless told otherwise.
func setUpdates(_ *env, m *Module) error {
	var options []Option
	for _, o := range m.Options {
		if strings.HasPrefix(o.Name, "--update-") && !o.Negated {
			continue
		}
		options = append(options, o)
	}
	m.Options = options
	return nil
}

// setTargets is the target that changes ipsets.
var setTargets = []extension{{
	name: "SET",
	options: []option{
		{name: "add-set", args: two, value: setName, second: setDirections},
		{name: "exist", args: none},
		{name: "timeout", value: number(0, all32-1)},
		{name: "del-set", args: two, value: setName, second: setDirections},
		{name: "map-set", args: two, value: setName, second: setDirections},
		{name: "map-mark", args: none},
		{name: "map-prio", args: none},
		{name: "map-queue", args: none},
	},
	finish: atLeastOne,
}}

// setDirections is a value: src and dst, one for each dimension.
func setDirections(_ *env, s string) (string, error) {
	parts := strings.Split(s, ",")
	if len(parts) > 6 {
		return "", fmt.Errorf("cannot be more than 6 src/dst")
	}
	for i, p := range parts {
		switch {
		case strings.HasPrefix(p, "src"), strings.HasPrefix(p, "dst"):
			parts[i] = p[:3]
		default:
			return "", fmt.Errorf("not a list of src and dst")
		}
	}
	return strings.Join(parts, ","), nil
}
