package xtables

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/fwc-dev/fwc/ruleset"
)

// extension is what is known of a match or target: its options, in the order
// in which its save prints them.
type extension struct {
	name    string   // as a save prints it
	aliases []string // other names that mean the same
	options []option
	// needs are the values of -p, of which the rule must have one.
	needs string
	// asGiven keeps the options in the order of the rule for finish.
	asGiven bool
	// finish does what concerns more than one option. It gets the module
	// with its options in order, defaults filled in.
	finish func(e *env, m *Module) error

	byName map[string]int
}

// option is one option of an extension.
type option struct {
	name    string // without dashes
	aliases string // other names, parted by spaces
	args    args
	value   value // of the first argument; nil keeps it as it is
	second  value
	invert  bool // may be negated
	multi   bool // may be given more than once
	must    bool
	not     string   // names of options that must not stand beside it
	with    string   // the option that must stand beside it
	as      string   // the name that the save prints, if another
	fixed   []string // the arguments that the save prints, where the option has none
	fill    string   // the save prints this value where none is given
	omit    string   // the save leaves this value out
	quoting Quoting

	printed string // as or name, with dashes
}

// args is the number of arguments of an option.
type args uint8

const (
	one args = iota // the zero value, as most options have one
	none
	two
	maybe // one, if the next argument is not an option
)

// env is what the meaning of a value may depend on.
type env struct {
	kind    ruleset.Kind
	proto   int // of -p; 0 if none is given
	negated bool
}

func (e *env) v6() bool { return e.kind == ruleset.IP6Tables }

// value turns an argument into what the save prints for it.
type value func(e *env, s string) (string, error)

// registry are the extensions of one sort by name. One name may mean another
// extension in another family, so each family has its own.
type registry map[ruleset.Kind]map[string]*extension

var (
	matches = registry{}
	targets = registry{}
)

var (
	indexed sync.Once
	// index fills the registries. It is set by init, since extensions look
	// others up: as a plain call it would be a cycle of initialisation.
	index func()
)

func init() { index = indexExtensions }

// indexExtensions runs at the first look-up: most commands parse no dump, and a
// millisecond at every start is much on a host.
func indexExtensions() {
	ip := []ruleset.Kind{ruleset.IPTables, ruleset.IP6Tables}
	v4, v6 := ip[:1], ip[1:]
	arp, bridge := []ruleset.Kind{ruleset.ARPTables}, []ruleset.Kind{ruleset.EBTables}
	for _, group := range [][]extension{transportMatches, addressMatches, conntrackMatches, limitMatches, packetMatches, contentMatches, hostMatches, policyMatches, setMatches} {
		matches.add(ip, group)
	}
	matches.add(v4, ipv4Matches)
	matches.add(v6, ipv6Matches)
	matches.add(v6, routingMatches)
	matches.add(bridge, bridgeMatches)
	for _, group := range [][]extension{verdicts, natTargets, markTargets, logTargets, packetTargets, conntrackTargets, setTargets} {
		targets.add(ip, group)
	}
	targets.add(v4, ipv4Targets)
	targets.add(v6, ipv6Targets)
	targets.add(arp, verdicts)
	targets.add(arp, arpTargets)
	targets.add(bridge, verdicts)
	targets.add(bridge, bridgeTargets)
	indexBridge()
}

func (r registry) add(kinds []ruleset.Kind, group []extension) {
	for _, kind := range kinds {
		if r[kind] == nil {
			r[kind] = make(map[string]*extension)
		}
		for i := range group {
			x := &group[i]
			x.index()
			for _, name := range append([]string{x.name}, x.aliases...) {
				if r[kind][name] != nil {
					panic("xtables: two extensions named " + name)
				}
				r[kind][name] = x
			}
		}
	}
}

func (x *extension) index() {
	x.byName = make(map[string]int)
	for i := range x.options {
		o := &x.options[i]
		o.printed = "--" + o.name
		if o.as != "" {
			o.printed = "--" + o.as
		}
		for _, name := range append(strings.Fields(o.aliases), o.name) {
			x.byName[name] = i
		}
	}
}

func findExtension(kind ruleset.Kind, r registry, name string) *extension {
	indexed.Do(index)
	return r[kind][name]
}

// loaded is an extension in use in a rule.
type loaded struct {
	ext    *extension // nil for an opaque one
	module Module
	order  []int // of ext.options, for each of module.Options
}

// add takes one option with its arguments. i is its index in ext.options.
func (l *loaded) add(e *env, i int, negated bool, values []string) error {
	o := &l.ext.options[i]
	if negated && !o.invert {
		return fmt.Errorf("%s: option --%s cannot be negated", l.ext.name, o.name)
	}
	if !o.multi && slices.Contains(l.order, i) {
		return fmt.Errorf("%s: option --%s can only be used once", l.ext.name, o.name)
	}
	for n, convert := range []value{o.value, o.second} {
		if convert == nil || n >= len(values) {
			continue
		}
		e.negated = negated
		v, err := convert(e, values[n])
		if err != nil {
			return fmt.Errorf("%s: --%s %s: %w", l.ext.name, o.name, values[n], err)
		}
		values[n] = v
	}
	if o.fixed != nil {
		values = o.fixed
	}
	l.order = append(l.order, i)
	l.module.Options = append(l.module.Options, Option{Name: o.printed, Negated: negated, Values: values, Quoting: o.quoting})
	return nil
}

// finish puts the options in order, adds those that the save adds and drops
// those that it leaves out because they say nothing. An option that is
// negated always says something, also where iptables itself forgets it.
func (l *loaded) finish(e *env) error {
	if l.ext == nil {
		return nil
	}
	given := l.module.Options
	if !l.ext.asGiven && (!slices.IsSorted(l.order) || l.ext.writes(l.order)) {
		given = make([]Option, 0, len(l.ext.options))
		for i := range l.ext.options {
			o := &l.ext.options[i]
			found := false
			for n, k := range l.order {
				if k == i {
					given = append(given, l.module.Options[n])
					found = true
				}
			}
			if !found && o.must {
				return fmt.Errorf("%s: option --%s must be specified", l.ext.name, o.name)
			}
			if !found && o.fill != "" {
				given = append(given, Option{Name: o.printed, Values: []string{o.fill}, Quoting: o.quoting})
			}
		}
	}
	l.module.Options = given
	if err := l.together(); err != nil {
		return err
	}
	if l.ext.finish != nil {
		if err := l.ext.finish(e, &l.module); err != nil {
			return fmt.Errorf("%s: %w", l.ext.name, err)
		}
	}
	l.module.Options = slices.DeleteFunc(l.module.Options, l.ext.silent)
	return nil
}

// together checks which options may stand beside each other.
func (l *loaded) together() error {
	for _, i := range l.order {
		o := &l.ext.options[i]
		for name := range strings.FieldsSeq(o.not) {
			if slices.Contains(l.order, l.ext.byName[name]) {
				return fmt.Errorf("%s: option --%s cannot be used together with --%s", l.ext.name, o.name, name)
			}
		}
		if o.with != "" && !slices.Contains(l.order, l.ext.byName[o.with]) {
			return fmt.Errorf("%s: option --%s also requires --%s", l.ext.name, o.name, o.with)
		}
	}
	return nil
}

// writes says whether an option that is not in order must be there or is
// filled in.
func (x *extension) writes(order []int) bool {
	for i := range x.options {
		if o := &x.options[i]; (o.must || o.fill != "") && !slices.Contains(order, i) {
			return true
		}
	}
	return false
}

func (x *extension) silent(o Option) bool {
	i, ok := x.byName[strings.TrimPrefix(o.Name, "--")]
	return ok && !o.Negated && len(o.Values) > 0 && x.options[i].omit != "" && strings.Join(o.Values, " ") == x.options[i].omit
}
