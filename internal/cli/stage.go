//go:build !host

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/compiler"
	"github.com/fwc-dev/fwc/internal/facts"
	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/urfave/cli/v2"
)

// stageFlags say what the script finds in staging.
func stageFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "facts", Usage: "stage on a look-alike of the host whose \"fwc facts\" wrote this `FILE`"},
		&cli.StringSliceFlag{Name: "iface", Usage: "a stand-in interface, `NAME[=CIDR,…]`, such as eth0=192.0.2.10/24 (repeatable)"},
		&cli.StringFlag{Name: "hosts", Usage: "answer for the names in this `FILE`, in the format of /etc/hosts"},
		&cli.StringFlag{Name: "rootfs", Usage: "use the tools and files of the system in `DIR`, as debootstrap makes it"},
	}
}

// stageOptions puts the flags into a build's options, and returns the facts,
// nil without any.
func stageOptions(c *cli.Context, opt *compiler.Options) (*facts.Facts, error) {
	opt.RootFS = c.String("rootfs")
	var host *facts.Facts
	if path := c.String("facts"); path != "" {
		text, err := readUpTo(path, facts.MaxSize)
		if err != nil {
			return nil, err
		}
		if host, err = facts.Decode(text); err != nil {
			return nil, hintf(fmt.Errorf("%s: %w", path, err), "run fwc facts on the host that the build is for")
		}
		lookAlike(host, opt)
	}
	for _, v := range c.StringSlice("iface") {
		i, err := compiler.ParseIface(v)
		if err != nil {
			return nil, hintf(usagef("--iface wants NAME[=CIDR,…]: %v", err), "such as --iface eth0=192.0.2.10/24,2001:db8::10/64")
		}
		// One that the facts have too is as the flag says.
		opt.Ifaces = slices.DeleteFunc(opt.Ifaces, func(o compiler.Iface) bool { return o.Name == i.Name })
		opt.Ifaces = append(opt.Ifaces, i)
	}
	if path := c.String("hosts"); path != "" {
		var err error
		if opt.Hosts, err = readUpTo(path, facts.MaxSize); err != nil {
			return nil, err
		}
		if err := compiler.CheckHosts(opt.Hosts); err != nil {
			return nil, hintf(fmt.Errorf("%s: %w", path, err), "--hosts wants lines as /etc/hosts has them: 192.0.2.1 name")
		}
	}
	return host, nil
}

// readUpTo reads a file that is no larger than max bytes.
func readUpTo(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(text)) > max {
		err = errors.New("is larger than 4 MB")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// lookAlike makes staging look like a host.
func lookAlike(f *facts.Facts, opt *compiler.Options) {
	opt.Hostname = f.Hostname
	for _, i := range f.Interfaces {
		opt.Ifaces = append(opt.Ifaces, compiler.Iface{Name: i.Name, Addrs: i.Addresses, MAC: i.MAC, Down: !i.Up})
	}
	opt.Routes = []compiler.Route{}
	for _, r := range f.DefaultRoutes {
		opt.Routes = append(opt.Routes, compiler.Route{Dev: r.Interface, Via: r.Via, V6: r.Family == ruleset.IPv6, Metric: r.Metric})
	}
	opt.Nameservers = append([]string{}, f.Nameservers...)
}

// compareToolchains warns of versions that the host of the facts has not: it
// refuses an artifact whose kernel or iptables are others than it accepts.
func compareToolchains(s Streams, host *facts.Facts, built ruleset.Toolchain) {
	if host == nil {
		return
	}
	var differ []string
	a, b := reflect.ValueOf(built), reflect.ValueOf(host.Toolchain)
	for i := range a.NumField() {
		have, want := fmt.Sprint(a.Field(i)), fmt.Sprint(b.Field(i))
		if name := a.Type().Field(i).Tag.Get("json"); have != want && want != "" {
			differ = append(differ, fmt.Sprintf("%s %s (here %s)", name, want, orNone(have)))
		}
	}
	if len(differ) > 0 {
		fmt.Fprintf(s.Err, "fwc: warning: %s has other versions than this build: %s\n", termsafe.String(host.Hostname), termsafe.String(strings.Join(differ, ", ")))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// wanted are a build's sysctls of the first namespace alone, for the manifest.
func wanted(list []ruleset.Sysctl) []artifact.Sysctl {
	out := make([]artifact.Sysctl, 0, len(list))
	for _, w := range list {
		out = append(out, artifact.Sysctl(w))
	}
	return out
}
