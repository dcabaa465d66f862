package xtables

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// maxName is the size of a chain or target name with its final NUL,
// XT_EXTENSION_MAXNAMELEN of linux/netfilter/x_tables.h.
const maxName = 29

// global is an option that belongs to no extension.
type global struct {
	letter byte // of the short form; 0 if it has none
	names  string
	args   args
	invert bool
	header headerOption // where it is a match on the header
}

// The commands, and the options that say nothing about a rule.
var commonGlobals = []global{
	{letter: 'A', names: "append"},
	{letter: 'C', names: "check"},
	{letter: 'D', names: "delete"},
	{letter: 'I', names: "insert"},
	{letter: 'R', names: "replace"},
	{letter: 'L', names: "list", args: maybe},
	{letter: 'S', names: "list-rules", args: maybe},
	{letter: 'F', names: "flush", args: maybe},
	{letter: 'Z', names: "zero", args: maybe},
	{letter: 'N', names: "new-chain"},
	{letter: 'X', names: "delete-chain", args: maybe},
	{letter: 'E', names: "rename-chain"},
	{letter: 'P', names: "policy"},
	{letter: 't', names: "table"},
	{letter: 'j', names: "jump"},
	{letter: 'c', names: "set-counters"},
	{letter: 'v', names: "verbose", args: none},
	{letter: 'M', names: "modprobe"},
	{letter: 'h', names: "help", args: none},
	{letter: 'V', names: "version", args: none},
}

var ipGlobals = []global{
	{letter: 's', names: "source src", invert: true, header: source},
	{letter: 'd', names: "destination dst", invert: true, header: destination},
	{letter: 'i', names: "in-interface", invert: true, header: inInterface},
	{letter: 'o', names: "out-interface", invert: true, header: outInterface},
	{letter: 'p', names: "protocol", invert: true, header: protocol},
	{letter: 'f', names: "fragments", args: none, header: fragment},
	{letter: 'm', names: "match"},
	{letter: 'g', names: "goto"},
	{letter: 'n', names: "numeric", args: none},
	{letter: 'x', names: "exact", args: none},
	{letter: 'w', names: "wait", args: maybe},
	{letter: 'W', names: "wait-interval", args: maybe},
	{letter: '0', names: "line-numbers", args: none},
	{letter: '4', names: "ipv4", args: none},
	{letter: '6', names: "ipv6", args: none},
}

var arpGlobals = []global{
	{letter: 'i', names: "in-interface", invert: true, header: inInterface},
	{letter: 'o', names: "out-interface", invert: true, header: outInterface},
	{letter: 's', names: "source-ip src-ip", invert: true, header: source},
	{names: "source-mac src-mac", invert: true, header: sourceMAC},
	{letter: 'd', names: "destination-ip dst-ip", invert: true, header: destination},
	{names: "destination-mac dst-mac", invert: true, header: destinationMAC},
	{letter: 'l', names: "h-length", invert: true, header: hardwareLength},
	{names: "opcode", invert: true, header: opcode},
	{names: "h-type", invert: true, header: hardwareType},
	{names: "proto-type", invert: true, header: protocolType},
	{letter: 'n', names: "numeric", args: none},
	{letter: 'x', names: "exact", args: none},
}

var bridgeGlobals = []global{
	{letter: 'p', names: "protocol proto", invert: true, header: protocol},
	{letter: 's', names: "source src", invert: true, header: source},
	{letter: 'd', names: "destination dst", invert: true, header: destination},
	{letter: 'i', names: "in-interface in-if", invert: true, header: inInterface},
	{names: "logical-in", invert: true, header: logicalIn},
	{letter: 'o', names: "out-interface out-if", invert: true, header: outInterface},
	{names: "logical-out", invert: true, header: logicalOut},
	{names: "concurrent", args: none},
}

// globals are the options of each program by long name and by letter.
var globals = map[ruleset.Kind]*globalIndex{
	ruleset.IPTables:  indexGlobals(commonGlobals, ipGlobals),
	ruleset.IP6Tables: indexGlobals(commonGlobals, ipGlobals),
	ruleset.ARPTables: indexGlobals(commonGlobals, arpGlobals),
	ruleset.EBTables:  indexGlobals(commonGlobals, bridgeGlobals),
}

type globalIndex struct {
	byName   map[string]*global
	byLetter [128]*global
}

func indexGlobals(groups ...[]global) *globalIndex {
	x := &globalIndex{byName: make(map[string]*global)}
	for _, group := range groups {
		for i := range group {
			g := &group[i]
			if g.letter != 0 {
				x.byLetter[g.letter] = g
			}
			for _, name := range strings.Fields(g.names) {
				x.byName[name] = g
			}
		}
	}
	return x
}

func shortGlobal(kind ruleset.Kind, letter byte) *global {
	if letter >= 128 || letter == '0' {
		return nil
	}
	return globals[kind].byLetter[letter]
}

// global takes an option that belongs to no extension.
func (c *command) global(g *global, arg string) error {
	if g.header != noHeader {
		return c.setHeader(g, arg)
	}
	switch g.letter {
	case 'j', 'g':
		return c.jumpTo(arg, g.letter == 'g')
	case 'm':
		return c.match(arg)
	case 'c':
		return c.counters(arg)
	case 'h', 'V':
		if c.direct {
			// A call prints and exits, whatever else it has.
			c.op, c.foreign = 0, true
			return nil
		}
		// The restore programs print and exit, without an error and
		// without having loaded anything.
		return fmt.Errorf("-%c ends a restore", g.letter)
	case 't':
		if c.direct {
			c.table = arg
			return nil
		}
		return fmt.Errorf("the -t option cannot be used in a restore")
	case 'w', 'W':
		if !c.direct {
			return fmt.Errorf("the -%c option cannot be used in a restore", g.letter)
		}
		if arg == "" {
			c.operand() // seconds
		}
		return nil
	case 'n', 'x', 'v', 'M', '0', 0:
		return nil
	case '4', '6':
		c.foreign = c.foreign || (g.letter == '6') != (c.kind == ruleset.IP6Tables)
		return nil
	}
	return c.setCommand(g.letter, arg)
}

// counters takes the two numbers of -c, or the pair "1,2", and forgets them.
func (c *command) counters(arg string) error {
	if _, _, ok := strings.Cut(arg, ","); ok {
		return nil
	}
	if _, ok := c.operand(); !ok {
		return fmt.Errorf("-c requires packet and byte counter")
	}
	return nil
}

// setCommand takes a command with its operands.
func (c *command) setCommand(op byte, arg string) error {
	if c.negated {
		return fmt.Errorf("unexpected ! flag")
	}
	if c.op != 0 && (op != 'Z' || c.op != 'L' && c.op != 'S') {
		if c.kind == ruleset.EBTables && c.op == 'N' && op == 'P' {
			// -N chain -P policy
			c.op, c.name = 'P', arg
			return nil
		}
		return fmt.Errorf("cannot use -%c with -%c", op, c.op)
	}
	c.op, c.chain = op, arg
	switch op {
	case 'L', 'S', 'F', 'Z', 'X':
		if arg == "" {
			c.chain, _ = c.operand()
		}
		if op == 'L' || op == 'S' || op == 'Z' {
			c.operand() // the number of a rule to show
		}
	case 'D':
		if n, ok := c.operand(); ok {
			return c.setNumbers(n)
		}
	case 'I':
		c.number = 1
		if n, ok := c.operand(); ok {
			return c.setNumbers(n)
		}
	case 'R':
		n, ok := c.operand()
		if !ok {
			return fmt.Errorf("-R requires a rule number")
		}
		return c.setNumbers(n)
	case 'E':
		name, ok := c.operand()
		if !ok {
			return fmt.Errorf("-E requires old-chain-name and new-chain-name")
		}
		c.name = name
	case 'P':
		policy, ok := c.operand()
		if !ok {
			return fmt.Errorf("-P requires a chain and a policy")
		}
		c.name = policy
	}
	return nil
}

// setNumbers takes the number of a rule, with ebtables -D also a range 2:5.
func (c *command) setNumbers(s string) error {
	first, last, isRange := strings.Cut(s, ":")
	n, ok := parseUint(first, 1<<31-1)
	if !ok || n == 0 || isRange && (c.kind != ruleset.EBTables || c.op != 'D') {
		return fmt.Errorf("invalid rule number %q", s)
	}
	c.number, c.last = int(n), int(n)
	if isRange {
		m, ok := parseUint(last, 1<<31-1)
		if !ok || m < n {
			return fmt.Errorf("invalid rule number %q", s)
		}
		c.last = int(m)
	}
	return nil
}
