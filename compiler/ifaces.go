package compiler

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
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

// ifaceTypes are tried in turn. A veth would do everywhere, but shows as
// eth0@if2 in the output of ip, which breaks scripts that parse it.
var ifaceTypes = []string{"dummy", "ifb", "bridge"}

// makeIfaces makes the stand-ins in the calling thread's network namespace,
// up, and with a default route of each family through the first that has an
// address of it.
func makeIfaces(ctx context.Context, ifaces []Iface) error {
	routed := map[bool]bool{}
	for _, i := range ifaces {
		var err error
		for _, kind := range ifaceTypes {
			if err = ip(ctx, "link", "add", i.Name, "type", kind); err == nil || errors.As(err, new(*netfilter.NoToolError)) {
				break
			}
		}
		if err == nil {
			err = ip(ctx, "link", "set", i.Name, "up")
		}
		if err != nil {
			return fmt.Errorf("interface %s: %w", i.Name, err)
		}
		for _, a := range i.Addrs {
			args := []string{"address", "add", a, "dev", i.Name}
			family, v6 := "-4", strings.Contains(a, ":")
			if v6 {
				// Else the address is tentative for a second.
				family, args = "-6", append(args, "nodad")
			}
			if err := ip(ctx, args...); err != nil {
				return fmt.Errorf("interface %s: %w", i.Name, err)
			}
			if !routed[v6] {
				routed[v6] = true
				if err := ip(ctx, family, "route", "add", "default", "dev", i.Name); err != nil {
					return fmt.Errorf("default route through %s: %w", i.Name, err)
				}
			}
		}
	}
	return nil
}

func ip(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return &netfilter.NoToolError{Tool: "ip"}
	}
	if err != nil {
		return fmt.Errorf("ip %s: %s: %w", strings.Join(args, " "), strings.TrimSpace(string(out)), err)
	}
	return nil
}
