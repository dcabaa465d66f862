package xtables

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// lookup finds a long option by name the way getopt_long does: first the
// options of no extension, then those of the extensions, the last loaded
// first; a name that is no option's may be the unique beginning of one. An
// option that nobody knows loads the protocol's own match, so that
// "-p tcp --dport 22" needs no -m tcp.
func (c *command) lookup(name string) (*global, *loaded, int, error) {
	if g := globals[c.kind].byName[name]; g != nil {
		return g, nil, 0, nil
	}
	if m, i := c.exact(name); m != nil {
		return nil, m, i, nil
	}
	if c.kind == ruleset.EBTables {
		m, i := c.bridgeOption(name)
		return nil, m, i, nil
	}
	if c.opaque() != nil {
		// The name may be the unknown extension's own: no guesses.
		m, i := c.implicit(name, exactly)
		return nil, m, i, nil
	}
	// As with getopt_long, the beginning of an option that is there comes
	// before an option that would have to be loaded: after -m multiport,
	// --dport is --dports.
	g, m, i, err := c.abbreviated(name)
	if g != nil || m != nil {
		return g, m, i, nil
	}
	if m, i := c.implicit(name, uniquePrefix); m != nil {
		return nil, m, i, nil
	}
	return nil, nil, 0, err
}

// exact finds an option of a loaded extension.
func (c *command) exact(name string) (*loaded, int) {
	if c.target != nil && c.target.ext != nil {
		if i, ok := c.target.ext.byName[name]; ok {
			return c.target, i
		}
	}
	for n := len(c.loaded) - 1; n >= 0; n-- {
		if m := c.loaded[n]; m.ext != nil {
			if i, ok := m.ext.byName[name]; ok {
				return m, i
			}
		}
	}
	return nil, 0
}

// implicit loads the match of the protocol if it knows the option.
func (c *command) implicit(name string, find func(*extension, string) (int, bool)) (*loaded, int) {
	if c.implied || !c.header[protocol].given {
		return nil, 0
	}
	x := findExtension(c.kind, matches, protocolMatch(c.kind, c.env.proto))
	if x == nil {
		return nil, 0
	}
	i, ok := find(x, name)
	if !ok {
		return nil, 0
	}
	m := &loaded{ext: x, module: Module{Name: x.name}}
	c.loaded = append(c.loaded, m)
	c.implied = true
	return m, i
}

// bridgeOption finds the match of ebtables that has the option. They are all
// there without being named, and come in the order of their first use.
func (c *command) bridgeOption(name string) (*loaded, int) {
	indexed.Do(index)
	x := bridgeOptions[name]
	if x == nil {
		return nil, 0
	}
	m := &loaded{ext: x, module: Module{Name: x.name}}
	c.loaded = append(c.loaded, m)
	return m, x.byName[name]
}

// abbreviated finds the option that name is the beginning of.
func (c *command) abbreviated(name string) (*global, *loaded, int, error) {
	var g *global
	var m *loaded
	var index, found int
	for full, candidate := range globals[c.kind].byName {
		if strings.HasPrefix(full, name) && candidate != g {
			g = candidate
			found++
		}
	}
	consider := func(l *loaded) {
		if l == nil || l.ext == nil {
			return
		}
		seen := -1
		for full, i := range l.ext.byName {
			if strings.HasPrefix(full, name) && i != seen {
				m, index, seen = l, i, i
				found++
			}
		}
	}
	consider(c.target)
	for _, l := range c.loaded {
		consider(l)
	}
	switch {
	case found == 0:
		return nil, nil, 0, nil
	case found > 1:
		return nil, nil, 0, fmt.Errorf("option --%s is ambiguous", name)
	case g != nil:
		return g, nil, 0, nil
	}
	return nil, m, index, nil
}

func exactly(x *extension, name string) (int, bool) {
	i, ok := x.byName[name]
	return i, ok
}

func uniquePrefix(x *extension, name string) (int, bool) {
	if i, ok := x.byName[name]; ok {
		return i, true
	}
	found := -1
	for full, i := range x.byName {
		if strings.HasPrefix(full, name) && i != found {
			if found >= 0 {
				return 0, false
			}
			found = i
		}
	}
	return found, found >= 0
}
