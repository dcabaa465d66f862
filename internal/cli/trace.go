//go:build !host

package cli

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/compiler"
	"github.com/fwc-dev/fwc/internal/facts"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/urfave/cli/v2"
)

func traceCommand(s Streams) *cli.Command {
	return &cli.Command{
		Name:      "trace",
		Usage:     "one packet's way through tables, chains and rules",
		ArgsUsage: "FILE",
		Description: "The packet is sent through a throwaway router with the firewall loaded, and the kernel tells what it\n" +
			"meets. FILE is an artifact, a raw dump (iptables-save, nft -j list ruleset, …), or host for the running\n" +
			"firewall, which is left alone. Needs no root.\n\n" +
			"PACKET is PROTOCOL SOURCE[:PORT] > DESTINATION[:PORT] and then, in any order: in NAME, the interface that it\n" +
			"comes in by (without one the firewall itself sends it); out NAME, the one that it is to leave by; state new,\n" +
			"established, reply, related or invalid; flags SYN,ACK; type 8/0 of ICMP; ttl, tos, mark, length N; mac ADDRESS.\n" +
			"An address of IPv6 that has a port stands in brackets.\n\n" +
			"Examples:\n" +
			"  fwc trace fw.artifact --packet 'tcp 203.0.113.9:40000 > 172.16.200.1:8800 in eth0'\n" +
			"  fwc trace fw.artifact --packet 'udp [2001:db8::9]:4000 > [2001:db8::1]:53 in eth0' --local 2001:db8::1\n" +
			"  fwc trace fw.artifact --packet 'icmp 10.0.0.5 > 192.0.2.1 in lan0 out eth0 state reply type 0'\n" +
			"  fwc trace router.artifact --facts router.json --packet 'tcp 10.0.0.5 > 192.0.2.1:25 in lan0'\n" +
			"  iptables-save > rules && fwc trace rules --packet '47 192.0.2.1 > 192.0.2.2' --format json",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "packet", Usage: "the `PACKET`, such as 'tcp 203.0.113.9:40000 > 172.16.200.1:8800 in eth0'", Required: true},
			&cli.StringFlag{Name: "out", Usage: "it is to leave by interface `NAME`, if it is not for the firewall itself"},
			&cli.StringSliceFlag{Name: "local", Usage: "an `ADDRESS` of the firewall itself (repeatable)"},
			&cli.StringSliceFlag{Name: "iface", Usage: "an interface with its addresses, `NAME[=CIDR,…]`, such as eth0=192.0.2.10/24 (repeatable)"},
			&cli.StringFlag{Name: "facts", Usage: "the interfaces, addresses and default routes of the host whose \"fwc facts\" wrote this `FILE`"},
			formatFlag("text", "json"),
		},
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usagef("trace wants one FILE")
			}
			p, err := parseTracePacket(c.String("packet"))
			if err != nil {
				return err
			}
			host, err := traceHost(c, &p)
			if err != nil {
				return err
			}
			name := c.Args().First()
			snap, err := traced(c, name)
			if err != nil {
				return err
			}
			plan, err := lab.PlanTrace(snap, p.Packet, host)
			if err != nil {
				return usagef("--packet: %v", err)
			}
			plan.State = p.state
			res, err := lab.RunTrace(c.Context, snap, plan)
			if err != nil {
				if errors.Is(err, netns.ErrNotPermitted) {
					return hintf(err, "%s", netns.Advice())
				}
				return fmt.Errorf("%s: %w", name, err)
			}
			report := lab.NewTraceReport(name, plan, res)
			if c.String("format") == "json" {
				return report.JSON(s.Out)
			}
			return report.Text(s.Out)
		},
	}
}

// traced reads the firewall. The rules of a raw dump have the dump's lines.
func traced(c *cli.Context, name string) (*ruleset.Snapshot, error) {
	if name == hostName {
		side, err := hostSide(c.Context, ci.Side{})
		return side.Snapshot, err
	}
	op, err := fileOperand(name)
	if err != nil || op.raw == nil {
		return op.Snapshot, err
	}
	numberRules(op.Snapshot, name)
	return op.Snapshot, nil
}

// numberRules says of a raw dump's rules which of its lines they are.
func numberRules(s *ruleset.Snapshot, name string) {
	for _, t := range s.Tables {
		for _, c := range t.Chains {
			for i := range c.Rules {
				if r := &c.Rules[i]; r.Line > 0 {
					r.Source = ruleset.Position{File: name, Line: r.Line}
				}
			}
		}
	}
}

// traceHost collects what the flags say of the host.
func traceHost(c *cli.Context, p *tracePacket) (h lab.TraceHost, err error) {
	h.Out = p.out
	if out := c.String("out"); out != "" {
		if h.Out != "" && h.Out != out {
			return h, usagef("--out %s and out %s of --packet differ", out, h.Out)
		}
		h.Out = out
	}
	for _, text := range c.StringSlice("local") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return h, usagef("--local wants an address, not %q", text)
		}
		h.Local = append(h.Local, a.Unmap())
	}
	var ifaces []compiler.Iface
	if path := c.String("facts"); path != "" {
		text, err := readUpTo(path, facts.MaxSize)
		if err != nil {
			return h, err
		}
		f, err := facts.Decode(text)
		if err != nil {
			return h, hintf(fmt.Errorf("%s: %w", path, err), "run fwc facts on the host that the firewall is for")
		}
		for _, i := range f.Interfaces {
			ifaces = append(ifaces, compiler.Iface{Name: i.Name, Addrs: i.Addresses})
		}
		for _, r := range f.DefaultRoutes {
			v6 := 0
			if r.Family == ruleset.IPv6 {
				v6 = 1
			}
			if h.Default[v6] == "" {
				h.Default[v6] = r.Interface
			}
		}
	}
	for _, text := range c.StringSlice("iface") {
		i, err := compiler.ParseIface(text)
		if err != nil {
			return h, hintf(usagef("--iface wants NAME[=CIDR,…]: %v", err), "such as --iface eth0=192.0.2.10/24,2001:db8::10/64")
		}
		ifaces = append(ifaces, i)
	}
	for _, i := range ifaces {
		t := lab.TraceIface{Name: i.Name}
		for _, text := range i.Addrs {
			a, err := netip.ParsePrefix(text)
			if err != nil {
				return h, fmt.Errorf("interface %s: %w", i.Name, err)
			}
			t.Addrs = append(t.Addrs, a)
		}
		h.Ifaces = append(h.Ifaces, t)
	}
	return h, nil
}
