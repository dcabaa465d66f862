package facts

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// Collect gathers the facts of this host, but for its toolchain, from the
// calling process's network namespace and /etc.
func Collect() (*Facts, error) {
	f := &Facts{Schema: Schema, Interfaces: []Interface{}, DefaultRoutes: []Route{}, Nameservers: []string{}}
	var err error
	if f.Hostname, err = os.Hostname(); err != nil {
		return nil, fmt.Errorf("host name: %w", err)
	}
	if err := f.interfaces(); err != nil {
		return nil, fmt.Errorf("interfaces: %w", err)
	}
	for _, from := range []struct {
		path string
		read func(io.Reader) ([]Route, error)
	}{{"/proc/thread-self/net/route", routes4}, {"/proc/thread-self/net/ipv6_route", routes6}} {
		file, err := os.Open(from.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without this family
		}
		if err != nil {
			return nil, err
		}
		found, err := from.read(file)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", from.path, err)
		}
		f.DefaultRoutes = append(f.DefaultRoutes, found...)
	}
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		if w := strings.Fields(string(line)); len(w) > 1 && w[0] == "nameserver" {
			if a, err := netip.ParseAddr(w[1]); err == nil {
				f.Nameservers = append(f.Nameservers, a.WithZone("").String())
			}
		}
	}
	return f, nil
}

func (f *Facts) interfaces() error {
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil {
			return fmt.Errorf("%s: %w", i.Name, err)
		}
		fact := Interface{Name: i.Name, Up: i.Flags&net.FlagUp != 0, Addresses: []string{}}
		if len(i.HardwareAddr) == 6 {
			fact.MAC = i.HardwareAddr.String()
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() {
				fact.Addresses = append(fact.Addresses, n.String())
			}
		}
		if i.Flags&net.FlagLoopback != 0 {
			if fact.MAC = ""; len(fact.Addresses) == 0 {
				continue
			}
		}
		f.Interfaces = append(f.Interfaces, fact)
	}
	return nil
}

// Flags of a route: linux/route.h, linux/ipv6_route.h.
const (
	rtfUp      = 0x1
	rtfGateway = 0x2
	rtfReject  = 0x200
)

// routes4 reads the default routes of proc_pid_net_route: name, destination,
// gateway, flags, two counters, metric, mask; addresses in hexadecimal in the
// host's byte order, which is little-endian on what fwc runs on.
func routes4(r io.Reader) ([]Route, error) {
	return readRoutes(r, 8, func(w []string) (Route, bool, error) {
		if w[0] == "Iface" || w[1] != "00000000" || w[7] != "00000000" {
			return Route{}, false, nil
		}
		flags, err := strconv.ParseUint(w[3], 16, 32)
		if err != nil {
			return Route{}, false, err
		}
		metric, err := strconv.Atoi(w[6])
		if err != nil || flags&rtfUp == 0 || flags&rtfReject != 0 {
			return Route{}, false, err
		}
		route := Route{Family: ruleset.IPv4, Interface: w[0], Metric: metric}
		if flags&rtfGateway != 0 {
			b, err := hex.DecodeString(w[2])
			if err != nil || len(b) != 4 {
				return Route{}, false, fmt.Errorf("gateway %q", w[2])
			}
			slices.Reverse(b)
			route.Via = netip.AddrFrom4([4]byte(b)).String()
		}
		return route, true, nil
	})
}

// routes6 reads the default routes of /proc/net/ipv6_route, see
// rt6_info_route in net/ipv6/route.c: destination, its length, source, its
// length, gateway, metric, two counters, flags, name.
func routes6(r io.Reader) ([]Route, error) {
	return readRoutes(r, 10, func(w []string) (Route, bool, error) {
		if strings.Trim(w[0], "0") != "" || w[1] != "00" || w[9] == "lo" {
			return Route{}, false, nil
		}
		flags, err := strconv.ParseUint(w[8], 16, 32)
		if err != nil {
			return Route{}, false, err
		}
		metric, err := strconv.ParseUint(w[5], 16, 32)
		if err != nil || flags&rtfUp == 0 || flags&rtfReject != 0 {
			return Route{}, false, err
		}
		route := Route{Family: ruleset.IPv6, Interface: w[9], Metric: int(metric)}
		if flags&rtfGateway != 0 {
			b, err := hex.DecodeString(w[4])
			if err != nil || len(b) != 16 {
				return Route{}, false, fmt.Errorf("gateway %q", w[4])
			}
			route.Via = netip.AddrFrom16([16]byte(b)).String()
		}
		return route, true, nil
	})
}

// readRoutes reads a file of routes, the preferred ones first.
func readRoutes(r io.Reader, fields int, read func([]string) (Route, bool, error)) ([]Route, error) {
	var routes []Route
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		w := strings.Fields(sc.Text())
		if len(w) < fields {
			continue
		}
		route, ok, err := read(w)
		if err != nil {
			return nil, err
		}
		if ok {
			routes = append(routes, route)
		}
	}
	slices.SortStableFunc(routes, func(a, b Route) int { return cmp.Compare(a.Metric, b.Metric) })
	return routes, sc.Err()
}
