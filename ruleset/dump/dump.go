// Package dump makes a Snapshot of raw dumps: the one place that knows which
// parser reads which kind.
//
// # What counts as nothing
//
// An xtables table whose chains are all built in, empty and of policy ACCEPT
// does nothing, and whether it exists depends on who looked last:
// iptables-nft-save and iptables -L print the four chains of a table that has
// one, and legacy tables appear when a module is loaded or iptables-legacy -L
// asks. Snapshot takes such a table for absent, so that looking at a firewall
// does not change it. A chain of policy DROP, a chain of the user's, or a rule
// makes a table count, and then all of it does.
//
// Native nftables tables always count: somebody made each by name.
package dump

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
	"github.com/fwc-dev/fwc/ruleset/nft"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// Snapshot parses raw dumps, in any order, into a Snapshot whose Dumps hold
// their canonical text. A kind with nothing in it has no dump. Two dumps of one
// kind and backend are an error, and so is what a parser does not take: a
// *ruleset.SyntaxError whose File is the dump's Name.
func Snapshot(dumps []ruleset.Dump) (*ruleset.Snapshot, error) {
	return snapshot(dumps, func(d ruleset.Dump) string { return d.Name() })
}

// FileSnapshot is Snapshot of one dump that was read from a file, whose name
// errors then say.
func FileSnapshot(file string, d ruleset.Dump) (*ruleset.Snapshot, error) {
	return snapshot([]ruleset.Dump{d}, func(ruleset.Dump) string { return file })
}

func snapshot(dumps []ruleset.Dump, name func(ruleset.Dump) string) (*ruleset.Snapshot, error) {
	var p parts
	seen := map[string]bool{}
	for _, d := range dumps {
		if seen[d.Name()] {
			return nil, fmt.Errorf("two dumps are named %s", d.Name())
		}
		seen[d.Name()] = true
		if err := p.add(name(d), d); err != nil {
			return nil, err
		}
	}
	return ruleset.New(p.dumps, p.tables, p.sets, p.sysctls), nil
}

// parts is what a Snapshot is made of.
type parts struct {
	dumps   []ruleset.Dump
	tables  []ruleset.Table
	sets    []ruleset.Set
	sysctls []ruleset.Sysctl
}

// add parses one dump and keeps its canonical form. What is kept of the model
// is parsed from the canonical form: lines and raw text are those of the Dump
// that the Snapshot holds, and a form that does not parse to itself is an error
// here and not on a host.
func (p *parts) add(file string, d ruleset.Dump) error {
	got, err := parse(file, d)
	if err != nil {
		return err
	}
	if text := got.dumps[0].Text; len(text) == 0 {
		return nil
	} else if !bytes.Equal(text, d.Text) {
		file += " (canonical)"
		if got, err = parse(file, got.dumps[0]); err != nil {
			return err
		}
		if !bytes.Equal(got.dumps[0].Text, text) {
			return fmt.Errorf("%s: it does not parse to itself", file)
		}
	}
	p.dumps = append(p.dumps, got.dumps...)
	p.tables = append(p.tables, got.tables...)
	p.sets = append(p.sets, got.sets...)
	p.sysctls = append(p.sysctls, got.sysctls...)
	return nil
}

// parse returns what is in a dump, and the dump in canonical form; its text is
// empty if nothing is in it.
func parse(file string, d ruleset.Dump) (p parts, err error) {
	switch d.Kind {
	case ruleset.IPSet:
		if p.sets, err = ipset.Parse(file, d.Text); err == nil {
			d.Text = ipset.Format(p.sets)
		}
	case ruleset.SysctlSet:
		if p.sysctls, err = ParseSysctl(file, d.Text); err == nil {
			d.Text = FormatSysctl(p.sysctls)
		}
	case ruleset.NFTables:
		p.tables, d.Text, err = nft.ParseCanonical(file, d.Text)
	case ruleset.IPTables, ruleset.IP6Tables, ruleset.ARPTables, ruleset.EBTables:
		if p.tables, err = xtables.Parse(d.Kind, d.Backend, file, d.Text); err == nil {
			p.tables = slices.DeleteFunc(p.tables, Idle)
			d.Text = nil
			if len(p.tables) > 0 {
				d.Text = xtables.Format(p.tables)
			}
		}
	default:
		err = fmt.Errorf("%s: dumps of kind %q are not known", file, d.Kind)
	}
	p.dumps = []ruleset.Dump{d}
	return p, err
}

// bridgeHooks are the built-in chains of ebtables, whose chains of the user's
// have a policy as well.
var bridgeHooks = []string{"INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING", "BROUTING"}

// Idle says whether an xtables table does nothing: it has no rule, no chain of
// the user's and no policy other than ACCEPT.
func Idle(t ruleset.Table) bool {
	if t.Native {
		return false
	}
	for _, c := range t.Chains {
		if c.Policy != "ACCEPT" || len(c.Rules) > 0 || t.Family == ruleset.Bridge && !slices.Contains(bridgeHooks, c.Name) {
			return false
		}
	}
	return true
}
