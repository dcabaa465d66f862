package lab_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
)

// filter is a snapshot with rules of the table filter, "CHAIN RULE" each.
func filter(family ruleset.Family, sysctls []ruleset.Sysctl, rules ...string) *ruleset.Snapshot {
	t := ruleset.Table{Family: family, Backend: ruleset.NFT, Name: "filter", Chains: []ruleset.Chain{
		{Name: "INPUT", Policy: "ACCEPT"}, {Name: "FORWARD", Policy: "ACCEPT"}, {Name: "OUTPUT", Policy: "ACCEPT"}, {Name: "user"}}}
	nat := ruleset.Table{Family: family, Backend: ruleset.NFT, Name: "nat", Chains: []ruleset.Chain{{Name: "POSTROUTING", Policy: "ACCEPT"}}}
	for _, r := range rules {
		chain, text, _ := strings.Cut(r, " ")
		if c := nat.Chain(chain); c != nil {
			c.Rules = append(c.Rules, ruleset.Rule{Text: text})
			continue
		}
		c := t.Chain(chain)
		c.Rules = append(c.Rules, ruleset.Rule{Text: text})
	}
	return ruleset.New(nil, []ruleset.Table{t, nat}, nil, sysctls)
}

func TestPlanTrace(t *testing.T) {
	eth0 := lab.TraceIface{Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}}
	lan0 := lab.TraceIface{Name: "lan0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}}
	const from = "tcp 198.51.100.9 > 203.0.113.1:22 in eth0"
	for name, tt := range map[string]struct {
		snap   *ruleset.Snapshot
		packet string
		host   lab.TraceHost
		// want is the journey, the interfaces, the interface that the destination
		// is behind, and the first words of what is assumed.
		want string
	}{
		"a host that forwards nothing": {filter(ruleset.IPv4, nil, "INPUT -j DROP"), from, lab.TraceHost{},
			"input; eth0; self; 203.0.113.1 is the firewall's own address: the firewall forwards nothing"},
		"rules for the other family": {filter(ruleset.IPv6, nil, "FORWARD -j DROP"), from, lab.TraceHost{},
			"input; eth0; self; 203.0.113.1 is the firewall's own address: the firewall forwards nothing"},
		"rules that forward": {filter(ruleset.IPv4, nil, "FORWARD -i eth0 -o lan+ -j DROP"), from, lab.TraceHost{},
			"forward; eth0 lan0; lan0; 203.0.113.1 is another host's address: filter FORWARD has rules; it leaves by lan0, the other"},
		"several interfaces": {filter(ruleset.IPv4, nil, "FORWARD -i eth0 -j user", "user ! -i a -o b -j DROP"), from, lab.TraceHost{},
			"forward; eth0 b; b; 203.0.113.1 is another host's address: filter FORWARD has rules; it leaves by b, of the interfaces that rules name: b, a"},
		"no interface named": {filter(ruleset.IPv4, nil, "POSTROUTING -j MASQUERADE"), from, lab.TraceHost{},
			"forward; eth0 eth1; eth1; 203.0.113.1 is another host's address: nat POSTROUTING has MASQUERADE; it leaves by eth1, an interface that no rule names"},
		"a sysctl": {filter(ruleset.IPv4, []ruleset.Sysctl{{Key: "net.ipv4.ip_forward", Value: "1"}}), from, lab.TraceHost{Out: "lan7"},
			"forward; eth0 lan7; lan7"},
		"a rule names the address": {filter(ruleset.IPv4, nil, "FORWARD -j DROP", "INPUT -d 203.0.113.1/32 -j ACCEPT"), from, lab.TraceHost{},
			"input; eth0; self; 203.0.113.1 is the firewall's own address: a rule of filter INPUT says -d 203.0.113.1"},
		"a rule names all but the address": {filter(ruleset.IPv4, nil, "FORWARD -o lan0 -j DROP", "INPUT ! -d 203.0.113.1/32 -j ACCEPT"), from, lab.TraceHost{},
			"forward; eth0 lan0; lan0; 203.0.113.1 is another host's address: filter FORWARD has rules; it leaves by lan0"},
		"a local address": {filter(ruleset.IPv4, nil, "FORWARD -j DROP"), from, lab.TraceHost{Local: []netip.Addr{netip.MustParseAddr("203.0.113.1")}},
			"input; eth0; self"},
		"an interface's address": {filter(ruleset.IPv4, nil, "FORWARD -j DROP"), "tcp 198.51.100.9 > 192.0.2.1:22 in eth0",
			lab.TraceHost{Ifaces: []lab.TraceIface{eth0, lan0}}, "input; eth0 lan0; self"},
		"a network behind an interface": {filter(ruleset.IPv4, nil), "tcp 198.51.100.9 > 10.7.0.1:22 in eth0",
			lab.TraceHost{Ifaces: []lab.TraceIface{eth0, lan0}}, "forward; eth0 lan0; lan0"},
		"a default route": {filter(ruleset.IPv4, nil), "tcp 10.0.0.7 > 203.0.113.1:22 in lan0",
			lab.TraceHost{Ifaces: []lab.TraceIface{eth0, lan0}, Default: [2]string{"eth0", "six"}}, "forward; eth0 lan0; eth0"},
		"another way than the routes": {filter(ruleset.IPv4, nil), "tcp 198.51.100.9 > 10.7.0.1:22 in eth0",
			lab.TraceHost{Ifaces: []lab.TraceIface{eth0, lan0}, Out: "tun0"}, "forward; eth0 lan0 tun0; tun0"},
		"its own": {filter(ruleset.IPv4, nil), "tcp 192.0.2.1 > 203.0.113.1:22",
			lab.TraceHost{Ifaces: []lab.TraceIface{eth0}, Default: [2]string{"eth0", ""}}, "output; eth0; eth0"},
		"its own, of an address not known": {filter(ruleset.IPv4, nil), "tcp 192.0.2.2 > 192.0.2.7:22",
			lab.TraceHost{Ifaces: []lab.TraceIface{eth0}}, "output; eth0; eth0; 192.0.2.2 is the firewall's own address: the packet comes in by no interface"},
		"to itself": {filter(ruleset.IPv4, nil), "tcp 127.0.0.1 > 127.0.0.1:22", lab.TraceHost{}, "output; ; self"},
		"IPv6": {filter(ruleset.IPv6, nil, "FORWARD -j DROP"), "udp 2001:db8:9::1 > [2001:db8::1]:53 in eth0",
			lab.TraceHost{Ifaces: []lab.TraceIface{eth0, lan0}}, "input; eth0 lan0; self"},
		"to all":     {filter(ruleset.IPv4, nil), "udp 0.0.0.0:68 > 255.255.255.255:67 in eth0", lab.TraceHost{}, "input; eth0; eth0"},
		"to a group": {filter(ruleset.IPv4, nil), "udp 192.0.2.1:5353 > 224.0.0.251:5353 in eth0", lab.TraceHost{}, "input; eth0; eth0"},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := lab.PlanTrace(tt.snap, packet(t, tt.packet), tt.host)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{plan.Journey, strings.Join(plan.Wires, " "), behind(plan)}
			want := strings.Split(tt.want, "; ")
			for i, a := range plan.Assumed {
				if 3+i < len(want) && strings.HasPrefix(a, want[3+i]) {
					a = want[3+i]
				}
				got = append(got, a)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// behind is the interface that the plan's packet leaves by, or "self".
func behind(p *lab.TracePlan) string {
	if p.Packet.Dst.IsLoopback() {
		return "self"
	}
	for _, a := range p.Arrangement.Local {
		if a == p.Packet.Dst {
			return "self"
		}
	}
	for _, a := range p.Arrangement.Primary {
		if a == p.Packet.Dst {
			return "self"
		}
	}
	best, name := -1, ""
	for to, via := range p.Arrangement.Routes {
		if to.Contains(p.Packet.Dst) && to.Bits() > best {
			best, name = to.Bits(), via
		}
	}
	return name
}
