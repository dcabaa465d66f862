package lab

import (
	"fmt"
	"net/netip"
	"slices"
)

// nameInterfaces gives the interfaces that the file does not name eth0, eth1, …
// in the order of the networks.
func (s *Spec) nameInterfaces() {
	for i := range s.Networks {
		for j := range s.Networks[i].Members {
			m := &s.Networks[i].Members[j]
			for k := 0; m.Interface == ""; k++ {
				name := fmt.Sprintf("eth%d", k)
				if !slices.ContainsFunc(s.Interfaces(m.Host), func(o Member) bool { return o.Interface == name }) {
					m.Interface = name
				}
			}
		}
	}
}

// routesOf are the routes that a host gets: its own, and where the lab makes
// them one to each network that it is not in, by the fewest hops, and toward
// the router one to everything else.
func (s *Spec) routesOf(h *Host) []Route {
	out := slices.Clone(h.Routes)
	if !h.AutoRoutes {
		return out
	}
	add := func(dst netip.Prefix, via netip.Addr) {
		if via.IsValid() && !slices.ContainsFunc(out, func(r Route) bool { return r.Prefix == dst }) {
			out = append(out, Route{dst, via})
		}
	}
	for i := range s.Networks {
		n := &s.Networks[i]
		if n.has(h.Name) {
			continue
		}
		for _, p := range n.prefixes() {
			add(p, s.nextHop(h.Name, func(host string) bool { return n.has(host) }, p.Addr().Is6()))
		}
	}
	if h.Name != RouterName {
		for _, dst := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
			add(dst, s.nextHop(h.Name, func(host string) bool { return host == RouterName }, dst.Addr().Is6()))
		}
	}
	return out
}

func (n *Network) prefixes() []netip.Prefix {
	var out []netip.Prefix
	for _, m := range n.Members {
		for _, a := range m.Addresses {
			if !slices.Contains(out, a.Masked()) {
				out = append(out, a.Masked())
			}
		}
	}
	return out
}

// nextHop is the address of the neighbour on the shortest way from a host to
// one that there answers for. Of two ways as short, the router's is taken.
func (s *Spec) nextHop(from string, there func(string) bool, v6 bool) netip.Addr {
	type way struct {
		host  string
		first netip.Addr
	}
	seen := map[string]bool{from: true}
	for level := []way{{host: from}}; len(level) > 0; {
		var next []way
		for _, w := range level {
			for i := range s.Networks {
				n := &s.Networks[i]
				if !n.address(w.host, v6).IsValid() {
					continue
				}
				for _, m := range n.Members {
					a := n.address(m.Host, v6)
					if seen[m.Host] || !a.IsValid() {
						continue
					}
					if w.first.IsValid() {
						a = w.first
					}
					next = append(next, way{m.Host, a})
				}
			}
		}
		slices.SortStableFunc(next, func(a, b way) int {
			return slices.Index([]bool{false, true}, b.host == RouterName) - slices.Index([]bool{false, true}, a.host == RouterName)
		})
		for _, w := range next {
			if there(w.host) {
				return w.first
			}
		}
		level = level[:0]
		for _, w := range next {
			if !seen[w.host] {
				seen[w.host] = true
				level = append(level, w)
			}
		}
	}
	return netip.Addr{}
}

// address is a host's first of a family in the network.
func (n *Network) address(host string, v6 bool) netip.Addr {
	for _, m := range n.Members {
		for _, a := range m.Addresses {
			if m.Host == host && a.Addr().Is6() == v6 {
				return a.Addr()
			}
		}
	}
	return netip.Addr{}
}
