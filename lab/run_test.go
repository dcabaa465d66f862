package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// TestManyHosts runs a network of 20 hosts behind one bridge, and one of 20
// networks, each host with each neighbour.
func TestManyHosts(t *testing.T) {
	var lan, tests, nets strings.Builder
	lan.WriteString("networks:\n  lan: {router: 10.0.0.1/24 fd00::1/64 as lan0")
	for i := 2; i <= 21; i++ {
		fmt.Fprintf(&lan, ", h%d: 10.0.0.%d fd00::%d", i, i, i)
		fmt.Fprintf(&tests, "  - h%d ping h%d: accepted\n  - h%d tcp6 h%d:80: accepted answer h%d\n  - h%d ping router: dropped\n", i, 23-i, i, 23-i, 23-i, i)
	}
	nets.WriteString("networks:\n")
	var more strings.Builder
	for i := 2; i <= 21; i++ {
		fmt.Fprintf(&nets, "  n%d: {router: 10.1.%d.1/24, h%d: 10.1.%d.2}\n", i, i, i, i)
		fmt.Fprintf(&more, "  - h%d udp h%d:53: accepted source 10.1.%d.2\n  - h%d tcp router:22: dropped\n", i, 23-i, i, i)
	}
	specs := []*Spec{parse(t, lan.String()+"}\ntests:\n"+tests.String()), parse(t, nets.String()+"tests:\n"+more.String())}
	rep, err := Run(context.Background(), RunOptions{Specs: specs, Snapshot: rules(t, ruleset.NFT, "filter INPUT -j DROP")})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rep.Results {
		if !r.OK {
			t.Errorf("%s: want %s, got %s", r.Name, r.Expected, r.Got)
		}
	}
	t.Logf("%d tests, networks made in %v, all in %v", len(rep.Results), rep.Setup, rep.Elapsed)
}

// TestHungService runs tests against services that never answer: they take no
// longer than others.
func TestHungService(t *testing.T) {
	var s strings.Builder
	s.WriteString(twoNets + "hosts: {boxA: {services: {http 80: {silent: true}, tcp 25: {silent: true}, udp 53: {silent: true}}}}\ntests:\n")
	for range 50 {
		s.WriteString("  - boxB http boxA: accepted answer \"\"\n  - boxB tcp boxA:25: accepted\n  - boxB udp boxA:53: accepted\n  - boxB http boxA: answered with hello\n")
	}
	rep, err := Run(context.Background(), RunOptions{Specs: []*Spec{parse(t, s.String())}, Snapshot: rules(t, ruleset.NFT, "filter FORWARD -j ACCEPT")})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rep.Results {
		if r.OK != (i%4 != 3) {
			t.Errorf("%s: want %s, got %s", r.Name, r.Expected, r.Got)
		}
		if r.Millis > 2000 {
			t.Errorf("%s took %v ms", r.Name, r.Millis)
		}
	}
}

// TestRunParallel runs specs of the same addresses at once: each has a network
// of its own.
func TestRunParallel(t *testing.T) {
	var specs []*Spec
	for i := range 6 {
		s := parse(t, twoNets+fmt.Sprintf("hosts: {boxA: {services: {http 80: number %d}}}\ntests:\n", i)+
			strings.Repeat(fmt.Sprintf("  - boxB http boxA: answered with \"number %d\"\n", i), 20))
		s.File = fmt.Sprint(i)
		specs = append(specs, s)
	}
	n := 0
	rep, err := Run(context.Background(), RunOptions{Specs: specs, Parallel: 3, Snapshot: rules(t, ruleset.Legacy, "filter FORWARD -j ACCEPT"), Progress: func(Result) { n++ }})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Passed != 120 || rep.Failed != 0 || n != 120 {
		t.Errorf("%d passed, %d failed, %d told", rep.Passed, rep.Failed, n)
	}
	for i, r := range rep.Results {
		if r.Spec != fmt.Sprint(i/20) {
			t.Fatalf("result %d is of spec %s", i, r.Spec)
		}
	}
}

// TestRunErrors holds that what cannot be made is an error, and no verdict.
func TestRunErrors(t *testing.T) {
	good := rules(t, ruleset.NFT, "filter FORWARD -j ACCEPT")
	for _, tc := range []struct {
		spec, want string
		snap       *ruleset.Snapshot
	}{
		{twoNets + "hosts: {router: {sysctls: {net.ipv4.no_such: 1}}}\ntests: [{boxA ping boxB: accepted}]", "host router: set net.ipv4.no_such to 1", good},
		{twoNets + "tests: [{boxA ping boxB: accepted}]", "nosuch", rules(t, ruleset.NFT, "filter FORWARD -m nosuch -j ACCEPT")},
	} {
		_, err := Run(context.Background(), RunOptions{Specs: []*Spec{parse(t, tc.spec)}, Snapshot: tc.snap})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
	// A sysctl of an interface that the lab has not is none of its business.
	ok := *good
	ok.Sysctls = []ruleset.Sysctl{{Key: "net.ipv4.conf.eth9/1.rp_filter", Value: "1"}, {Key: "net.ipv4.conf.eth0.rp_filter", Value: "1"}}
	if r := one(t, parse(t, twoNets+"tests: [{boxB udp boxA:53 from-address 172.16.100.9: dropped}]"), &ok); !r.OK {
		t.Errorf("rp_filter of eth0 lets a forged sender in: %s", r.Got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := parse(t, twoNets+"tests:\n"+strings.Repeat("  - boxA ping boxB: accepted\n", 20000))
	_, err := Run(ctx, RunOptions{Specs: []*Spec{s}, Snapshot: good, Progress: func(Result) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run returned %v", err)
	}
}

// TestFlood says how many tests a second there are. FWC_LAB_TESTS is how many
// are run in the place of 200.
func TestFlood(t *testing.T) {
	n := 200
	if v := os.Getenv("FWC_LAB_TESTS"); v != "" {
		if _, err := fmt.Sscan(v, &n); err != nil {
			t.Fatal(err)
		}
	}
	var s strings.Builder
	s.WriteString(twoNets + "tests:\n")
	for i := range n {
		s.WriteString([]string{"  - boxA ping boxB: accepted\n", fmt.Sprintf("  - boxA tcp router:%d: accepted answer router\n", 1000+i%50),
			"  - boxB udp boxA:53: dropped\n", "  - boxB tcp router:22: rejected with tcp-reset\n"}[i%4])
	}
	rep, err := Run(context.Background(), RunOptions{Specs: []*Spec{parse(t, s.String())}, Snapshot: rules(t, ruleset.NFT,
		"filter INPUT -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset\nfilter FORWARD -p udp -j DROP")})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Failed > 0 {
		t.Errorf("%d of %d failed", rep.Failed, n)
	}
	left := rep.Elapsed - rep.Setup
	t.Logf("%d tests in %v and %v to make the network: %.0f a second", n, left, rep.Setup, float64(n)/left.Seconds())
	if left > time.Duration(n)*100*time.Millisecond {
		t.Errorf("%d tests took %v", n, left)
	}
}

// TestServices holds what services say, short and long.
func TestServices(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 40<<10/16)
	s := parse(t, twoNets+`hosts:
  boxA:
    services:
      http 80: "`+long+`"
      tcp 25: "`+long+`"
      tcp 7: {echo: true}
      udp 7: {echo: true}
      udp 53: {answer: text}
tests:
  - boxB http boxA: answered with "`+long+`"
  - boxB tcp boxA:25: answered with "`+long+`"
  - {from: boxB, with: tcp, to: "boxA:7", send: hello there, expect: answered with "hello there"}
  - {from: boxB, with: udp, to: "boxA:7", send: hello there, expect: answered with "hello there"}
  - boxB udp boxA:53: answered by boxA with text
  - boxA udp 172.16.100.255:67: accepted by router
  - boxA udp 255.255.255.255:67: accepted by router destination 255.255.255.255:67
  - boxB udp 172.16.200.255:68: dropped
`)
	rep, err := Run(context.Background(), RunOptions{Specs: []*Spec{s}, Snapshot: rules(t, ruleset.NFT, "filter INPUT -p udp -m udp --dport 68 -j DROP")})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rep.Results {
		if !r.OK {
			t.Errorf("%.60s: want %.200s, got %.200s", r.Name, r.Expected, r.Got)
		}
	}
}

// TestRefusal tells the router's own refusal, where nothing listens, from that of
// a rule with the same answer.
func TestRefusal(t *testing.T) {
	head := twoNets + "hosts: {router: {services: none}, boxA: {services: none}}\ntests:\n"
	refused := parse(t, head+"  - boxB tcp router:99: accepted by router\n  - boxB udp router:99: accepted by router\n"+
		"  - boxB tcp6 router:99: accepted by router\n  - boxB udp6 router:99: accepted by router\n  - boxB tcp boxA:99: accepted by boxA\n  - boxB udp boxA:99: accepted by boxA\n")
	rejected := parse(t, head+"  - boxB tcp router:99: rejected with tcp-reset\n  - boxB udp router:99: rejected with icmp-port-unreachable\n"+
		"  - boxB tcp6 router:99: rejected with tcp-reset\n  - boxB udp6 router:99: rejected with icmp6-port-unreachable\n  - boxB tcp boxA:99: rejected with tcp-reset\n  - boxB udp boxA:99: rejected with icmp-port-unreachable\n")
	var reject []string
	for _, chain := range []string{"filter INPUT", "filter FORWARD", "6filter INPUT"} {
		reject = append(reject, chain+" -p tcp -j REJECT --reject-with tcp-reset", chain+" -p udp -j REJECT")
	}
	for _, b := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
		for _, tc := range []struct {
			spec *Spec
			snap *ruleset.Snapshot
		}{{refused, rules(t, b, "filter INPUT -p icmp -j ACCEPT")}, {rejected, rules(t, b, strings.Join(reject, "\n"))}} {
			rep, err := Run(context.Background(), RunOptions{Specs: []*Spec{tc.spec}, Snapshot: tc.snap})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rep.Results {
				if !r.OK {
					t.Errorf("%s, %s: want %s, got %s", b, r.Name, r.Expected, r.Got)
				}
			}
		}
	}
}
