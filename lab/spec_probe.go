package lab

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// test reads one test: "FROM PROTO TO [OPTION VALUE]…: EXPECTATION", or its
// long form.
func (r *reader) test(s *Spec, n *yaml.Node) Test {
	t := Test{Line: n.Line, Column: n.Column, Times: 1}
	short := n.Kind == yaml.MappingNode && len(n.Content) == 2 && !slices.Contains(testKeys, n.Content[0].Value)
	if short {
		p := r.mapping(n, "a test")[0]
		r.words(&t, p.key)
		r.expectation(s, &t, p.value)
	} else {
		if n.Kind != yaml.MappingNode {
			r.fail(n, "a test is FROM PROTO TO: EXPECTATION, such as boxA ping boxB: accepted")
		}
		pairs := r.mapping(n, "a test", testKeys...)
		for _, want := range []string{"from", "to", "with", "expect"} {
			if !slices.ContainsFunc(pairs, func(p pair) bool { return p.name == want }) {
				r.fail(n, "the test lacks %q", want)
			}
		}
		for _, p := range pairs {
			if p.name != "expect" {
				r.key(&t, p.name, p.value)
			}
		}
		for _, p := range pairs {
			if p.name == "expect" {
				r.expectation(s, &t, p.value)
			}
		}
	}
	r.resolve(s, &t, n)
	if t.Name == "" {
		t.Name = t.Probe.String()
	}
	return t
}

// words reads the short form of a probe.
func (r *reader) words(t *Test, n *yaml.Node) {
	words := strings.Fields(r.text(n, "a test"))
	if len(words) < 3 {
		r.fail(n, "a test is FROM PROTO TO: EXPECTATION, such as boxA ping boxB: accepted; not %q", n.Value)
	}
	at := func(w string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: w, Line: n.Line, Column: n.Column}
	}
	r.key(t, "from", at(words[0]))
	r.key(t, "with", at(words[1]))
	r.key(t, "to", at(words[2]))
	for i := 3; i < len(words); i += 2 {
		if slices.Contains([]string{"name", "from", "with", "to", "expect"}, words[i]) || !slices.Contains(testKeys, words[i]) {
			r.fail(n, "unknown word %q in a test; after TO come %s, each with a value", words[i], strings.Join(slices.Concat([]string{"times"}, testKeys[6:]), ", "))
		}
		if i+1 == len(words) {
			r.fail(n, "%s wants a value", words[i])
		}
		r.key(t, words[i], at(words[i+1]))
	}
}

var numberOnly = regexp.MustCompile(`^\d+$`)

// tcpFlags are in the order of the header's bits: FIN is 1.
var tcpFlags = []string{"fin", "syn", "rst", "psh", "ack", "urg"}

func joinFlags(f []string) string { return strings.Join(f, ",") }

func (r *reader) key(t *Test, name string, n *yaml.Node) {
	p := &t.Probe
	switch name {
	case "name":
		t.Name = r.text(n, "a name")
	case "from":
		p.From = r.text(n, "from")
	case "to":
		r.target(p, n)
	case "with":
		word := strings.ToLower(r.text(n, "with"))
		if w, ok := strings.CutSuffix(word, "6"); ok && slices.Contains(protos, w) {
			word, p.V6 = w, true
		}
		if !slices.Contains(protos, word) {
			if v, err := strconv.ParseUint(word, 10, 8); err != nil || !numberOnly.MatchString(word) || v == 0 || v == 255 {
				r.fail(n, "unknown protocol %q; there are %s, each also with a 6 for IPv6, and numbers", n.Value, strings.Join(protos, ", "))
			}
		}
		p.Proto = word
	case "times":
		t.Times = r.number(n, "times", 1, 10000)
	case "from-port":
		p.FromPort = uint16(r.number(n, "from-port", 1, 65535))
	case "from-address":
		a, err := netip.ParseAddr(r.text(n, "from-address"))
		if err != nil || a.Is4In6() || a.Zone() != "" {
			r.fail(n, "%q is no address", n.Value)
		}
		if a.IsUnspecified() || a.IsMulticast() || a == broadcast {
			r.fail(n, "no host can send from %s", a)
		}
		p.FromAddress = a
	case "flags":
		p.Flags = r.flags(n)
	case "type":
		p.Type = uint8(r.number(n, "type", 0, 255))
	case "code":
		p.Code = uint8(r.number(n, "code", 0, 255))
	case "size":
		p.Size = r.number(n, "size", 1, 60000)
	case "ttl":
		p.TTL = r.number(n, "ttl", 1, 255)
	case "tos":
		p.TOS = r.number(n, "tos", 1, 255)
	case "send":
		p.Send = r.text(n, "send")
	}
}

var protos = []string{"ping", "icmp", "tcp", "udp", "http", "sctp"}

func (r *reader) flags(n *yaml.Node) []string {
	var out []string
	for _, item := range r.list(n) {
		for _, w := range strings.Split(strings.ToLower(r.text(item, "a flag")), ",") {
			if w != "none" && !slices.Contains(tcpFlags, w) {
				r.fail(item, "unknown TCP flag %q; there are %s, and none", w, joinFlags(tcpFlags))
			}
			out = append(out, w)
		}
	}
	return out
}

// target reads a host, HOST.NETWORK or an address, with or without a port.
func (r *reader) target(p *Probe, n *yaml.Node) {
	p.To = r.text(n, "to")
	to, port := p.To, ""
	if ap, err := netip.ParseAddrPort(to); err == nil {
		p.To, p.Port = ap.Addr().String(), ap.Port()
		return
	}
	if _, err := netip.ParseAddr(to); err == nil {
		return
	}
	if i := strings.LastIndexByte(to, ':'); i >= 0 {
		to, port = to[:i], to[i+1:]
		v, err := strconv.ParseUint(port, 10, 16)
		if err != nil || v == 0 {
			r.fail(n, "%q is no port", port)
		}
		p.To, p.Port = to, uint16(v)
	}
}

// broadcast is everybody on a link (RFC 919).
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// resolve finds the addresses of a probe and holds it to be of one piece.
func (r *reader) resolve(s *Spec, t *Test, n *yaml.Node) {
	p := &t.Probe
	if s.Host(p.From) == nil {
		r.fail(n, "no network has a host %q", p.From)
	}
	var ok bool
	if p.Dst, ok = s.lookup(p.From, p.To, p.V6); !ok {
		family := "IPv4"
		if p.V6 {
			family = "IPv6"
		}
		if a, err := netip.ParseAddr(p.To); err == nil {
			r.fail(n, "%s is no %s address", a, family)
		}
		if name, _, _ := strings.Cut(p.To, "."); s.Host(name) == nil {
			r.fail(n, "%q is neither an address nor a host of a network", p.To)
		}
		r.fail(n, "%s has no %s address there", p.To, family)
	}
	p.V6 = p.Dst.Is6()
	if p.Dst.IsUnspecified() || p.Dst.Is4In6() || p.Dst.Zone() != "" {
		r.fail(n, "nothing can be sent to %s", p.Dst)
	}
	if p.FromAddress.IsValid() && p.FromAddress.Is4() != p.Dst.Is4() {
		r.fail(n, "%s and %s are of two families", p.FromAddress, p.Dst)
	}
	ports := slices.Contains([]string{"tcp", "udp", "http", "sctp"}, p.Proto)
	if p.Proto == "http" && p.Port == 0 {
		p.Port = 80
	}
	switch {
	case ports && p.Port == 0:
		r.fail(n, "%s wants a port, such as %s:22", p.Proto, p.To)
	case !ports && (p.Port != 0 || p.FromPort != 0):
		r.fail(n, "%s has no ports", p.Proto)
	case len(p.Flags) > 0 && p.Proto != "tcp":
		r.fail(n, "flags are those of tcp")
	case p.Proto != "icmp" && (p.Type != 0 || p.Code != 0):
		r.fail(n, "type and code are those of icmp")
	case p.Size != 0 && (ports && p.Proto != "udp"):
		r.fail(n, "a size is that of ping, icmp, udp and numbers")
	case p.Send != "" && !slices.Contains([]string{"tcp", "udp", "http"}, p.Proto):
		r.fail(n, "only tcp, udp and http say something")
	case p.Send != "" && len(p.Flags) > 0:
		r.fail(n, "a raw segment says nothing")
	case t.Expect.Answer != nil && !slices.Contains([]string{"tcp", "udp", "http"}, p.Proto):
		r.fail(n, "only tcp, udp and http have an answer")
	}
}

// lookup finds the address that a host means by a name: one in a network that
// it is in itself, if there is one.
func (s *Spec) lookup(from, to string, v6 bool) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(to); err == nil {
		return a, !v6 || a.Is6()
	}
	name, network, _ := strings.Cut(to, ".")
	var best netip.Addr
	for _, near := range []bool{true, false} {
		for _, want6 := range []bool{v6, true} {
			if want6 && !v6 && s.has4(name, network) {
				continue
			}
			for _, n := range s.Networks {
				if network != "" && n.Name != network || near && !n.has(from) {
					continue
				}
				for _, m := range n.Members {
					for _, a := range m.Addresses {
						if m.Host == name && a.Addr().Is6() == want6 && !best.IsValid() {
							best = a.Addr()
						}
					}
				}
			}
		}
	}
	return best, best.IsValid()
}

// has4 says whether a host has an IPv4 address, in a network or in any.
func (s *Spec) has4(host, network string) bool {
	for _, n := range s.Networks {
		for _, m := range n.Members {
			if m.Host == host && (network == "" || n.Name == network) &&
				slices.ContainsFunc(m.Addresses, func(a netip.Prefix) bool { return a.Addr().Is4() }) {
				return true
			}
		}
	}
	return false
}

func (n *Network) has(host string) bool {
	return slices.ContainsFunc(n.Members, func(m Member) bool { return m.Host == host })
}
