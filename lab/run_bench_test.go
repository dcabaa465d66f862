package lab

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

const benchRules = "filter FORWARD -i eth0 -p tcp -m tcp --dport 81 -j DROP"

// BenchmarkTests runs 1000 tests an iteration, of which every fourth is dropped.
func BenchmarkTests(b *testing.B) {
	s := parse(b, twoNets+"tests:\n"+strings.Repeat("  - boxB http boxA: accepted\n  - boxA ping boxB: accepted\n  - boxB udp boxA:53: accepted\n  - boxB http boxA:81: dropped\n", 250))
	for b.Loop() {
		rep, err := Run(context.Background(), RunOptions{Specs: []*Spec{s}, Snapshot: rules(b, ruleset.NFT, benchRules)})
		if err != nil || rep.Failed > 0 {
			b.Fatal(rep, err)
		}
	}
	b.ReportMetric(float64(1000*b.N)/b.Elapsed().Seconds(), "tests/s")
}

// byHand is the same lab as a shell script has it. Nothing listens: to be refused
// is to have come through.
const byHand = `set -e
for n in router boxA boxB; do ip netns add $n; ip -n $n link set lo up; done
ip link add veth1 netns router type veth peer name eth0 netns boxA
ip link add eth0 netns router type veth peer name eth0 netns boxB
ip -n router addr add 172.16.100.1/24 dev veth1
ip -n router addr add 172.16.200.1/24 dev eth0
ip -n boxA addr add 172.16.100.5/24 dev eth0
ip -n boxB addr add 172.16.200.5/24 dev eth0
ip -n router link set veth1 up
for n in router boxA boxB; do ip -n $n link set eth0 up; done
ip -n boxA route add default via 172.16.100.1
ip -n boxB route add default via 172.16.200.1
ip netns exec router sysctl -qw net.ipv4.ip_forward=1
ip netns exec router iptables-nft -A FORWARD -i eth0 -p tcp --dport 81 -j DROP
n=0
while [ $n -lt %d ]; do
	for port in 80 80 80 81; do
		got=0
		ip netns exec boxB curl -s -m 1 http://172.16.100.5:$port/ || got=$?
		[ $port:$got = 80:7 ] || [ $port:$got = 81:28 ] || exit 1
		n=$((n+1))
	done
done
`

// BenchmarkByHand is what BenchmarkTests is to be held against: the time is that
// of 20 tests.
func BenchmarkByHand(b *testing.B) {
	for b.Loop() {
		err := netns.Do(func() error {
			cmd := exec.Command("sh", "-c", fmt.Sprintf(byHand, 20))
			out, err := cmd.CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(20*b.N)/b.Elapsed().Seconds(), "tests/s")
}
