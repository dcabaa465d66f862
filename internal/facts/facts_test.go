package facts_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/facts"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// TestCollect makes a host in a namespace of its own and reads its facts.
func TestCollect(t *testing.T) {
	var got *facts.Facts
	err := netns.Do(func() error {
		out, err := exec.Command("sh", "-ec", `
ip link add eth0 address 02:00:00:00:00:0a type bridge
ip link add eth1 address 02:00:00:00:00:0b type ifb
for i in eth0 eth1; do ip link set $i addrgenmode none; done
ip link set eth0 up
ip addr add 192.0.2.10/24 dev eth0
ip addr add 2001:db8::10/64 dev eth0 nodad
ip addr add 198.51.100.1/32 dev lo
ip route add default via 192.0.2.1 dev eth0 metric 100
ip route add default dev eth0 metric 50
ip route add unreachable default metric 400
ip -6 route add default via 2001:db8::1 dev eth0 metric 1024`).CombinedOutput()
		if err != nil {
			t.Errorf("%s", out)
			return err
		}
		// In a thread's own namespace, /proc/net is that of the process.
		got, err = facts.Collect()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []facts.Interface{
		{Name: "lo", Addresses: []string{"198.51.100.1/32"}, Up: true},
		{Name: "eth0", Addresses: []string{"192.0.2.10/24", "2001:db8::10/64"}, MAC: "02:00:00:00:00:0a", Up: true},
		{Name: "eth1", Addresses: []string{}, MAC: "02:00:00:00:00:0b"},
	}
	if diff := cmp.Diff(want, got.Interfaces); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	routes := []facts.Route{
		{Family: ruleset.IPv4, Interface: "eth0", Metric: 50},
		{Family: ruleset.IPv4, Interface: "eth0", Via: "192.0.2.1", Metric: 100},
		{Family: ruleset.IPv6, Interface: "eth0", Via: "2001:db8::1", Metric: 1024},
	}
	if diff := cmp.Diff(routes, got.DefaultRoutes); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	again, err := facts.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, again); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"not JSON":          `{`,
		"another schema":    `{"schema":"fwc.facts/v2"}`,
		"more after it":     `{"schema":"fwc.facts/v1"}{}`,
		"an option":         `{"schema":"fwc.facts/v1","interfaces":[{"name":"eth0 up"}]}`,
		"a long name":       `{"schema":"fwc.facts/v1","interfaces":[{"name":"0123456789abcdef"}]}`,
		"a name twice":      `{"schema":"fwc.facts/v1","interfaces":[{"name":"eth0"},{"name":"eth0"}]}`,
		"no prefix":         `{"schema":"fwc.facts/v1","interfaces":[{"name":"eth0","addresses":["192.0.2.1"]}]}`,
		"a line in a MAC":   `{"schema":"fwc.facts/v1","interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01\nx"}]}`,
		"a route to nobody": `{"schema":"fwc.facts/v1","defaultRoutes":[{"family":"ip","interface":"eth0"}]}`,
		"a mixed route":     `{"schema":"fwc.facts/v1","interfaces":[{"name":"e"}],"defaultRoutes":[{"family":"ip","interface":"e","via":"::1"}]}`,
		"a name for DNS":    `{"schema":"fwc.facts/v1","nameservers":["dns"]}`,
		"a shell's word":    `{"schema":"fwc.facts/v1","hostname":"$(id)"}`,
		"too many":          `{"schema":"fwc.facts/v1","nameservers":["::1"` + strings.Repeat(`,"::1"`, 10_000) + `]}`,
	} {
		if f, err := facts.Decode([]byte(text)); err == nil {
			t.Errorf("%s: accepted as %+v", name, f)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"schema":"fwc.facts/v1","hostname":"a","interfaces":[{"name":"eth0","addresses":["::1/128"],"up":true}],"defaultRoutes":[{"family":"ip6","interface":"eth0","via":"fe80::1","metric":1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := facts.Decode(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := facts.Decode(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}
