package packets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// reader turns the rules of one snapshot and family into conditions.
type reader struct {
	*universe
	sets    map[string]*set
	backend ruleset.Backend // of the rule that is read
	// scope names the place of the rule that is read: table, chain and, of
	// several rules of one text, which.
	scope string
	// sourceHook says that the rule's chain hangs on hooks that translate
	// sources.
	sourceHook bool
	// raw says that the rule stands in table raw, where no packet has a
	// connection yet, but what CT gave it may be taken for one.
	raw bool
	// side tells the new side's marks that are not followed from the old one's,
	// where other rules change them.
	side string
	// unknown counts the unknowns of the rule that is read.
	unknown int
	// asksFor are the destinations of the rule that is read, nil for any.
	asksFor spans
	// recorded is the list that the rule that is read adds to, if nothing else
	// of it may fail behind.
	recorded string
	// chains are the names of the table's own.
	chains map[string]bool
}

// condition returns what a rule asks. What it does not understand is an atom;
// an error is a rule that no program printed.
func (r *reader) condition(s *xtables.Spec) (*condition, error) {
	var parts []*condition
	for i := range s.Header {
		c, err := r.header(&s.Header[i])
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
	}
	for i := range s.Matches {
		if i == len(s.Matches)-1 && r.records(s) {
			r.recorded = withoutDefaults(moduleText(&s.Matches[i]))
			continue
		}
		c, err := r.match(&s.Matches[i])
		if err != nil {
			return nil, fmt.Errorf("-m %s: %w", s.Matches[i].Name, err)
		}
		parts = append(parts, c)
	}
	return allOf(parts...), nil
}

// records says that a rule's last match is recent --set, which fits whatever
// comes to it (recent_mt of net/netfilter/xt_recent.c) and adds to a list: for
// a rule whose target has room for that remark.
func (r *reader) records(s *xtables.Spec) bool {
	m := &s.Matches[len(s.Matches)-1]
	if m.Name != "recent" || m.Opaque || !plainTargets[s.Target.Name] && !passive[s.Target.Name] && !r.chains[s.Target.Name] {
		return false
	}
	o := m.Option("--set")
	return o != nil && !o.Negated
}

// plainTargets are those that decide and change nothing.
var plainTargets = map[string]bool{"": true, "ACCEPT": true, "DROP": true, "REJECT": true, "RETURN": true}

// writes says that a rule keeps something of packets that others ask for: what
// it does is not all that it does.
func writes(s *xtables.Spec) bool {
	return slices.ContainsFunc(s.Matches, func(m xtables.Module) bool {
		return m.Name == "recent" && (m.Opaque || m.Option("--rcheck") == nil)
	})
}

func (r *reader) header(o *xtables.Option) (*condition, error) {
	var c *condition
	switch o.Name {
	case "-s", "-d":
		f := fieldSrc
		if o.Name == "-d" {
			f = fieldDst
		}
		var err error
		if c, err = r.address(f, o.Value()); err != nil {
			c = r.unknownMatch(o.Name+" "+o.Value(), "", f == fieldDst) // a host's name
		}
	case "-i":
		c = in(fieldIn, nameSpans(o.Value()), r.v6)
	case "-o":
		c = in(fieldOut, nameSpans(o.Value()), r.v6)
	case "-p":
		n, err := xtables.ProtocolNumber(o.Value())
		if err != nil {
			return nil, err
		}
		c = is(fieldProto, uint64(n))
	case "-f":
		c = is(fieldFragment, 1)
	default:
		return nil, fmt.Errorf("option %s is not known", o.Name)
	}
	return negateIf(o.Negated, c, r.v6), nil
}

// nameSpans returns the interface names that one with or without + stands for.
func nameSpans(s string) spans {
	prefix, open := strings.CutSuffix(s, "+")
	if !open {
		return one(ofName(s))
	}
	return spans{{ofName(prefix), ofName(prefix).or(ones(128 - 8*len(prefix)))}}
}

// modules are the matches that are exact.
var modules map[string]func(*reader, *xtables.Module) (*condition, error)

func init() {
	modules = map[string]func(*reader, *xtables.Module) (*condition, error){
		"comment": func(*reader, *xtables.Module) (*condition, error) { return yes, nil },
		"tcp":     (*reader).transport, "udp": (*reader).transport, "sctp": (*reader).transport, "dccp": (*reader).transport,
		"multiport": (*reader).multiport,
		"icmp":      (*reader).icmp, "icmp6": (*reader).icmp, "icmpv6": (*reader).icmp, "ipv6-icmp": (*reader).icmp,
		"mark": (*reader).mark, "connmark": (*reader).mark,
		"state": (*reader).conntrack, "conntrack": (*reader).conntrack,
		"iprange": (*reader).addressRange, "addrtype": (*reader).addressType,
		"mac": (*reader).mac, "pkttype": (*reader).packetType,
		"ttl": (*reader).ttl, "hl": (*reader).ttl, "length": (*reader).length,
		"tos": (*reader).tos, "dscp": (*reader).tos, "ecn": (*reader).tos,
		"set": (*reader).setMatch,
	}
}

// counting are the matches that hold or not by what came before: each place
// is an unknown of its own.
var counting = map[string]bool{"limit": true, "hashlimit": true, "statistic": true, "quota": true, "quota2": true,
	"recent": true, "rateest": true, "nfacct": true, "connlimit": true, "random": true, "nth": true}

// blind are the matches that do not look at the destination address.
var blind = map[string]bool{"limit": true, "statistic": true, "quota": true, "owner": true, "cgroup": true, "time": true,
	"cpu": true, "physdev": true, "devgroup": true, "nfacct": true, "rateest": true, "helper": true, "connlabel": true,
	"connbytes": true, "connlimit": true, "policy": true, "rpfilter": true, "conntrack": true, "tcp": true,
	"sctp": true, "dccp": true, "ecn": true, "tcpmss": true, "ah": true, "esp": true, "frag": true, "realm": true}

func (r *reader) match(m *xtables.Module) (*condition, error) {
	if known := modules[m.Name]; known != nil && !m.Opaque {
		return known(r, m)
	}
	if known := rawModules[m.Name]; known != nil && r.raw && !m.Opaque {
		return known(r, m), nil
	}
	// "! -m x --y" and "-m x --y" are one unknown and its opposite.
	if len(m.Options) == 1 && m.Options[0].Negated && !m.Opaque {
		return negate(r.option(m, &m.Options[0]), r.v6), nil
	}
	scope := ""
	if counting[m.Name] {
		scope = r.scope
	}
	return r.unknownMatch(moduleText(m), scope, !blind[m.Name]), nil
}

// option returns an unknown of one option, without its negation.
func (r *reader) option(m *xtables.Module, o *xtables.Option) *condition {
	one := xtables.Module{Name: m.Name, Options: []xtables.Option{*o}}
	one.Options[0].Negated = false
	scope := ""
	if counting[m.Name] {
		scope = r.scope
	}
	return r.unknownMatch(moduleText(&one), scope, !blind[m.Name])
}

func (r *reader) unknownMatch(text, scope string, readsDst bool) *condition {
	r.unknown++
	return r.atom(text, scope, readsDst)
}

func moduleText(m *xtables.Module) string {
	s := xtables.Spec{Matches: []xtables.Module{*m}}
	return s.String()
}

// each returns all options' conditions together, negated where they are.
func (r *reader) each(m *xtables.Module, test func(o *xtables.Option) (*condition, error)) (*condition, error) {
	return allOfOptions(m, func(o *xtables.Option) (*condition, error) {
		c, err := test(o)
		if err != nil {
			return nil, err
		}
		return negateIf(o.Negated, c, r.v6), nil
	})
}

func allOfOptions(m *xtables.Module, test func(o *xtables.Option) (*condition, error)) (*condition, error) {
	var parts []*condition
	for i := range m.Options {
		c, err := test(&m.Options[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Options[i].Name, err)
		}
		parts = append(parts, c)
	}
	return allOf(parts...), nil
}

// whole adds to a condition that the packet is no later fragment, where any
// rule asks for those: they have no ports.
func (r *reader) whole(c *condition) *condition {
	if !r.fragments {
		return c
	}
	return allOf(is(fieldFragment, 0), c)
}
