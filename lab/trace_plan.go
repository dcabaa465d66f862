package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// TraceHost is what is known of the host that a firewall is for. What is not
// known is assumed, and the plan says so.
type TraceHost struct {
	Local  []netip.Addr // its own addresses, of no interface in particular
	Ifaces []TraceIface
	// Out is the interface by which the packet is to leave, "" if it is not said.
	Out string
	// Default are the interfaces of the default routes: of IPv4, then of IPv6.
	Default [2]string
}

// TraceIface is one interface and its addresses with their networks.
type TraceIface struct {
	Name  string
	Addrs []netip.Prefix
}

// TracePlan is how a router is made for one packet.
type TracePlan struct {
	Packet      Packet
	State       string // see TraceRequest
	Journey     string // input, forward, output
	Wires       []string
	Arrangement Arrangement
	Assumed     []string // in words
}

// PlanTrace makes a plan for a packet: which interfaces the router has, which
// addresses are its own and what is behind which interface. A packet with an
// interface that it comes in by is for the router itself if its destination is
// known as such or if the firewall forwards nothing; one without is sent by the
// router. Where translation changes a destination, the kernel routes it anew by
// the same plan.
func PlanTrace(s *ruleset.Snapshot, p Packet, h TraceHost) (*TracePlan, error) {
	pl := &TracePlan{Packet: p, Arrangement: Arrangement{Primary: map[string]netip.Addr{}, Routes: map[netip.Prefix]string{},
		Groups: map[netip.Addr]string{}}}
	if p.In != "" && p.In == h.Out && p.In == "lo" {
		return nil, fmt.Errorf("a packet that comes in by lo does not leave by it")
	}
	family, v6 := ruleset.IPv4, 0
	if p.V6() {
		family, v6 = ruleset.IPv6, 1
	}
	pl.know(h, p)
	pl.journey(s, family, h)
	out := h.Out
	if pl.Journey != "input" && out == "" && !pl.own(p.Dst) && pl.behind(p.Dst) == "" {
		if out = h.Default[v6]; out == "" {
			out = pl.assumeOut(s, family)
		}
	}
	pl.routes(h, out)
	return pl, nil
}

// know takes over what is known of the host.
func (pl *TracePlan) know(h TraceHost, p Packet) {
	a := &pl.Arrangement
	a.Local = append(a.Local, h.Local...)
	for _, i := range h.Ifaces {
		if i.Name == "lo" {
			continue
		}
		pl.wire(i.Name)
		for _, addr := range i.Addrs {
			if addr.Addr().Is6() != p.V6() {
				continue
			}
			if _, ok := a.Primary[i.Name]; ok {
				a.Local = append(a.Local, addr.Addr())
			} else {
				a.Primary[i.Name] = addr.Addr()
			}
			if !addr.IsSingleIP() {
				a.Routes[addr.Masked()] = i.Name
			}
		}
	}
}

func (pl *TracePlan) wire(name string) {
	if name != "" && name != "lo" && !slices.Contains(pl.Wires, name) {
		pl.Wires = append(pl.Wires, name)
	}
}

// own says whether an address is known as the host's.
func (pl *TracePlan) own(addr netip.Addr) bool {
	if addr.IsLoopback() || slices.Contains(pl.Arrangement.Local, addr) {
		return true
	}
	for _, a := range pl.Arrangement.Primary {
		if a == addr {
			return true
		}
	}
	return false
}

// behind returns the interface that an address is behind, as far as it is known.
func (pl *TracePlan) behind(addr netip.Addr) string {
	best, name := -1, ""
	for to, via := range pl.Arrangement.Routes {
		if to.Contains(addr) && to.Bits() > best {
			best, name = to.Bits(), via
		}
	}
	return name
}

// journey decides whom the packet is for.
func (pl *TracePlan) journey(s *ruleset.Snapshot, family ruleset.Family, h TraceHost) {
	p := &pl.Packet
	a := &pl.Arrangement
	known := len(h.Local) > 0 || len(a.Primary) > 0
	limited := p.Dst == netip.AddrFrom4([4]byte{255, 255, 255, 255})
	switch {
	case p.In == "":
		pl.Journey = "output"
		if !pl.own(p.Src) {
			a.Local = append(a.Local, p.Src)
			pl.assume("%s is the firewall's own address: the packet comes in by no interface (in NAME)", p.Src)
		}
		return
	case p.Dst.IsMulticast():
		pl.Journey, p.Cast = "input", Multicast
		a.Groups[p.Dst] = p.In
		return
	case limited:
		pl.Journey, p.Cast = "input", Broadcast
		return
	case pl.own(p.Dst):
		pl.Journey = "input"
		return
	case h.Out != "" || known:
		pl.Journey = "forward"
		return
	}
	pl.Journey = "input"
	why := "the firewall forwards nothing"
	if named := namedOwn(s, family, p.Dst); named != "" {
		why = named
	} else if why = forwards(s, family); why != "" {
		pl.Journey = "forward"
		pl.assume("%s is another host's address: %s (--local %s if it is the firewall's own)", p.Dst, why, p.Dst)
		return
	} else {
		why = "the firewall forwards nothing"
	}
	pl.assume("%s is the firewall's own address: %s (--out NAME if it is another host's)", p.Dst, why)
	a.Local = append(a.Local, p.Dst)
}

func (pl *TracePlan) assume(format string, args ...any) {
	pl.Assumed = append(pl.Assumed, fmt.Sprintf(format, args...))
}

// assumeOut picks an interface for what is not the firewall's own.
func (pl *TracePlan) assumeOut(s *ruleset.Snapshot, family ruleset.Family) string {
	in := pl.Packet.In
	leaves, enters := namedInterfaces(s, family)
	both := append(leaves, enters...)
	var others []string
	for _, name := range both {
		if name != in && name != "lo" && !slices.Contains(others, name) {
			others = append(others, name)
		}
	}
	switch len(others) {
	case 0:
		name := "eth0"
		if in == name {
			name = "eth1"
		}
		pl.assume("it leaves by %s, an interface that no rule names (--out NAME)", name)
		return name
	case 1:
		pl.assume("it leaves by %s, the other interface that rules name (--out NAME)", others[0])
	default:
		pl.assume("it leaves by %s, of the interfaces that rules name: %s (--out NAME)", others[0], strings.Join(others, ", "))
	}
	return others[0]
}

// routes completes the interfaces and what is behind them.
func (pl *TracePlan) routes(h TraceHost, out string) {
	p, a := &pl.Packet, &pl.Arrangement
	pl.wire(p.In)
	pl.wire(out)
	host := func(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, addr.BitLen()) }
	// An answer goes back the way that the packet came.
	if p.In != "" && p.In != "lo" && !pl.own(p.Src) && pl.behind(p.Src) == "" {
		a.Routes[host(p.Src)] = p.In
	}
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if p.V6() {
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if h.Out != "" && !pl.own(p.Dst) {
		a.Routes[host(p.Dst)] = h.Out
	}
	if out == "" {
		out = pl.Packet.In
	}
	if out != "" && out != "lo" {
		a.Routes[all] = out
	}
}
