package xtables

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// headerOption is a match on the packet's own header.
type headerOption uint8

const (
	noHeader headerOption = iota
	source
	destination
	inInterface
	outInterface
	protocol
	fragment
	sourceMAC
	destinationMAC
	hardwareLength
	opcode
	hardwareType
	protocolType
	logicalIn
	logicalOut
	headerOptions
)

// headerValue is what a rule says about one header option. Only addresses
// may be several: they make a rule each.
type headerValue struct {
	given   bool
	negated bool
	values  []string
}

// headerOrder is the order in which the saves print the header.
var headerOrder = map[ruleset.Kind][]headerOption{
	ruleset.IPTables:  {source, destination, inInterface, outInterface, protocol, fragment},
	ruleset.IP6Tables: {source, destination, inInterface, outInterface, protocol},
	ruleset.ARPTables: {inInterface, outInterface, source, sourceMAC, destination, destinationMAC, hardwareLength, opcode, hardwareType, protocolType},
	ruleset.EBTables:  {protocol, source, destination, inInterface, logicalIn, outInterface, logicalOut},
}

var headerNames = [headerOptions]string{
	source: "-s", destination: "-d", inInterface: "-i", outInterface: "-o", protocol: "-p", fragment: "-f",
	sourceMAC: "--src-mac", destinationMAC: "--dst-mac", hardwareLength: "--h-length", opcode: "--opcode",
	hardwareType: "--h-type", protocolType: "--proto-type", logicalIn: "--logical-in", logicalOut: "--logical-out",
}

// headerValues are the meanings of the header options that have one value.
var headerValues = map[ruleset.Kind]map[headerOption]value{
	ruleset.IPTables:  {inInterface: interfaceName, outInterface: interfaceName, protocol: ipProtocol},
	ruleset.IP6Tables: {inInterface: interfaceName, outInterface: interfaceName, protocol: ipProtocol},
	ruleset.ARPTables: {
		inInterface: interfaceName, outInterface: interfaceName, sourceMAC: macMask, destinationMAC: macMask,
		hardwareLength: arpLength, opcode: arpOpcode, hardwareType: arpHardware, protocolType: arpProtocol,
	},
	ruleset.EBTables: {
		inInterface: interfaceName, outInterface: interfaceName, logicalIn: interfaceName, logicalOut: interfaceName,
		source: macName, destination: macName, protocol: ethernetType,
	},
}

// setHeader takes a header option. A value of "" is one that the save leaves
// out, such as -p all.
func (c *command) setHeader(g *global, arg string) error {
	if g.header == fragment && c.kind == ruleset.IP6Tables {
		return fmt.Errorf("-f is not supported in IPv6, use -m frag instead")
	}
	name := headerNames[g.header]
	h := &c.header[g.header]
	if h.given {
		return fmt.Errorf("multiple %s flags not allowed", name)
	}
	h.given, h.negated = true, c.negated
	switch g.header {
	case fragment:
		return nil
	case source, destination:
		if c.kind == ruleset.EBTables {
			break
		}
		var err error
		if c.kind == ruleset.IP6Tables {
			h.values, err = ipv6List(arg, h.negated)
		} else {
			h.values, err = ipv4List(arg, h.negated, c.kind == ruleset.ARPTables)
		}
		if err != nil {
			return err
		}
		if len(h.values) > 1 && h.negated {
			return fmt.Errorf("! not allowed with multiple source or destination IP addresses")
		}
		return nil
	}
	c.env.negated = h.negated
	v, err := headerValues[c.kind][g.header](&c.env, arg)
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, arg, err)
	}
	h.values = []string{v}
	return nil
}

// interfaceName keeps the name; "+" alone is every interface, which the save
// leaves out.
func interfaceName(e *env, s string) (string, error) {
	switch {
	case s == "" && e.kind != ruleset.ARPTables:
		return "", fmt.Errorf("empty interface name")
	case len(s) > 15:
		return "", fmt.Errorf("interface name must be shorter than 16 characters")
	case s == "+" && !e.negated:
		return "", nil
	}
	return s, nil
}

// ipProtocol sets the environment's protocol and returns its name.
func ipProtocol(e *env, s string) (string, error) {
	n, err := protocolNumber(strings.ToLower(s))
	if err != nil {
		return "", err
	}
	e.proto = n
	if n == 0 {
		if e.negated {
			return "", fmt.Errorf("rule would never match protocol")
		}
		return "", nil
	}
	return protocolName(n), nil
}

// finish checks what concerns the whole line.
func (c *command) finish() error {
	for _, m := range c.loaded {
		if err := c.needs(m); err != nil {
			return err
		}
		if err := m.finish(&c.env); err != nil {
			return err
		}
	}
	if c.target != nil {
		if err := c.needs(c.target); err != nil {
			return err
		}
		if len(c.target.module.Options) > 0 && c.target.ext == nil {
			c.target.module.Opaque = true
		}
		if err := c.target.finish(&c.env); err != nil {
			return err
		}
	}
	if c.op == 0 {
		return nil
	}
	if !c.rule() {
		if c.jump || len(c.loaded) > 0 {
			return fmt.Errorf("illegal option with -%c", c.op)
		}
		for _, h := range c.header {
			if h.given {
				return fmt.Errorf("illegal option with -%c", c.op)
			}
		}
		return nil
	}
	if c.op == 'R' && (len(c.header[source].values) > 1 || len(c.header[destination].values) > 1) {
		return fmt.Errorf("replacement rule does not specify a unique address")
	}
	return c.hooks()
}

// needs checks that the rule is about a protocol that the extension is for.
func (c *command) needs(m *loaded) error {
	if m.ext == nil || m.ext.needs == "" {
		return nil
	}
	h := &c.header[protocol]
	if h.given && !h.negated {
		for name := range strings.FieldsSeq(m.ext.needs) {
			if h.values[0] == name {
				return nil
			}
		}
	}
	return fmt.Errorf("%s: needs -p %s", m.ext.name, strings.ReplaceAll(m.ext.needs, " ", " or -p "))
}

// rule says whether the command has a rule.
func (c *command) rule() bool {
	switch c.op {
	case 'A', 'I', 'R', 'C':
		return true
	case 'D':
		return c.number == 0
	}
	return false
}

// hooks refuses the interfaces that a base chain's packets do not have yet,
// or no more.
func (c *command) hooks() error {
	switch c.chain {
	case "PREROUTING", "INPUT":
		if c.header[outInterface].given || c.header[logicalOut].given {
			return fmt.Errorf("cannot use -o with %s", c.chain)
		}
	case "POSTROUTING", "OUTPUT":
		if c.header[inInterface].given || c.header[logicalIn].given {
			return fmt.Errorf("cannot use -i with %s", c.chain)
		}
	}
	return nil
}

// expansion returns how many sources and destinations the line has; it has a
// rule for each pair.
func (c *command) expansion() (sources, destinations int) {
	return max(1, len(c.header[source].values)), max(1, len(c.header[destination].values))
}

// spec returns the rule for source i and destination j.
func (c *command) spec(i, j int) Spec {
	s := Spec{Kind: c.kind, Goto: c.goTo}
	for _, o := range headerOrder[c.kind] {
		h := &c.header[o]
		if !h.given {
			continue
		}
		option := Option{Name: headerNames[o], Negated: h.negated}
		if o != fragment {
			n := 0
			switch {
			case o == source && len(h.values) > 1:
				n = i
			case o == destination && len(h.values) > 1:
				n = j
			}
			if h.values[n] == "" {
				continue
			}
			option.Values = h.values[n : n+1]
		}
		s.Header = append(s.Header, option)
	}
	if len(c.loaded) > 0 {
		s.Matches = make([]Module, len(c.loaded))
		for n, m := range c.loaded {
			s.Matches[n] = m.module
		}
	}
	switch {
	case c.target != nil:
		s.Target = c.target.module
	case c.kind == ruleset.EBTables:
		s.Target = Module{Name: "CONTINUE"}
	}
	return s
}
