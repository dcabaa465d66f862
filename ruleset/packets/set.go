package packets

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// set is an ipset as rules ask for it. Its conditions are made once for each
// way in which rules name source and destination.
type set struct {
	*ruleset.Set
	asked map[string]*membership
	busy  bool // a list:set that holds itself
}

// membership is what a set says of packets: that they match it, or that they
// do for a rule of --return-nomatch, which asks for exceptions. A set of a type
// that has none answers that as the plain question (ip_set_test).
type membership struct{ match, except *condition }

var nobody = &membership{no, no}

func setsOf(s *ruleset.Snapshot) map[string]*set {
	m := make(map[string]*set, len(s.Sets))
	for i := range s.Sets {
		m[s.Sets[i].Name] = &set{Set: &s.Sets[i], asked: map[string]*membership{}}
	}
	return m
}

// setMatch follows set_match_v4 of xt_set.c.
func (r *reader) setMatch(m *xtables.Module) (*condition, error) {
	o := m.Option("--match-set")
	if o == nil || len(o.Values) != 2 {
		return nil, fmt.Errorf("no set")
	}
	ms, err := r.membership(o.Values[0], o.Values[1])
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", o.Values[0], err)
	}
	c := ms.match
	if m.Option("--return-nomatch") != nil {
		c = ms.except
	}
	if r.filled[o.Values[0]] != 0 && ms != nobody {
		c = r.filledLater(o.Values[0], o.Values[1], c)
	}
	if r.marksMade && asks(c, fieldMark) {
		c = r.followed(m, o, fieldMark, c)
	}
	c = negateIf(o.Negated, c, r.v6)
	parts := []*condition{c}
	for i := range m.Options {
		if name := m.Options[i].Name; strings.HasPrefix(name, "--packets-") || strings.HasPrefix(name, "--bytes-") {
			parts = append(parts, r.unknownMatch(moduleText(m)+" (counters)", r.scope, true))
			break
		}
	}
	return allOf(parts...), nil
}

// membership returns the conditions of a set for directions such as src,dst.
// Without the set the rules would not load; whoever compares them all the same
// gets an unknown.
func (r *reader) membership(name, directions string) (*membership, error) {
	s := r.sets[name]
	if s == nil {
		return &membership{r.unknownMatch("set "+name+" "+directions+" (no such set)", "", true), no}, nil
	}
	if ms := s.asked[directions]; ms != nil {
		return ms, nil
	}
	if s.busy {
		return nobody, nil
	}
	s.busy = true
	ms, err := r.ask(s, strings.Split(directions, ","))
	s.busy = false
	if err != nil {
		return nil, err
	}
	s.asked[directions] = ms
	return ms, nil
}

func (r *reader) ask(s *set, directions []string) (*membership, error) {
	if s.Type == "list:set" {
		return r.askList(s, directions)
	}
	kinds := strings.Split(s.Type[strings.IndexByte(s.Type, ':')+1:], ",")
	// ip_set_test: too few directions, or another family, and nothing matches.
	if len(directions) < len(kinds) || r.otherFamily(s) {
		return nobody, nil
	}
	members := make([]member, 0, len(s.Members))
	for _, text := range s.Members {
		m, err := r.member(s, kinds, directions, text)
		if err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	if s.Type == "hash:net,iface" {
		return r.byInterface(members), nil
	}
	var ms *membership
	if len(kinds) == 1 {
		ms = r.single(members)
	} else {
		ms = r.joined(members)
	}
	if !slices.Contains(kinds, "net") {
		ms.except = ms.match
	}
	return ms, nil
}

// askList asks the members of a list in their order until one says yes
// (list_set_ktest), each with the rule's own options.
func (r *reader) askList(s *set, directions []string) (*membership, error) {
	var kids, excepts []*condition
	for _, text := range s.Members {
		ms, err := r.membership(firstWord(text), strings.Join(directions, ","))
		if err != nil {
			return nil, err
		}
		kids, excepts = append(kids, ms.match), append(excepts, ms.except)
	}
	return &membership{anyOf(kids...), anyOf(excepts...)}, nil
}

func (r *reader) otherFamily(s *set) bool {
	switch s.Type {
	case "bitmap:port", "hash:mac":
		return false
	case "bitmap:ip", "bitmap:ip,mac":
		return r.v6
	}
	return strings.Contains(" "+s.Options+" ", " family inet6 ") != r.v6
}

// member is one element: a test for each dimension.
type member struct {
	tests []*condition
	// lengths are the prefix lengths of the networks in it, for exceptions.
	lengths   []int
	exception bool
	device    string
	physical  bool
}

func (r *reader) member(s *set, kinds, directions []string, text string) (member, error) {
	element, options, _ := strings.Cut(text, " ")
	m := member{exception: strings.Contains(" "+options+" ", " nomatch ")}
	wildcard := strings.Contains(" "+options+" ", " wildcard ")
	parts := strings.Split(strings.ReplaceAll(element, `"`, ""), ",")
	if len(parts) != len(kinds) && s.Type != "bitmap:ip,mac" {
		return m, fmt.Errorf("member %q", text)
	}
	if len(parts) < len(kinds) && directions[1] == "src" {
		// Any hardware address, but one (bitmap_ipmac_kadt).
		m.tests = append(m.tests, in(fieldMAC, spans{{number(1), fieldMAC.limit(r.v6)}}, r.v6))
	}
	for i, p := range parts {
		src := directions[i] == "src"
		c, err := r.dimension(s, &m, kinds[i], p, src, wildcard)
		if err != nil {
			return m, fmt.Errorf("member %q: %w", text, err)
		}
		m.tests = append(m.tests, c)
	}
	return m, nil
}

func (r *reader) dimension(s *set, m *member, kind, text string, src, wildcard bool) (*condition, error) {
	f := fieldDst
	if src {
		f = fieldSrc
	}
	switch kind {
	case "ip", "net":
		prefix, err := parsePrefix(text)
		if err != nil {
			return nil, err
		}
		v, width, n := ofAddress(prefix.Addr()), f.width(r.v6), prefix.Bits()
		if mask, ok := optionOf(s.Options, "bitmask"); ok {
			a, err := netip.ParseAddr(mask)
			if err != nil {
				return nil, err
			}
			return maskedAddress(f, v, ofAddress(a), r.v6), nil
		}
		if text, ok := optionOf(s.Options, "netmask"); ok && kind == "ip" {
			if n, err = strconv.Atoi(text); err != nil || n > width {
				return nil, fmt.Errorf("netmask %q", text)
			}
		}
		if kind == "net" {
			m.lengths = append(m.lengths, n)
		}
		return in(f, network(v, n, width), r.v6), nil
	case "port":
		return r.memberPort(s, text, src)
	case "mac":
		n, err := macNumber(text)
		if err != nil {
			return nil, err
		}
		if !src {
			return r.unknownMatch("destination MAC "+text, "", false), nil
		}
		return is(fieldMAC, n), nil
	case "mark":
		n, err := strconv.ParseUint(text, 0, 32)
		mask := uint64(1<<32 - 1)
		if t, ok := optionOf(s.Options, "markmask"); ok && err == nil {
			mask, err = strconv.ParseUint(t, 0, 32)
		}
		return bitTest(fieldMark, number(n), number(mask)), err
	case "iface":
		m.device, m.physical = strings.CutPrefix(text, "physdev:")
		if !m.physical {
			m.device = text
		}
		f := fieldOut
		if src {
			f = fieldIn
		}
		if m.physical {
			return r.unknownMatch("physical device "+m.device, "", false), nil
		}
		if wildcard {
			return in(f, nameSpans(m.device+"+"), r.v6), nil
		}
		return in(f, one(ofName(m.device)), r.v6), nil
	}
	return nil, fmt.Errorf("dimension %q", kind)
}

// memberPort follows get_port of ip_set_getport.c: a protocol without ports
// has port 0, an ICMP's is its type and code.
func (r *reader) memberPort(s *set, text string, src bool) (*condition, error) {
	f := fieldDport
	if src {
		f = fieldSport
	}
	if s.Type == "bitmap:port" {
		n, err := strconv.ParseUint(text, 10, 16)
		set := spans{{number(protoTCP), number(protoTCP)}, {number(protoUDP), number(protoUDP)}}
		return r.whole(allOf(in(fieldProto, set, r.v6), is(f, n))), err
	}
	proto, port, err := ipset.ParsePort(text, r.v6)
	if err != nil {
		return nil, err
	}
	c := is(fieldProto, uint64(proto))
	switch proto {
	case protoTCP, protoUDP, protoSCTP, protoUDPLite:
		c = allOf(c, is(f, uint64(port)))
	case protoICMP, protoICMPv6:
		c = allOf(c, is(fieldICMP, uint64(port)))
	}
	return r.whole(c), nil
}

// parsePrefix reads an address or a network.
func parsePrefix(s string) (netip.Prefix, error) {
	if strings.IndexByte(s, '/') >= 0 {
		return netip.ParsePrefix(s)
	}
	a, err := netip.ParseAddr(s)
	return netip.PrefixFrom(a, a.BitLen()), err
}

// optionOf returns the value of an option of a create line.
func optionOf(options, name string) (string, bool) {
	words := strings.Fields(options)
	if i := slices.Index(words, name); i >= 0 && i+1 < len(words) {
		return words[i+1], true
	}
	return "", false
}

// firstWord is the name that a member of a list begins with.
func firstWord(s string) string {
	s, _, _ = strings.Cut(s, " ")
	return strings.Trim(s, `"`)
}
