package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
)

// pick returns one of the words.
func pick(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }

// randomRules are rules for the network of twoNets.
func randomRules(r *rand.Rand) string {
	var out []string
	match := func(p string) string {
		s := ""
		if r.IntN(3) == 0 {
			s += pick(r, " -i eth0", " -i veth1", " ! -i eth0", " -i eth+")
		}
		if r.IntN(3) == 0 {
			s += pick(r, " -s 172.16.100.0/24", " -s 172.16.200.5/32", " ! -s 172.16.200.0/24")
		}
		if r.IntN(3) == 0 {
			s += pick(r, " -d 172.16.100.5/32", " -d 172.16.200.0/24", " ! -d 172.16.200.1/32")
		}
		switch p {
		case "tcp", "udp":
			s += " -p " + p + " -m " + p
			if r.IntN(2) == 0 {
				s += pick(r, " --dport 22", " --dport 22:80", " ! --dport 53", " --dport 53")
			}
		case "icmp":
			s += " -p icmp -m icmp --icmp-type " + pick(r, "8", "0", "any")
		}
		if r.IntN(5) == 0 {
			s += " -m conntrack --ctstate " + pick(r, "NEW", "ESTABLISHED", "RELATED,ESTABLISHED", "INVALID")
		}
		return s
	}
	proto := func() string { return pick(r, "tcp", "udp", "icmp", "") }
	for range r.IntN(3) {
		p := pick(r, "tcp", "udp")
		out = append(out, "nat PREROUTING"+match(p)+pick(r, " -j DNAT --to-destination 172.16.100.5", " -j DNAT --to-destination 172.16.200.5:80", " -j REDIRECT --to-ports 22", " -j ACCEPT"))
	}
	for range r.IntN(3) {
		out = append(out, "nat POSTROUTING"+pick(r, "", " -s 172.16.100.0/24", " -p udp")+pick(r, " -o eth0", " -o veth1")+pick(r, " -j MASQUERADE", " -j SNAT --to-source 172.16.200.1", " -j ACCEPT"))
	}
	for range r.IntN(3) {
		out = append(out, "mangle PREROUTING"+match(proto())+fmt.Sprintf(" -j MARK --set-xmark 0x%x/0x%x", 1+r.IntN(15), 15))
	}
	for range 2 + r.IntN(8) {
		p := proto()
		kind := pick(r, "icmp-port-unreachable", "icmp-admin-prohibited", "icmp-host-prohibited", "icmp-net-unreachable")
		if p == "tcp" && r.IntN(2) == 0 {
			kind = tcpReset
		}
		out = append(out, "filter "+pick(r, "FORWARD", "FORWARD", "INPUT")+match(p)+pick(r, " -j ACCEPT", " -j DROP", " -j REJECT --reject-with "+kind, fmt.Sprintf(" -m mark --mark 0x%x/0xf -j DROP", 1+r.IntN(15))))
	}
	return strings.Join(out, "\n")
}

// TestAgree holds the verdicts of tests, which whole hosts exchange, against what
// a Router says of the first packet alone: random rules, on both backends.
// FWC_LAB_ROUNDS is how many rulesets there are in the place of 8.
func TestAgree(t *testing.T) {
	rounds, seed := 8, rand.Uint64()
	if v := os.Getenv("FWC_LAB_ROUNDS"); v != "" {
		_, _ = fmt.Sscan(v, &rounds)
	}
	if v := os.Getenv("FWC_SEED"); v != "" {
		_, _ = fmt.Sscan(v, &seed)
	}
	t.Logf("FWC_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	count := map[Verdict]int{}
	for i := range rounds {
		text := randomRules(r)
		snap := rules(t, []ruleset.Backend{ruleset.NFT, ruleset.Legacy}[i%2], text)
		var spec strings.Builder
		spec.WriteString(twoNets + "tests:\n")
		var packets []Packet
		for _, from := range []struct{ host, addr, in string }{{"boxA", "172.16.100.5", "veth1"}, {"boxB", "172.16.200.5", "eth0"}} {
			for _, to := range []string{"172.16.100.5", "172.16.200.5", "172.16.100.1", "172.16.200.1"} {
				if to == from.addr {
					continue
				}
				p := Packet{In: from.in, Src: netip.MustParseAddr(from.addr), Dst: netip.MustParseAddr(to)}
				fmt.Fprintf(&spec, "  - %s ping %s: accepted\n", from.host, to)
				p.Proto, p.ICMPType = ICMP, echoRequest
				packets = append(packets, p)
				for _, port := range []uint16{22, 53, 80} {
					for _, proto := range []string{"tcp", "udp"} {
						fmt.Fprintf(&spec, "  - %s %s %s:%d: accepted\n", from.host, proto, to, port)
						p.ICMPType, p.Proto, p.Flags, p.DPort = 0, UDP, 0, port
						if proto == "tcp" {
							p.Proto, p.Flags = TCP, synFlag
						}
						p.SPort = uint16(20000 + len(packets))
						packets = append(packets, p)
					}
				}
			}
		}
		rep, err := Run(context.Background(), RunOptions{Specs: []*Spec{parse(t, spec.String())}, Snapshot: snap})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		router := newRouter(t, snap, "veth1", "eth0")
		if err := router.Arrange(Arrangement{
			Primary: map[string]netip.Addr{"veth1": netip.MustParseAddr("172.16.100.1"), "eth0": netip.MustParseAddr("172.16.200.1")},
			Local:   []netip.Addr{netip.MustParseAddr("172.16.100.1"), netip.MustParseAddr("172.16.200.1")},
			Routes:  map[netip.Prefix]string{netip.MustParsePrefix("172.16.100.0/24"): "veth1", netip.MustParsePrefix("172.16.200.0/24"): "eth0"},
		}); err != nil {
			t.Fatal(err)
		}
		for j, p := range packets {
			out, err := router.Send(context.Background(), p)
			if err != nil {
				t.Fatal(err)
			}
			got := rep.Results[j].Flows[0]
			count[got.Verdict]++
			if got.Verdict == Unanswered {
				got.Verdict = Accepted
			}
			bad := got.Verdict != out.Verdict || got.Reject != out.With
			if out.End != nil && !bad {
				dst := out.End.Packet.Dst.String()
				if Ports(p.Proto) {
					dst = netip.AddrPortFrom(out.End.Packet.Dst, out.End.Packet.DPort).String()
				}
				src, _, _ := strings.Cut(got.Source, ":")
				bad = dst != got.Destination || src != out.End.Packet.Src.String() || got.Mark != out.End.Mark
			}
			if bad {
				t.Errorf("%s: a test finds %s, a Router %s %+v\n%s", p, got, out, out.End, text)
			}
		}
	}
	t.Logf("%v", count)
}
