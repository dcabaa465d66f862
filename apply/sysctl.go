package apply

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ruleset"
)

// sideEffects returns the keys that the kernel sets along with a forwarding
// switch, so that they can be put back with it. See inet_forward_change in
// net/ipv4/devinet.c and addrconf_forward_change in net/ipv6/addrconf.c.
func sideEffects(key string) []string { return forwarding(key, readDir) }

func readDir(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// forwarding returns what a write to a forwarding switch changes besides. list
// names the entries of a directory.
func forwarding(key string, list func(string) []string) []string {
	var dir string
	switch key {
	case "net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding":
		dir = "ipv4"
	case "net.ipv6.conf.all.forwarding", "net.ipv6.conf.default.forwarding":
		dir = "ipv6"
	default:
		return nil
	}
	var out []string
	for _, name := range list("/proc/sys/net/" + dir + "/conf") {
		// In a key, dots and slashes change places. See sysctl(8).
		name = strings.Map(func(r rune) rune {
			switch r {
			case '.':
				return '/'
			case '/':
				return '.'
			}
			return r
		}, name)
		out = append(out, "net."+dir+".conf."+name+".forwarding")
	}
	if dir == "ipv4" {
		out = append(out, "net.ipv4.ip_forward", "net.ipv4.conf.all.accept_redirects")
	}
	return out
}

// withWanted returns a build's firewall with the sysctls that no build can set
// and the host must.
func withWanted(s *ruleset.Snapshot, wanted []artifact.Sysctl) (*ruleset.Snapshot, error) {
	if len(wanted) == 0 {
		return s, nil
	}
	p := newParts()
	for i := range s.Tables {
		p.add(&s.Tables[i], s)
	}
	p.sets, p.sysctls = s.Sets, slices.Clone(s.Sysctls)
	for _, w := range wanted {
		if !slices.ContainsFunc(s.Sysctls, func(v ruleset.Sysctl) bool { return v.Key == w.Key }) {
			p.sysctls = append(p.sysctls, ruleset.Sysctl(w))
		}
	}
	return p.snapshot()
}

// sysctlsExist refuses a firewall that asks for keys that this host has not.
// Those of conntrack come with the module that its rules load.
func sysctlsExist(ours, live *ruleset.Snapshot) error {
	found := map[string]bool{}
	for _, v := range live.Sysctls {
		found[v.Key] = true
	}
	for _, v := range ours.Sysctls {
		if !found[v.Key] && !strings.HasPrefix(v.Key, "net.netfilter.") {
			return &TrialError{Err: fmt.Errorf("sysctl %s: this host has no such key", v.Key)}
		}
	}
	return nil
}
