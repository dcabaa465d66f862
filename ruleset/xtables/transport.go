package xtables

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

const allPorts, allSPIs = "0:65535", "0:4294967295"

// transportMatches are the matches of the transport protocols.
var transportMatches = []extension{
	{name: "tcp", needs: "tcp", options: []option{
		{name: "sport", aliases: "source-port", value: ports, invert: true, omit: allPorts},
		{name: "dport", aliases: "destination-port", value: ports, invert: true, omit: allPorts},
		{name: "tcp-option", value: number(1, 255), invert: true},
		{name: "tcp-flags", args: two, value: tcpFlags, second: tcpFlags, invert: true, omit: "NONE NONE"},
		{name: "syn", as: "tcp-flags", args: none, invert: true, fixed: []string{"FIN,SYN,RST,ACK", "SYN"}},
	}},
	{name: "udp", needs: "udp", options: []option{
		{name: "sport", aliases: "source-port", value: ports, invert: true, omit: allPorts},
		{name: "dport", aliases: "destination-port", value: ports, invert: true, omit: allPorts},
	}},
	{name: "sctp", needs: "sctp", options: []option{
		{name: "sport", aliases: "source-port", value: ports, invert: true},
		{name: "dport", aliases: "destination-port", value: ports, invert: true},
		{name: "chunk-types", args: two, value: choice(sameName, "any", "all", "only"), second: chunkTypes, invert: true},
	}},
	{name: "dccp", needs: "dccp", options: []option{
		{name: "sport", aliases: "source-port", value: ports, invert: true},
		{name: "dport", aliases: "destination-port", value: ports, invert: true},
		{name: "dccp-types", value: members(sameName, "REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC", "SYNCACK", "INVALID"), invert: true},
		{name: "dccp-option", value: number(1, 255), invert: true},
	}},
	{name: "esp", needs: "esp", options: []option{{name: "espspi", value: numbers(all32), invert: true, omit: allSPIs}}},
	{name: "ipcomp", needs: "ipcomp", options: []option{
		// The range of all is not left out here: a save that says nothing
		// is read back as --ipcompspi 0.
		{name: "ipcompspi", value: numbers(all32), invert: true, fill: "0"},
		{name: "compres", args: none},
	}},
	{name: "multiport", options: []option{
		{name: "sports", aliases: "source-ports", value: multiport, invert: true},
		{name: "dports", aliases: "destination-ports", value: multiport, invert: true},
		{name: "ports", value: multiport, invert: true},
	}, finish: exactlyOne("--sports", "--dports", "--ports")},
	{name: "tcpmss", needs: "tcp", options: []option{{name: "mss", value: ascending(65535), invert: true, must: true}}},
}

// exactlyOne demands one of the options.
func exactlyOne(names ...string) func(*env, *Module) error {
	return func(_ *env, m *Module) error {
		n := 0
		for _, name := range names {
			if m.Option(name) != nil {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("needs one of %s", strings.Join(names, ", "))
		}
		return nil
	}
}

// atLeastOne demands one or more options.
func atLeastOne(_ *env, m *Module) error {
	if len(m.Options) == 0 {
		return fmt.Errorf("needs an option")
	}
	return nil
}

var tcpFlagNames = []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"}

// tcpFlags is a value: a list of flags, or ALL or NONE of them.
func tcpFlags(_ *env, s string) (string, error) {
	set := 0
next:
	for item := range strings.SplitSeq(s, ",") {
		switch {
		case item == "" || sameName("NONE", item):
			continue
		case sameName("ALL", item):
			set = 1<<len(tcpFlagNames) - 1
			continue
		}
		for i, name := range tcpFlagNames {
			if sameName(name, item) {
				set |= 1 << i
				continue next
			}
		}
		return "", fmt.Errorf("unknown TCP flag %q", item)
	}
	return bitNames(set, tcpFlagNames, "NONE"), nil
}

// bitNames returns the names of the bits of set, or empty for none.
func bitNames(set int, names []string, empty string) string {
	var list []string
	for i, name := range names {
		if set&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return empty
	}
	return strings.Join(list, ",")
}

// chunks are the SCTP chunk types, each with its number and the flags that
// may be matched, most significant bit first.
var chunks = []struct {
	name   string
	number int
	flags  string
}{
	{"DATA", 0, "IUBE"}, {"INIT", 1, ""}, {"INIT_ACK", 2, ""}, {"SACK", 3, ""}, {"HEARTBEAT", 4, ""},
	{"HEARTBEAT_ACK", 5, ""}, {"ABORT", 6, "T"}, {"SHUTDOWN", 7, ""}, {"SHUTDOWN_ACK", 8, ""}, {"ERROR", 9, ""},
	{"COOKIE_ECHO", 10, ""}, {"COOKIE_ACK", 11, ""}, {"ECN_ECNE", 12, ""}, {"ECN_CWR", 13, ""},
	{"SHUTDOWN_COMPLETE", 14, "T"}, {"I_DATA", 64, "IUBE"}, {"ASCONF_ACK", 128, ""}, {"RE_CONFIG", 130, ""},
	{"PAD", 132, ""}, {"FORWARD_TSN", 192, ""}, {"ASCONF", 193, ""}, {"I_FORWARD_TSN", 194, ""},
}

// chunkTypes is a value: chunk types, each with flags that must be set (in
// upper case) or not, in the order of their numbers.
func chunkTypes(_ *env, s string) (string, error) {
	for _, word := range []string{"ALL", "NONE"} {
		if sameName(word, s) {
			return word, nil
		}
	}
	flags := make(map[int]string)
	var order []int
next:
	for item := range strings.SplitSeq(s, ",") {
		if item == "" {
			continue
		}
		name, wanted, _ := strings.Cut(item, ":")
		for i, c := range chunks {
			if !sameName(c.name, name) {
				continue
			}
			f, err := chunkFlags(c.flags, flags[i], wanted)
			if err != nil {
				return "", err
			}
			if _, ok := flags[i]; !ok {
				order = append(order, i)
			}
			flags[i] = f
			continue next
		}
		return "", fmt.Errorf("unknown sctp chunk %q", name)
	}
	if len(order) == 0 {
		return "NONE", nil
	}
	sort.Ints(order)
	parts := make([]string, len(order))
	for n, i := range order {
		parts[n] = chunks[i].name
		if flags[i] != "" {
			parts[n] += ":" + flags[i]
		}
	}
	return strings.Join(parts, ","), nil
}

// chunkFlags adds the wanted flags to those had, in the order of valid.
func chunkFlags(valid, had, wanted string) (string, error) {
	for _, r := range wanted {
		if !strings.ContainsRune(valid, r) && !strings.ContainsRune(strings.ToLower(valid), r) {
			return "", fmt.Errorf("invalid chunk flag %q", string(r))
		}
	}
	var b strings.Builder
	for _, r := range valid {
		upper, lower := string(r), strings.ToLower(string(r))
		switch {
		case strings.Contains(had+wanted, upper):
			b.WriteString(upper)
		case strings.Contains(had+wanted, lower):
			b.WriteString(lower)
		}
	}
	return b.String(), nil
}

// queueRange is a value: low:high.
func queueRange(_ *env, s string) (string, error) {
	low, high, err := scanRange(s, 65535)
	if err != nil {
		return "", err
	}
	if high <= low {
		return "", fmt.Errorf("%d should be less than %d", low, high)
	}
	return strconv.FormatUint(low, 10) + ":" + strconv.FormatUint(high, 10), nil
}
