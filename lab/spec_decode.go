package lab

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ParseSpec reads a spec. Errors are *SpecError: bad YAML, unknown keys, and
// whatever has no meaning, each with its line and, where known, column.
func ParseSpec(file string, text []byte) (s *Spec, err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *SpecError:
			s, err = nil, e
		default:
			panic(e)
		}
	}()
	r := &reader{file: file}
	root, err := r.root(text)
	if err != nil {
		return nil, err
	}
	s = &Spec{File: file}
	var tests *yaml.Node
	var hosts *yaml.Node
	for _, p := range r.mapping(root, "a spec", specKeys...) {
		switch p.name {
		case "networks":
			for _, n := range r.mapping(p.value, "networks") {
				s.Networks = append(s.Networks, r.network(s, n))
			}
		case "hosts":
			hosts = p.value
		case "tests":
			tests = p.value
		}
	}
	if len(s.Networks) == 0 {
		r.fail(root, "there are no networks")
	}
	if s.Host(RouterName) == nil {
		r.fail(root, "no network has the host %q, which runs the firewall", RouterName)
	}
	if hosts != nil && !empty(hosts) {
		for _, p := range r.mapping(hosts, "hosts") {
			r.host(s, p)
		}
	}
	if tests == nil || tests.Kind != yaml.SequenceNode || len(tests.Content) == 0 {
		r.fail(root, "there are no tests")
	}
	s.nameInterfaces()
	for _, n := range r.list(tests) {
		s.Tests = append(s.Tests, r.test(s, n))
	}
	return s, nil
}

// hostName is what may name a network namespace, and stand in a test. An
// interface of Linux has 15 characters at most.
var (
	hostWord      = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$`)
	interfaceWord = regexp.MustCompile(`^[^\s/:%[:cntrl:]]{1,15}$`)
)

func (r *reader) network(s *Spec, p pair) Network {
	n := Network{Name: p.name, Line: p.key.Line}
	if !hostWord.MatchString(p.name) {
		r.fail(p.key, "the name of a network has letters, digits, - and _, not %q", p.name)
	}
	for _, m := range r.mapping(p.value, "a network") {
		if !hostWord.MatchString(m.name) {
			r.fail(m.key, "the name of a host has letters, digits, - and _, not %q", m.name)
		}
		n.Members = append(n.Members, r.member(s, m))
		if s.Host(m.name) == nil {
			s.Hosts = append(s.Hosts, Host{Name: m.name, AutoRoutes: true, Line: m.key.Line})
		}
	}
	if len(n.Members) == 0 {
		r.fail(p.key, "network %s has no hosts", n.Name)
	}
	r.prefixes(&n, p)
	return n
}

// member reads "ADDRESS… [as INTERFACE]" or its long form.
func (r *reader) member(s *Spec, p pair) Member {
	m := Member{Host: p.name, Line: p.key.Line}
	var words []string
	if p.value.Kind == yaml.MappingNode {
		for _, q := range r.mapping(p.value, "a host in a network", memberKeys...) {
			switch q.name {
			case "address":
				for _, a := range r.list(q.value) {
					words = append(words, r.text(a, "an address"))
				}
			case "interface":
				m.Interface = r.text(q.value, "an interface")
			}
		}
	} else {
		words = strings.Fields(strings.ReplaceAll(r.text(p.value, "an address"), ",", " "))
		if i := slices.Index(words, "as"); i >= 0 {
			if i != len(words)-2 {
				r.fail(p.value, "a host in a network is ADDRESS… [as INTERFACE], not %q", p.value.Value)
			}
			m.Interface = words[i+1]
			words = words[:i]
		}
	}
	if m.Interface != "" && (!interfaceWord.MatchString(m.Interface) || len(m.Interface) > 15 || m.Interface == "lo" || m.Interface == "." || m.Interface == "..") {
		r.fail(p.value, "%q cannot name an interface", m.Interface)
	}
	for _, w := range words {
		bits := -1 // the network's
		a, err := netip.ParseAddr(w)
		if err != nil {
			pre, perr := netip.ParsePrefix(w)
			if perr != nil {
				r.fail(p.value, "%q is no address; such as 192.0.2.1/24, 192.0.2.1 or 2001:db8::1/64", w)
			}
			a, bits = pre.Addr(), pre.Bits()
		}
		if a.Is4In6() || a.Zone() != "" || a.IsMulticast() || a.IsUnspecified() || a.IsLoopback() {
			r.fail(p.value, "%s cannot be a host's address", a)
		}
		if bits < 0 {
			m.Addresses = append(m.Addresses, netip.PrefixFrom(a, 0)) // until prefixes
		} else {
			m.Addresses = append(m.Addresses, netip.PrefixFrom(a, bits))
		}
	}
	if len(m.Addresses) == 0 {
		r.fail(p.key, "%s has no address here", m.Host)
	}
	for _, o := range s.Interfaces(m.Host) {
		if m.Interface != "" && o.Interface == m.Interface {
			r.fail(p.value, "%s has an interface %s already", m.Host, m.Interface)
		}
	}
	return m
}

// prefixes gives each address without a length that of the network: the length
// that stands with another of its family.
func (r *reader) prefixes(n *Network, p pair) {
	length := func(a netip.Addr) int {
		for _, m := range n.Members {
			for _, o := range m.Addresses {
				if o.Bits() > 0 && o.Addr().Is4() == a.Is4() && o.Contains(a) {
					return o.Bits()
				}
			}
		}
		return 0
	}
	seen := map[netip.Addr]string{}
	for i := range n.Members {
		m := &n.Members[i]
		for j, a := range m.Addresses {
			if a.Bits() == 0 {
				bits := length(a.Addr())
				if bits == 0 {
					r.fail(p.key, "network %s says no length for %s of %s; such as %s/24", n.Name, a.Addr(), m.Host, a.Addr())
				}
				m.Addresses[j] = netip.PrefixFrom(a.Addr(), bits)
			}
			if who, ok := seen[a.Addr()]; ok {
				r.fail(p.key, "%s belongs to both %s and %s", a.Addr(), who, m.Host)
			}
			seen[a.Addr()] = m.Host
		}
	}
}

func (r *reader) host(s *Spec, p pair) {
	h := s.Host(p.name)
	if h == nil {
		r.fail(p.key, "host %s is in no network", p.name)
	}
	if empty(p.value) {
		return
	}
	for _, q := range r.mapping(p.value, "a host", hostKeys...) {
		switch q.name {
		case "routes":
			r.routes(s, h, q.value)
		case "services":
			r.services(h, q.value)
		case "sysctls":
			for _, k := range r.mapping(q.value, "sysctls") {
				if !strings.HasPrefix(k.name, "net.") {
					r.fail(k.key, "%s is no sysctl of a network namespace, such as net.ipv4.ip_forward", k.name)
				}
				h.Sysctls = append(h.Sysctls, Setting{k.name, r.text(k.value, "a value")})
			}
		}
	}
}

// routes reads auto, none, or a list of "PREFIX via ADDRESS".
func (r *reader) routes(s *Spec, h *Host, n *yaml.Node) {
	h.AutoRoutes = false
	if n.Kind == yaml.ScalarNode && (n.Value == "auto" || n.Value == "none") {
		h.AutoRoutes = n.Value == "auto"
		return
	}
	for _, item := range r.list(n) {
		words := strings.Fields(r.text(item, "a route"))
		if len(words) == 1 && words[0] == "auto" {
			h.AutoRoutes = true
			continue
		}
		if len(words) != 3 || words[1] != "via" {
			r.fail(item, "a route is PREFIX via ADDRESS or default via ADDRESS; or all are auto, or none")
		}
		via, err := netip.ParseAddr(words[2])
		if err != nil {
			r.fail(item, "%q is no address", words[2])
		}
		dst := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if via.Is6() {
			dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if words[0] != "default" {
			if dst, err = netip.ParsePrefix(words[0]); err != nil {
				a, aerr := netip.ParseAddr(words[0])
				if aerr != nil {
					r.fail(item, "%q is no network such as 192.0.2.0/24", words[0])
				}
				dst = netip.PrefixFrom(a, a.BitLen())
			}
		}
		if dst.Addr().Is4() != via.Is4() {
			r.fail(item, "%s and %s are of two families", words[0], via)
		}
		if !slices.ContainsFunc(s.Interfaces(h.Name), func(m Member) bool {
			return slices.ContainsFunc(m.Addresses, func(a netip.Prefix) bool { return a.Contains(via) })
		}) {
			r.fail(item, "%s has no network with %s in it", h.Name, via)
		}
		if !slices.ContainsFunc(s.Networks, func(n Network) bool {
			return slices.ContainsFunc(n.Members, func(m Member) bool {
				return slices.ContainsFunc(m.Addresses, func(a netip.Prefix) bool { return a.Addr() == via })
			})
		}) {
			r.fail(item, "no host has the address %s", via)
		}
		h.Routes = append(h.Routes, Route{dst.Masked(), via})
	}
}
