package compiler

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// ifaceName is what the kernel takes for an interface's name: dev_valid_name
// in net/core/dev.c, less what a shell would trip over.
var ifaceName = regexp.MustCompile(`^[A-Za-z0-9_.@-]{1,15}$`)

// ParseIface reads NAME[=CIDR,…].
func ParseIface(s string) (Iface, error) {
	name, addrs, _ := strings.Cut(s, "=")
	i := Iface{Name: name}
	if !ifaceName.MatchString(name) || name == "." || name == ".." {
		return Iface{}, fmt.Errorf("%q is not the name of an interface", name)
	}
	for a := range strings.SplitSeq(addrs, ",") {
		if a == "" {
			continue
		}
		if _, err := netip.ParsePrefix(a); err != nil {
			return Iface{}, fmt.Errorf("interface %s: %q is not an address with its prefix length", name, a)
		}
		i.Addrs = append(i.Addrs, a)
	}
	return i, nil
}

// check returns an error for an interface or route that ip(8) could take for
// something else than what it says.
func (n *network) check() error {
	for _, i := range n.Ifaces {
		if _, err := ParseIface(i.Name + "=" + strings.Join(i.Addrs, ",")); err != nil {
			return err
		}
		if _, err := net.ParseMAC(i.MAC); i.MAC != "" && err != nil {
			return fmt.Errorf("interface %s: %q is not a hardware address", i.Name, i.MAC)
		}
	}
	for _, r := range n.Routes {
		if !ifaceName.MatchString(r.Dev) {
			return fmt.Errorf("%q is not the name of an interface", r.Dev)
		}
		if via, err := netip.ParseAddr(r.Via); r.Via != "" && (err != nil || via.Is6() != r.V6 || via.Zone() != "") {
			return fmt.Errorf("default route through %s: %q is not an address of its family", r.Dev, r.Via)
		}
	}
	return nil
}

// network is what a script finds in place of the host's.
type network struct {
	Ifaces []Iface
	// Routes are the default routes; nil is one of each family that an
	// interface has an address of.
	Routes []Route
	// Names are the addresses that do not answer for names, at once.
	Names []string
}

// ifaceTypes are tried in turn. A veth would do everywhere, but shows as
// eth0@if2 in the output of ip, which breaks scripts that parse it.
var ifaceTypes = []string{"dummy", "ifb", "bridge"}

// make sets the calling thread's network namespace up, by the ip(8) of the
// build host. Nothing in it is left to chance, for scripts that read it.
func (n *network) make(ctx context.Context) error {
	if err := n.check(); err != nil {
		return err
	}
	var script strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&script, format+"\n", args...) }
	kind := 0
	for num, i := range n.Ifaces {
		if i.Name != "lo" {
			mac := i.MAC
			if mac == "" {
				mac = fmt.Sprintf("02:00:00:00:%02x:%02x", (num+1)>>8&0xff, (num+1)&0xff)
			}
			for {
				err := ip(ctx, "", "link", "add", i.Name, "address", mac, "type", ifaceTypes[kind])
				if err == nil {
					break
				}
				if kind++; kind == len(ifaceTypes) || errors.As(err, new(*netfilter.NoToolError)) {
					return fmt.Errorf("interface %s: %w", i.Name, err)
				}
			}
			// A bridge makes its link-local address up from the hardware's.
			line("link set %s addrgenmode none", i.Name)
			if !i.Down {
				line("link set %s up", i.Name)
			}
		}
		for _, a := range i.Addrs {
			// Else an IPv6 address is tentative for a second.
			nodad := ""
			if strings.Contains(a, ":") {
				nodad = " nodad"
			}
			line("address add %s dev %s%s", a, i.Name, nodad)
		}
	}
	for _, r := range n.routes() {
		to, via := "0.0.0.0/0", ""
		if r.V6 {
			to = "::/0"
		}
		if r.Via != "" {
			via = " via " + r.Via
		}
		metric := ""
		if r.Metric > 0 {
			metric = fmt.Sprint(" metric ", r.Metric)
		}
		onlink := ""
		if r.Via != "" && !n.spans(r) {
			onlink = " onlink"
		}
		line("route replace %s%s dev %s%s%s", to, via, r.Dev, metric, onlink)
	}
	if script.Len() > 0 {
		if err := ip(ctx, script.String(), "-batch", "-"); err != nil {
			return fmt.Errorf("stand-in interfaces: %w", err)
		}
	}
	n.silence(ctx)
	return nil
}

// spans says whether the gateway of a route is in a network of its interface.
func (n *network) spans(r Route) bool {
	via, err := netip.ParseAddr(r.Via)
	for _, i := range n.Ifaces {
		for _, a := range i.Addrs {
			if p, perr := netip.ParsePrefix(a); i.Name == r.Dev && perr == nil && err == nil && p.Contains(via) {
				return true
			}
		}
	}
	return err == nil && via.Is6() && via.IsLinkLocalUnicast()
}

// routes are the default routes, by way of the first other address of the
// first network of each family where nobody says more.
func (n *network) routes() []Route {
	if n.Routes != nil {
		return n.Routes
	}
	var routes []Route
	found := map[bool]bool{}
	for _, i := range n.Ifaces {
		for _, a := range i.Addrs {
			p, err := netip.ParsePrefix(a)
			v6 := err == nil && p.Addr().Is6()
			if err != nil || found[v6] || i.Name == "lo" || i.Down || p.Addr().IsLinkLocalUnicast() {
				continue
			}
			found[v6] = true
			r := Route{Dev: i.Name, V6: v6}
			if p.Bits() < p.Addr().BitLen()-1 {
				gateway := p.Masked().Addr().Next()
				if gateway == p.Addr() {
					gateway = gateway.Next()
				}
				r.Via = gateway.String()
			}
			routes = append(routes, r)
		}
	}
	return routes
}

// silence makes look-ups of names fail at once, also where the script has
// closed the firewall before: what asks a name server gets no route to it.
// The local table comes before all others and does not show.
func (n *network) silence(ctx context.Context) {
	for _, name := range n.Names {
		if addr, err := netip.ParseAddr(name); err == nil {
			_ = ip(ctx, "", "route", "add", "unreachable", addr.WithZone("").String(), "table", "local")
		}
	}
}

// ip runs ip(8) with a text as its standard input.
func ip(ctx context.Context, input string, args ...string) error {
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return &netfilter.NoToolError{Tool: "ip"}
	}
	if err != nil {
		return fmt.Errorf("ip %s: %s: %w", strings.Join(args, " "), strings.TrimSpace(string(out)), err)
	}
	return nil
}

// configured says whether any of the keys is one of a stand-in's.
func (n *network) configured(keys []string) bool {
	for _, i := range n.Ifaces {
		part := "." + sysctlKey(i.Name) + "."
		if slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(k, part) }) {
			return true
		}
	}
	return false
}
