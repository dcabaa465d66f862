package packets

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// transport reads the matches tcp, udp, sctp and dccp. The rule's header names
// the protocol: the programs demand it.
func (r *reader) transport(m *xtables.Module) (*condition, error) {
	if r.backend == ruleset.NFT && joinedPorts(m) {
		return r.notBoth(m)
	}
	c, err := r.each(m, func(o *xtables.Option) (*condition, error) {
		switch o.Name {
		case "--sport", "--dport":
			s, err := numberRange(o.Value(), 16)
			return in(portField(o.Name), s, r.v6), err
		case "--tcp-flags":
			if len(o.Values) != 2 {
				return nil, fmt.Errorf("wants two lists of flags")
			}
			mask, err := flagBits(o.Values[0])
			if err != nil {
				return nil, err
			}
			want, err := flagBits(o.Values[1])
			if err != nil {
				return nil, err
			}
			return in(fieldFlags, flagSpans(mask, want), r.v6), nil
		}
		return r.option(m, o), nil
	})
	if err != nil || len(m.Options) == 0 {
		return c, err
	}
	return r.whole(c), nil
}

// joinedPorts says that iptables-nft makes one comparison of both ports, so
// that "! --sport 1 ! --dport 2" fits what is not both (add_nft_tcpudp of
// iptables/nft.c: one cmp neq on four bytes). Its save does not tell.
func joinedPorts(m *xtables.Module) bool {
	src, dst := m.Option("--sport"), m.Option("--dport")
	single := func(o *xtables.Option) bool {
		return o != nil && o.Negated && o.Value() != "0" && !strings.Contains(o.Value(), ":")
	}
	return (m.Name == "tcp" || m.Name == "udp") && single(src) && single(dst)
}

// notBoth reads a match whose two ports are denied together.
func (r *reader) notBoth(m *xtables.Module) (*condition, error) {
	rest, ports := *m, *m
	rest.Options, ports.Options = nil, nil
	for _, o := range m.Options {
		if o.Name == "--sport" || o.Name == "--dport" {
			o.Negated = false
			ports.Options = append(ports.Options, o)
		} else {
			rest.Options = append(rest.Options, o)
		}
	}
	both, err := r.transport(&ports)
	if err != nil {
		return nil, err
	}
	c, err := r.transport(&rest)
	if err != nil {
		return nil, err
	}
	return r.whole(allOf(negate(both, r.v6), c)), nil
}

func portField(option string) field {
	if strings.HasPrefix(option, "--s") {
		return fieldSport
	}
	return fieldDport
}

var flagNames = []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"}

func flagBits(s string) (uint64, error) {
	var n uint64
next:
	for name := range strings.SplitSeq(s, ",") {
		switch name {
		case "NONE":
			continue
		case "ALL":
			n = 63
			continue
		}
		for i, f := range flagNames {
			if f == name {
				n |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("TCP flag %q", name)
	}
	return n, nil
}

// flagSpans returns the combinations of flags that are want under the mask.
func flagSpans(mask, want uint64) spans {
	var s spans
	for n := range uint64(64) {
		if n&mask == want {
			s = append(s, span{number(n), number(n)})
		}
	}
	return normal(s)
}

// multiport takes up to 15 ports and ranges; --ports is either side's.
func (r *reader) multiport(m *xtables.Module) (*condition, error) {
	c, err := r.each(m, func(o *xtables.Option) (*condition, error) {
		var set spans
		for item := range strings.SplitSeq(o.Value(), ",") {
			s, err := numberRange(item, 16)
			if err != nil {
				return nil, err
			}
			set = append(set, s...)
		}
		set = normal(set)
		if o.Name == "--ports" {
			return anyOf(in(fieldSport, set, r.v6), in(fieldDport, set, r.v6)), nil
		}
		return in(portField(o.Name), set, r.v6), nil
	})
	if err != nil {
		return nil, err
	}
	return r.whole(c), nil
}

func (r *reader) icmp(m *xtables.Module) (*condition, error) {
	c, err := r.each(m, func(o *xtables.Option) (*condition, error) {
		if o.Value() == "any" {
			return yes, nil
		}
		kind, code, hasCode := strings.Cut(o.Value(), "/")
		k, err := strconv.ParseUint(kind, 10, 8)
		if err != nil {
			return nil, err
		}
		low, high := k<<8, k<<8|255
		if hasCode {
			c, err := strconv.ParseUint(code, 10, 8)
			if err != nil {
				return nil, err
			}
			low, high = low|c, low|c
		}
		return in(fieldICMP, spans{{number(low), number(high)}}, r.v6), nil
	})
	if err != nil {
		return nil, err
	}
	return r.whole(c), nil
}
