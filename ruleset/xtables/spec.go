package xtables

import (
	"fmt"

	"github.com/fwc-dev/fwc/ruleset"
)

// Spec is one rule in structured form. Its values are canonical: what the
// save of the rule's program prints, unquoted. Rule.Text is printed from it.
type Spec struct {
	Kind ruleset.Kind
	// Header are the matches on the packet's own header, named by the short
	// option where it has one, in the order of the save: -s -d -i -o -p -f
	// for iptables.
	Header []Option
	// Matches are the extension matches in their order in the rule; with
	// ebtables also its watchers, log and nflog.
	Matches []Module
	// Target is the target extension, chain or verdict. Its name is "" where
	// the rule has none, that is, only counts.
	Target Module
	// Goto says that the rule continues in the chain without coming back.
	Goto bool
}

// Module is one extension with its options, or a chain or verdict.
type Module struct {
	Name string
	// Options are in the order of the save, with the defaults that it
	// writes out and without those it leaves out.
	Options []Option
	// Opaque says that this package does not know the extension: its options
	// are the arguments of the rule, in their order and as they stood.
	Opaque bool
}

// Option is one option of a rule.
type Option struct {
	Name    string // with its dashes: -s, --dport
	Negated bool
	Values  []string
	Quoting Quoting
}

// Option returns the first option of that name, or nil.
func (m *Module) Option(name string) *Option { return find(m.Options, name) }

// Option returns the header option of that name, or nil.
func (s *Spec) Option(name string) *Option { return find(s.Header, name) }

func find(options []Option, name string) *Option {
	for i := range options {
		if options[i].Name == name {
			return &options[i]
		}
	}
	return nil
}

// Value returns the option's first value, "" if it has none.
func (o *Option) Value() string {
	if len(o.Values) == 0 {
		return ""
	}
	return o.Values[0]
}

// String returns the canonical text, as in ruleset.Rule.Text.
func (s *Spec) String() string {
	b := make([]byte, 0, 128)
	switch s.Kind {
	case ruleset.EBTables:
		b = s.appendBridge(b)
	case ruleset.ARPTables:
		b = s.appendTarget(b)
		b = s.appendHeader(b)
		b = appendOptions(b, s.Target.Options)
	default:
		b = s.appendHeader(b)
		for i := range s.Matches {
			b = append(b, " -m "...)
			b = appendWord(b, s.Matches[i].Name, Bare)
			b = appendOptions(b, s.Matches[i].Options)
		}
		b = s.appendTarget(b)
		b = appendOptions(b, s.Target.Options)
	}
	if len(b) == 0 {
		return ""
	}
	return string(b[1:])
}

func (s *Spec) appendHeader(b []byte) []byte { return appendOptions(b, s.Header) }

func (s *Spec) appendTarget(b []byte) []byte {
	if s.Target.Name == "" {
		return b
	}
	if s.Goto {
		b = append(b, " -g "...)
	} else {
		b = append(b, " -j "...)
	}
	return appendWord(b, s.Target.Name, Bare)
}

// appendBridge writes a negation after its option, as ebtables does, and no
// names of matches.
func (s *Spec) appendBridge(b []byte) []byte {
	b = appendBridgeOptions(b, s.Header)
	for i := range s.Matches {
		b = appendBridgeOptions(b, s.Matches[i].Options)
	}
	b = s.appendTarget(b)
	if x := findExtension(s.Kind, targets, s.Target.Name); x != nil && len(x.options) > 0 && len(s.Target.Options) == 0 {
		// ebtables parts a target from its options by a space, also when
		// none follow.
		return append(b, ' ')
	}
	return appendBridgeOptions(b, s.Target.Options)
}

func appendOptions(b []byte, options []Option) []byte {
	for i := range options {
		o := &options[i]
		if o.Negated {
			b = append(b, " !"...)
		}
		b = append(b, ' ')
		b = append(b, o.Name...)
		b = appendValues(b, o)
	}
	return b
}

func appendBridgeOptions(b []byte, options []Option) []byte {
	for i := range options {
		o := &options[i]
		if o.Negated && len(o.Values) == 0 {
			b = append(b, " !"...)
		}
		b = append(b, ' ')
		b = append(b, o.Name...)
		if o.Negated && len(o.Values) > 0 {
			b = append(b, " !"...)
		}
		b = appendValues(b, o)
	}
	return b
}

func appendValues(b []byte, o *Option) []byte {
	for _, v := range o.Values {
		b = append(b, ' ')
		b = appendWord(b, v, o.Quoting)
	}
	return b
}

// ParseRule returns the structured form of one rule: the text of a
// ruleset.Rule, canonical or not. A rule that stands for several, one for
// each of its addresses, is an error, as is a command such as -A.
func ParseRule(kind ruleset.Kind, text string) (Spec, error) {
	words, err := split(nil, text)
	if err != nil {
		return Spec{}, err
	}
	c := command{kind: kind}
	if err := c.parse(words); err != nil {
		return Spec{}, err
	}
	if c.op != 0 || c.foreign {
		return Spec{}, fmt.Errorf("%s: not a rule", text)
	}
	if sources, destinations := c.expansion(); sources*destinations != 1 {
		return Spec{}, fmt.Errorf("%d rules in one", sources*destinations)
	}
	return c.spec(0, 0), nil
}
