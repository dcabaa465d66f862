package xtables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// command is one line of restore input: what to do, where, and the rule.
type command struct {
	kind ruleset.Kind

	op     byte   // the command's letter, 0 if there is none
	chain  string // "" means every chain
	name   string // new name of a chain, or policy
	number int    // of a rule, from 1; 0 if none is given
	last   int    // of a range of rules

	// foreign is set by -4 and -6 on a line that is for the other family.
	foreign bool

	// direct says that these are the arguments of a call, which names its
	// table, and not a line of restore input.
	direct bool
	table  string

	words   []word
	pos     int
	negated bool
	env     env
	header  [headerOptions]headerValue
	loaded  []*loaded
	target  *loaded
	jump    bool // a target is given
	goTo    bool
	implied bool // the protocol's own match has been loaded for an option
}

// parse reads the words of one line. Options may be in any order, as getopt
// takes them.
func (c *command) parse(words []word) error {
	c.words, c.env.kind = words, c.kind
	for c.pos < len(c.words) && !c.foreign {
		w := c.words[c.pos]
		c.pos++
		var err error
		switch {
		case w.text == "!":
			if c.negated {
				return fmt.Errorf("multiple consecutive ! not allowed")
			}
			if c.pos == len(c.words) {
				return fmt.Errorf("no option follows the ! at the end")
			}
			c.negated = true
			continue
		case w.text == "--":
			return fmt.Errorf("unknown argument --")
		case strings.HasPrefix(w.text, "--"):
			err = c.long(w.text[2:])
		case len(w.text) > 1 && w.text[0] == '-':
			err = c.short(w.text[1:])
		default:
			return fmt.Errorf("bad argument %q", w.text)
		}
		if err != nil {
			return err
		}
		c.negated = false
	}
	if c.foreign {
		return nil
	}
	return c.finish()
}

// argument returns the next word. For an option that may be negated it
// also takes the old form with the ! between option and argument.
func (c *command) argument(name string, invert bool) (string, error) {
	if c.pos >= len(c.words) {
		return "", fmt.Errorf("option %s requires an argument", name)
	}
	w := c.words[c.pos]
	c.pos++
	if invert && !c.negated && w.text == "!" && !w.quoted && c.pos < len(c.words) && (c.kind == ruleset.EBTables || !isOption(c.words[c.pos])) {
		c.negated = true
		w = c.words[c.pos]
		c.pos++
	}
	return w.text, nil
}

// operand returns the next word unless it is an option.
func (c *command) operand() (string, bool) {
	if c.pos >= len(c.words) || isOption(c.words[c.pos]) || c.words[c.pos].text == "!" {
		return "", false
	}
	c.pos++
	return c.words[c.pos-1].text, true
}

func alphabetic(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isOption(w word) bool { return len(w.text) > 1 && w.text[0] == '-' }

// short takes a word of short options, such as "A" or "ptcp".
func (c *command) short(letters string) error {
	for len(letters) > 0 {
		g := shortGlobal(c.kind, letters[0])
		if g == nil {
			if m := c.opaque(); m != nil && alphabetic(letters[0]) && len(letters) == 1 {
				m.module.Options = append(m.module.Options, c.opaqueOption("-"+letters))
				return nil
			}
			return fmt.Errorf("unknown option -%c", letters[0])
		}
		letters = letters[1:]
		if g.args == none {
			if err := c.global(g, ""); err != nil {
				return err
			}
			continue
		}
		if g.args == maybe && letters == "" {
			return c.global(g, "")
		}
		if letters != "" {
			if err := c.attached(g); err != nil {
				return err
			}
			return c.global(g, letters)
		}
		arg, err := c.argument("-"+string(g.letter), g.invert)
		if err != nil {
			return err
		}
		return c.global(g, arg)
	}
	return nil
}

// long takes a long option, name or name=value.
func (c *command) long(text string) error {
	name, attached, hasValue := strings.Cut(text, "=")
	g, m, i, err := c.lookup(name)
	if err != nil {
		return err
	}
	switch {
	case g != nil:
		arg := attached
		if hasValue && g.args == none {
			return fmt.Errorf("option --%s takes no argument", name)
		}
		if hasValue {
			if err := c.attached(g); err != nil {
				return err
			}
		}
		if !hasValue && g.args == one {
			if arg, err = c.argument("--"+name, g.invert); err != nil {
				return err
			}
		}
		return c.global(g, arg)
	case m != nil:
		return c.option(m, i, attached, hasValue)
	}
	if m := c.opaque(); m != nil && splitsToItself(text) && !meddling(name) {
		m.module.Options = append(m.module.Options, c.opaqueOption("--"+text))
		return nil
	}
	return fmt.Errorf("unknown option --%s", name)
}

// meddlers are options that make a restore program run another one, or read or
// write what the line does not show. getopt_long takes their beginnings too.
var meddlers = []string{"modprobe", "table", "atomic-file", "atomic-init", "atomic-save", "atomic-commit", "init-table"}

func meddling(name string) bool {
	return slices.ContainsFunc(meddlers, func(m string) bool { return strings.HasPrefix(m, name) })
}

// attached refuses an argument in one word with its option, -ieth0 or
// --jump=DROP, where iptables 1.8.9 takes the whole word for the argument.
func (c *command) attached(g *global) error {
	if c.kind != ruleset.EBTables && (g.header != noHeader || g.letter == 'j') {
		name, _, _ := strings.Cut(g.names, " ")
		return fmt.Errorf("option --%s needs its argument as a word of its own", name)
	}
	return nil
}

// option takes option i of a loaded extension.
func (c *command) option(m *loaded, i int, attached string, hasValue bool) error {
	o := &m.ext.options[i]
	var values []string
	if hasValue {
		if o.args == none {
			return fmt.Errorf("%s: option --%s takes no argument", m.ext.name, o.name)
		}
		values = append(values, attached)
	} else if o.args == one || o.args == two {
		v, err := c.argument("--"+o.name, o.invert)
		if err != nil {
			return err
		}
		values = append(values, v)
	}
	if o.args == two || o.args == maybe && !hasValue {
		v, ok := c.operand()
		if !ok && o.args == two {
			return fmt.Errorf("%s: option --%s requires two arguments", m.ext.name, o.name)
		}
		if ok {
			values = append(values, v)
		}
	}
	return m.add(&c.env, i, c.negated, values)
}

// opaque returns the extension that options of unknown names belong to: the
// one named last, if this package does not know it.
func (c *command) opaque() *loaded {
	if c.target != nil && c.target.ext == nil {
		return c.target
	}
	for i := len(c.loaded) - 1; i >= 0; i-- {
		if c.loaded[i].ext == nil {
			return c.loaded[i]
		}
	}
	return nil
}

func (c *command) opaqueOption(name string) Option {
	o := Option{Name: name, Negated: c.negated}
	if c.kind == ruleset.EBTables && !c.negated && c.pos+1 < len(c.words) && c.words[c.pos].text == "!" && !isOption(c.words[c.pos+1]) {
		o.Negated = true // ebtables' own place for it
		c.pos++
	}
	for {
		if v, ok := c.operand(); ok {
			o.Values = append(o.Values, v)
			continue
		}
		// A negative number is an argument, not an option.
		if c.pos < len(c.words) && isOption(c.words[c.pos]) && '0' <= c.words[c.pos].text[1] && c.words[c.pos].text[1] <= '9' {
			o.Values = append(o.Values, c.words[c.pos].text)
			c.pos++
			continue
		}
		return o
	}
}

// match loads the match of that name.
func (c *command) match(name string) error {
	if c.negated {
		return fmt.Errorf("unexpected ! before -m")
	}
	if name == "" {
		return fmt.Errorf("empty match name")
	}
	m := &loaded{ext: findExtension(c.kind, matches, name)}
	m.module.Name = name
	if m.ext != nil {
		m.module.Name = m.ext.name
	} else {
		m.module.Opaque = true
	}
	c.loaded = append(c.loaded, m)
	return nil
}

// jumpTo sets the target.
func (c *command) jumpTo(name string, goTo bool) error {
	switch {
	case c.negated:
		return fmt.Errorf("unexpected ! before target")
	case c.jump:
		return fmt.Errorf("multiple -j flags not allowed")
	case name == "":
		return fmt.Errorf("invalid target name (too short)")
	case len(name) >= maxName:
		return fmt.Errorf("invalid target name %q (%d chars max)", name, maxName-1)
	case strings.ContainsAny(name, " \t\v\f\r\n"):
		return fmt.Errorf("invalid target name %q", name)
	}
	c.jump, c.goTo = true, goTo
	c.target = &loaded{module: Module{Name: name}}
	if goTo {
		return nil
	}
	if c.target.ext = findExtension(c.kind, targets, name); c.target.ext != nil {
		c.target.module.Name = c.target.ext.name
	}
	return nil
}
