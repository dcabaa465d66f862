// Package facts is what a host is to the scripts that run on it: its
// interfaces, default routes, names and versions, as "fwc facts" writes them
// and "fwc build --facts" reads them.
package facts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"

	"github.com/fwc-dev/fwc/ruleset"
)

// Schema is that of the JSON. Fields may come within v1, none goes.
const Schema = "fwc.facts/v1"

// MaxSize bounds a file of facts, in bytes; maxEntries its lists.
const (
	MaxSize    = 4 << 20
	maxEntries = 10_000
)

// Facts are a host's.
type Facts struct {
	Schema    string            `json:"schema"`
	Hostname  string            `json:"hostname"`
	Toolchain ruleset.Toolchain `json:"toolchain"`
	// Interfaces are all but lo, which is among them if it has addresses
	// beyond those of every host.
	Interfaces []Interface `json:"interfaces"`
	// DefaultRoutes are those of the main table, of both families.
	DefaultRoutes []Route `json:"defaultRoutes"`
	// Nameservers are those of /etc/resolv.conf.
	Nameservers []string `json:"nameservers"`
}

// Interface is one of a host's.
type Interface struct {
	Name string `json:"name"`
	// Addresses are CIDRs of both families.
	Addresses []string `json:"addresses"`
	MAC       string   `json:"mac,omitempty"`
	Up        bool     `json:"up"`
}

// Route is a default route.
type Route struct {
	Family    ruleset.Family `json:"family"` // ip or ip6
	Interface string         `json:"interface"`
	Via       string         `json:"via,omitempty"`
	Metric    int            `json:"metric"`
}

// name is an interface's or a host's, less what a shell would trip over.
var name = regexp.MustCompile(`^[A-Za-z0-9_.@-]+$`)

// Decode reads and checks facts. The file comes from another host: nothing in
// it is used before it is known to be what it should.
func Decode(text []byte) (*Facts, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("facts are larger than %d MB", MaxSize>>20)
	}
	var f Facts
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("no JSON of fwc facts: %w", err)
	}
	if dec.More() {
		return nil, errors.New("more follows the facts")
	}
	if f.Schema != Schema {
		return nil, fmt.Errorf("schema %q, want %s", f.Schema, Schema)
	}
	if len(f.Interfaces) > maxEntries || len(f.DefaultRoutes) > maxEntries || len(f.Nameservers) > maxEntries {
		return nil, fmt.Errorf("more than %d entries", maxEntries)
	}
	if f.Hostname != "" && (!name.MatchString(f.Hostname) || len(f.Hostname) > 64) {
		return nil, fmt.Errorf("%q is not the name of a host", f.Hostname)
	}
	seen := map[string]bool{}
	for _, i := range f.Interfaces {
		if err := i.check(); err != nil {
			return nil, err
		}
		if seen[i.Name] {
			return nil, fmt.Errorf("interface %s is there twice", i.Name)
		}
		seen[i.Name] = true
	}
	for _, r := range f.DefaultRoutes {
		if !seen[r.Interface] {
			return nil, fmt.Errorf("a default route through %q, which is not among the interfaces", r.Interface)
		}
		if r.Family != ruleset.IPv4 && r.Family != ruleset.IPv6 {
			return nil, fmt.Errorf("a default route of family %q", r.Family)
		}
		if r.Via == "" {
			continue
		}
		if a, err := netip.ParseAddr(r.Via); err != nil || a.Is6() != (r.Family == ruleset.IPv6) || a.Zone() != "" {
			return nil, fmt.Errorf("a default route by way of %q", r.Via)
		}
	}
	for _, n := range f.Nameservers {
		if _, err := netip.ParseAddr(n); err != nil {
			return nil, fmt.Errorf("name server %q is not an address", n)
		}
	}
	return &f, nil
}

func (i Interface) check() error {
	if !name.MatchString(i.Name) || len(i.Name) > 15 || i.Name == "." || i.Name == ".." {
		return fmt.Errorf("%q is not the name of an interface", i.Name)
	}
	if len(i.Addresses) > maxEntries {
		return fmt.Errorf("interface %s: more than %d addresses", i.Name, maxEntries)
	}
	for _, a := range i.Addresses {
		if _, err := netip.ParsePrefix(a); err != nil {
			return fmt.Errorf("interface %s: %q is not an address with its prefix length", i.Name, a)
		}
	}
	if i.MAC != "" {
		if m, err := net.ParseMAC(i.MAC); err != nil || len(m) != 6 {
			return fmt.Errorf("interface %s: %q is not a hardware address", i.Name, i.MAC)
		}
	}
	return nil
}
