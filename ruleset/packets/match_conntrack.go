package packets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// hasConnection says that the packet belongs to a connection: tracking has
// seen it and took it neither for invalid nor for none of its business.
func hasConnection(v6 bool) *condition {
	return in(fieldState, spans{{number(stateNew), number(stateRelated)}}, v6)
}

// mark tests the packet's mark, or its connection's, which a packet without
// a connection does not match, nor its negation (xt_connmark.c).
func (r *reader) mark(m *xtables.Module) (*condition, error) {
	f := fieldMark
	if m.Name == "connmark" {
		f = fieldConnmark
	}
	c, err := r.each(m, func(o *xtables.Option) (*condition, error) {
		v, mask, err := maskedNumber(o.Value(), 32)
		switch {
		case f == fieldMark || !r.raw:
			return r.followed(m, o, f, bitTest(f, v, mask)), err
		case r.tracking&templateMarks != 0:
			return r.ofTemplate(m, o), err
		}
		return constant(v == value{}), err
	})
	if err != nil || f == fieldMark {
		return c, err
	}
	return allOf(r.connected(), c), nil
}

// conntrack follows conntrack_mt of xt_conntrack.c: the state is asked first,
// and a packet without a connection matches if it was asked for and fits,
// whatever else the rule asks.
func (r *reader) conntrack(m *xtables.Module) (*condition, error) {
	state, rest := yes, []*condition(nil)
	asked := false
	for i := range m.Options {
		o := &m.Options[i]
		switch o.Name {
		case "--state", "--ctstate":
			c, err := r.states(o.Value())
			if err != nil {
				return nil, err
			}
			state, asked = negateIf(o.Negated, c, r.v6), true
		case "--ctdir":
			n := uint64(slices.Index([]string{"ORIGINAL", "REPLY"}, o.Value()))
			if n > 1 {
				return nil, fmt.Errorf("direction %q", o.Value())
			}
			c := is(fieldDir, n)
			if r.raw {
				c = constant(n == 0)
			}
			rest = append(rest, negateIf(o.Negated, c, r.v6))
		case "--ctproto":
			n, err := xtables.ProtocolNumber(o.Value())
			if err != nil {
				return nil, err
			}
			rest = append(rest, negateIf(o.Negated, r.connectionProtocol(m, o, n), r.v6))
		default:
			if r.raw {
				rest = append(rest, negateIf(o.Negated, r.ofTemplate(m, o), r.v6))
				continue
			}
			// The connection's own addresses, status and age: not of this
			// packet's header. Where its answers come from changes with its
			// destination.
			c := r.option(m, o)
			if strings.HasPrefix(o.Name, "--ctreplsrc") {
				r.readsDst[c.atom] = true
			}
			rest = append(rest, negateIf(o.Negated, c, r.v6))
		}
	}
	if len(rest) == 0 {
		return state, nil
	}
	c := allOf(append([]*condition{r.connected()}, rest...)...)
	if asked {
		c = anyOf(c, negate(r.connected(), r.v6))
	}
	return allOf(state, c), nil
}

// connectionProtocol is the test of the protocol of a packet's connection. That
// of an ICMP error is the connection's that it is about.
func (r *reader) connectionProtocol(m *xtables.Module, o *xtables.Option, n uint8) *condition {
	if r.raw {
		return constant(n == 0)
	}
	icmp := is(fieldProto, protoICMP)
	if r.v6 {
		icmp = is(fieldProto, protoICMPv6)
	}
	related := allOf(is(fieldState, stateRelated), icmp)
	return anyOf(allOf(negate(related, r.v6), is(fieldProto, uint64(n))), allOf(related, r.option(m, o)))
}

// states returns the test of a list of states. SNAT and DNAT are statuses of
// the connection and stand beside its state.
func (r *reader) states(list string) (*condition, error) {
	var set spans
	var kinds []*condition
	for name := range strings.SplitSeq(list, ",") {
		switch name {
		case "SNAT", "DNAT":
			f := fieldSNAT
			if name == "DNAT" {
				f = fieldDNAT
			}
			if !r.raw {
				kinds = append(kinds, allOf(hasConnection(r.v6), is(f, 1)))
			}
			continue
		}
		n := slices.Index(stateNames[:], name)
		if n < 0 {
			return nil, fmt.Errorf("state %q", name)
		}
		set = append(set, span{number(uint64(n)), number(uint64(n))})
	}
	return anyOf(append(kinds, in(fieldState, normal(set), r.v6))...), nil
}
