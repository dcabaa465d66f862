package lab

import (
	"fmt"
	"net/netip"
)

// RouterName is the host of a spec that runs the firewall under test.
const RouterName = "router"

// Spec is a virtual network and the tests of a firewall in it, read from a
// file by ParseSpec.
type Spec struct {
	// File is the name that positions are given with.
	File     string
	Networks []Network
	// Hosts are in the order in which the file names them, and the router is
	// one of them.
	Hosts []Host
	Tests []Test
}

// Network is one link with two or more hosts on it.
type Network struct {
	Name    string
	Members []Member
	Line    int
}

// Member is a host's interface in a network.
type Member struct {
	Host string
	// Interface is its name on the host: that of the spec, or eth0, eth1, …
	Interface string
	// Addresses are with the length of the network's prefix.
	Addresses []netip.Prefix
	Line      int
}

// Host is one network namespace of the lab.
type Host struct {
	Name string
	// Routes are in the words of the file; AutoRoutes says that the lab makes
	// them: a default route toward the router, and routes to networks behind
	// other hosts.
	Routes     []Route
	AutoRoutes bool
	Services   []Service
	// Closed says that nothing listens but Services. On others the lab
	// listens where a test goes to.
	Closed bool
	// Sysctls are written before the firewall's own.
	Sysctls []Setting
	Line    int
}

// Route is one route of a host. The default route is the prefix of length 0.
type Route struct {
	Prefix netip.Prefix
	Via    netip.Addr
}

// Setting is one sysctl, in the words of sysctl(8).
type Setting struct{ Key, Value string }

// Service listens on all addresses of a host.
type Service struct {
	Proto string // tcp, udp or http
	Port  uint16
	// Answer is what it says to whoever speaks to it; the body for http.
	Answer string
	// Echo gives back what it got; Silent takes it and says nothing.
	Echo, Silent bool
}

// Test is one flow and what is to become of it.
type Test struct {
	Name  string
	Probe Probe
	// Times is how many such flows are sent; 1 by default.
	Times  int
	Expect Expectation
	Line   int
	Column int
}

// Probe is what a test sends.
type Probe struct {
	From string // host
	// To is a host, HOST.NETWORK or an address, as the file has it. Resolve
	// finds Dst.
	To    string
	Dst   netip.Addr
	Proto string // ping, icmp, tcp, udp, http, sctp, or a protocol number
	V6    bool   // a name is to be taken for its IPv6 address
	Port  uint16
	// FromPort and FromAddress are those of the sender, 0 and invalid for any.
	FromPort    uint16
	FromAddress netip.Addr
	// Flags makes one raw TCP segment of a tcp probe: a list such as
	// [syn ack]; [none] has no flag.
	Flags []string
	// Type and Code are those of proto icmp.
	Type, Code uint8
	// Size is the length of the payload in bytes; beyond the MTU of 1500 the
	// packet goes in fragments.
	Size int
	TTL  int
	TOS  int
	// Send is what a tcp, udp or http probe says; a path for http.
	Send string
}

// String is the short form of a probe.
func (p Probe) String() string {
	s := p.From + " " + p.Proto
	if p.V6 {
		s += "6"
	}
	to := p.To
	if p.Port != 0 {
		if a, err := netip.ParseAddr(to); err == nil && a.Is6() {
			to = "[" + to + "]"
		}
		to = fmt.Sprintf("%s:%d", to, p.Port)
	}
	s += " " + to
	if p.Proto == "icmp" {
		s += fmt.Sprintf(" type %d", p.Type)
		if p.Code != 0 {
			s += fmt.Sprintf(" code %d", p.Code)
		}
	}
	if len(p.Flags) > 0 {
		s += " flags " + joinFlags(p.Flags)
	}
	if p.FromAddress.IsValid() {
		s += " from-address " + p.FromAddress.String()
	}
	for _, o := range []struct {
		name  string
		value int
	}{{"from-port", int(p.FromPort)}, {"size", p.Size}, {"ttl", p.TTL}, {"tos", p.TOS}} {
		if o.value != 0 {
			s += fmt.Sprintf(" %s %d", o.name, o.value)
		}
	}
	return s
}

// SpecError is a fault of a spec's text.
type SpecError struct {
	File         string
	Line, Column int // from 1; 0 is unknown
	Msg          string
}

func (e *SpecError) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// Host returns the host of that name, or nil.
func (s *Spec) Host(name string) *Host {
	for i := range s.Hosts {
		if s.Hosts[i].Name == name {
			return &s.Hosts[i]
		}
	}
	return nil
}

// Interfaces returns a host's places in networks, in the order of the file.
func (s *Spec) Interfaces(host string) []Member {
	var out []Member
	for _, n := range s.Networks {
		for _, m := range n.Members {
			if m.Host == host {
				out = append(out, m)
			}
		}
	}
	return out
}
