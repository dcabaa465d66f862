package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	vnl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Arrangement is what the router knows of addresses, for the packets that
// come next.
type Arrangement struct {
	// Local are the router's own addresses, of no interface.
	Local []netip.Addr
	// Broadcast are addresses that all on a network listen to, the router too.
	Broadcast []netip.Addr
	// Primary are the addresses of interfaces: the one that REDIRECT and
	// MASQUERADE give.
	Primary map[string]netip.Addr
	// Routes are the interfaces that networks are behind.
	Routes map[netip.Prefix]string
	// Groups are those that the router listens to.
	Groups map[netip.Addr]string
}

// Arrange makes the router know these addresses, and those of the former
// Arrangement no longer.
func (r *Router) Arrange(a Arrangement) error {
	return r.Do(func() error {
		if err := r.disarrange(); err != nil {
			return err
		}
		for name, addr := range a.Primary {
			if err := r.primary(name, addr); err != nil {
				return fmt.Errorf("address %s of %s: %w", addr, name, err)
			}
		}
		local := a.Local
		for _, addr := range a.Primary {
			if addr.Is6() {
				// The kernel makes the address a local one a moment later
				// (addrconf_dad_work).
				local = append(slices.Clip(local), addr)
			}
		}
		for _, addr := range local {
			if err := r.route(&vnl.Route{Dst: hostNet(addr), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Scope: vnl.SCOPE_HOST}, "lo"); err != nil {
				return fmt.Errorf("address %s: %w", addr, err)
			}
		}
		for _, addr := range a.Broadcast {
			if err := r.route(&vnl.Route{Dst: hostNet(addr), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_BROADCAST, Scope: vnl.SCOPE_LINK}, "lo"); err != nil {
				return fmt.Errorf("broadcast address %s: %w", addr, err)
			}
		}
		for to, name := range a.Routes {
			dst := hostNet(to.Addr())
			dst.Mask = maskOf(to)
			if err := r.route(&vnl.Route{Dst: dst, Scope: scopeOf(to.Addr())}, name); err != nil {
				return fmt.Errorf("route to %s by %s: %w", to, name, err)
			}
		}
		for group, name := range a.Groups {
			if err := r.join(group, name); err != nil {
				return fmt.Errorf("group %s on %s: %w", group, name, err)
			}
		}
		return nil
	})
}

func maskOf(p netip.Prefix) []byte {
	m := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		m[i/8] |= 128 >> (i % 8)
	}
	return m
}

func scopeOf(a netip.Addr) vnl.Scope {
	if a.Is4() {
		return vnl.SCOPE_LINK
	}
	return vnl.SCOPE_UNIVERSE
}

func (r *Router) disarrange() error {
	var errs []error
	for i := len(r.arranged) - 1; i >= 0; i-- {
		errs = append(errs, r.arranged[i]())
	}
	r.arranged = nil
	return errors.Join(errs...)
}

// route adds a route before those of the same network that are there.
func (r *Router) route(route *vnl.Route, name string) error {
	w := r.wires[name]
	if w == nil {
		return errNoWire(name)
	}
	route.LinkIndex = w.index
	if r.v6(route) {
		route.Priority = 1
	}
	err := r.here.RouteAdd(route)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	if err == nil {
		r.arranged = append(r.arranged, func() error { return r.here.RouteDel(route) })
	}
	return err
}

func (r *Router) v6(route *vnl.Route) bool { return len(route.Dst.Mask) == 16 }

// primary gives an interface an address that goes before its others.
func (r *Router) primary(name string, addr netip.Addr) error {
	w := r.wires[name]
	if w == nil {
		return errNoWire(name)
	}
	own := w.address(addr.Is6())
	if own == addr {
		return nil
	}
	// The first address is the primary one: the wire's own goes and comes back.
	if err := r.here.AddrDel(w.link, hostAddr(own)); err != nil {
		return err
	}
	r.arranged = append(r.arranged, func() error { return r.here.AddrAdd(w.link, hostAddr(own)) })
	if err := r.here.AddrAdd(w.link, hostAddr(addr)); err != nil {
		return err
	}
	r.arranged = append(r.arranged, func() error { return r.here.AddrDel(w.link, hostAddr(addr)) })
	return nil
}

// join listens to a group for as long as the arrangement holds.
func (r *Router) join(group netip.Addr, name string) error {
	w := r.wires[name]
	if w == nil {
		return errNoWire(name)
	}
	domain := unix.AF_INET
	if group.Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	r.arranged = append(r.arranged, func() error { return unix.Close(fd) })
	if group.Is6() {
		return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(w.index)})
	}
	return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(w.index)})
}
