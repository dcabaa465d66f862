package lab

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

const twoNets = `networks:
  lan: {router: 172.16.100.1/24 as veth1, boxA: 172.16.100.5}
  wan: {router: 172.16.200.1/24 fd00::1/64 as eth0, boxB: 172.16.200.5 fd00::5}
`

func TestSpecErrors(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"", "s.yaml:1: is empty"},
		{"networks: [", "s.yaml:1: not YAML"},
		{twoNets + "tests: []\n", "s.yaml:1:1: there are no tests"},
		{"tests:\n  - a ping b: accepted\n", "s.yaml:1:1: there are no networks"},
		{"networks: {lan: {boxA: 10.0.0.1/8}}\ntests: [{boxA ping boxA: accepted}]", `no network has the host "router"`},
		{twoNets + "test:\n  - boxA ping boxB: accepted\n", `s.yaml:4:1: unknown key "test"; a spec has networks, hosts, tests`},
		{twoNets + "hosts:\n  boxA: {service: none}\n", `s.yaml:5:10: unknown key "service"`},
		{twoNets + "hosts:\n  boxC: {}\n", `s.yaml:5:3: host boxC is in no network`},
		{twoNets + "hosts:\n  boxA: {services: {tcp 22: , tcp/22: x}}\n", `s.yaml:5:31: boxA has a service on tcp 22 already`},
		{twoNets + "hosts:\n  boxA: {routes: 10.0.0.0/8}\n", `s.yaml:5:18: a route is PREFIX via ADDRESS`},
		{twoNets + "hosts:\n  boxA: {routes: [default via 10.9.9.9]}\n", `s.yaml:5:19: boxA has no network with 10.9.9.9 in it`},
		{twoNets + "hosts:\n  boxA: {sysctls: {kernel.hostname: x}}\n", `s.yaml:5:20: kernel.hostname is no sysctl of a network namespace`},
		{twoNets + "tests:\n  - boxA pong boxB: accepted\n", `s.yaml:5:5: unknown protocol "pong"`},
		{twoNets + "tests:\n  - boxA ping boxC: accepted\n", `s.yaml:5:5: "boxC" is neither an address nor a host of a network`},
		{twoNets + "tests:\n  - boxA ping6 boxA: accepted\n", `s.yaml:5:5: boxA has no IPv6 address there`},
		{twoNets + "hosts:\n  boxA: {routes: [default via 172.16.100.77]}\n", `s.yaml:5:19: no host has the address 172.16.100.77`},
		{twoNets + "tests:\n  - boxA ping boxB from-address 0.0.0.0: dropped\n", `s.yaml:5:5: no host can send from 0.0.0.0`},
		{twoNets + "tests:\n  - boxA udp boxB:9 from-address 224.0.0.1: dropped\n", `s.yaml:5:5: no host can send from 224.0.0.1`},
		{twoNets + "tests:\n  - boxA ping 0.0.0.0: dropped\n", `s.yaml:5:5: nothing can be sent to 0.0.0.0`},
		{twoNets + "tests:\n  - boxA http boxB flags syn: dropped\n", `s.yaml:5:5: flags are those of tcp`},
		{"networks: {lan: {router: {address: 10.0.0.1/8, interface: \"a\\eb\"}, boxA: 10.0.0.2}}\ntests: [{boxA ping router: accepted}]", `cannot name an interface`},
		{twoNets + "tests:\n  - boxC ping boxB: accepted\n", `s.yaml:5:5: no network has a host "boxC"`},
		{twoNets + "tests:\n  - boxA tcp boxB: accepted\n", `s.yaml:5:5: tcp wants a port, such as boxB:22`},
		{twoNets + "tests:\n  - boxA ping boxB:80: accepted\n", `s.yaml:5:5: ping has no ports`},
		{twoNets + "tests:\n  - boxA tcp boxB:99999: accepted\n", `s.yaml:5:5: "99999" is no port`},
		{twoNets + "tests:\n  - boxA ping boxB: allowed\n", `s.yaml:5:21: unknown word "allowed" in an expectation`},
		{twoNets + "tests:\n  - boxA ping boxB: accepted dropped\n", `s.yaml:5:21: the test expects both accepted and dropped`},
		{twoNets + "tests:\n  - boxA ping boxB: rejected with a smile\n", `s.yaml:5:21: unknown answer of REJECT "a"`},
		{twoNets + "tests:\n  - boxA ping boxB: accepted by boxC\n", `s.yaml:5:21: no network has a host "boxC"`},
		{twoNets + "tests:\n  - boxA ping boxB: answered with x\n", `s.yaml:5:5: only tcp, udp and http have an answer`},
		{twoNets + "tests:\n  - boxA ping boxB ttl: accepted\n", `s.yaml:5:5: ttl wants a value`},
		{twoNets + "tests:\n  - boxA ping boxB ttl 300: accepted\n", `s.yaml:5:5: ttl is a number from 1 to 255, not "300"`},
		{twoNets + "tests:\n  - {from: boxA, to: boxB, with: ping}\n", `s.yaml:5:5: the test lacks "expect"`},
		{twoNets + "tests:\n  - {from: boxA, to: boxB, with: ping, expekt: accepted}\n", `s.yaml:5:40: unknown key "expekt"`},
		{twoNets + "tests:\n  - from: boxA\n    to: boxB\n    with: ping\n    expect: {verdict: accepted}\n", `s.yaml:8:14: unknown key "verdict"`},
		{"networks: {lan: {router: 10.0.0.1, boxA: 10.0.0.2}}\ntests: [{boxA ping router: accepted}]", `s.yaml:1:12: network lan says no length for 10.0.0.1 of router`},
		{"networks: {lan: {router: 10.0.0.1/24, boxA: 10.0.0.1}}\ntests: [{boxA ping router: accepted}]", `s.yaml:1:12: 10.0.0.1 belongs to both router and boxA`},
		{"networks: {lan: {router: 10.0.0.1/24 as a/b, boxA: 10.0.0.2}}\ntests: [{boxA ping router: accepted}]", `"a/b" cannot name an interface`},
		{"networks: {lan: {router: 10.0.0.1/24, ../x: 10.0.0.2}}\ntests: [{boxA ping router: accepted}]", `the name of a host has letters`},
		{twoNets + "tests:\n  - boxA tcp boxB:22 tims 3: accepted\n", `s.yaml:5:5: unknown word "tims" in a test; after TO come times, from-port,`},
		{twoNets + "tests:\n  - boxA ping boxB: DROP\n", `s.yaml:5:21: unknown word "DROP" in an expectation; it begins with a verdict: accepted, unanswered, dropped,`},
		{twoNets + "tests:\n  - boxA ping boxB: accepted by\n", `s.yaml:5:21: by wants a value`},
		{twoNets + "tests:\n  - boxA ping boxB times 3: 5 of 3 accepted\n", `s.yaml:5:29: the test is sent 3 times, of which 5 cannot be accepted`},
		{twoNets + "tests:\n  - boxA ping boxB: 2-4 of 3 accepted\n", `s.yaml:5:21: the test is sent 3 times, of which 4 cannot be accepted`},
		{twoNets + "tests:\n\t- boxA ping boxB: accepted\n", `s.yaml:5:1: a tab in the indentation: YAML is indented with spaces`},
		{twoNets + "tests:\n  - boxA ping boxB: dropped by boxB\n", `s.yaml:5:21: what is dropped arrives nowhere: by, source, destination and answer are of`},
		{twoNets + "tests:\n  - boxA tcp boxB:22: rejected source 10.0.0.1\n", `s.yaml:5:23: what is rejected arrives nowhere`},
		{"a: &a [*a, *a]\n", `s.yaml:1:1: unknown key "a"`},
	} {
		_, err := ParseSpec("s.yaml", []byte(tc.text))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q:\n got %v\nwant %s", tc.text, err, tc.want)
		}
	}
}

// TestSpecForms holds that the short and the long form mean the same.
func TestSpecForms(t *testing.T) {
	for _, tc := range []struct{ short, long string }{
		{"boxA ping boxB: accepted", "{from: boxA, with: ping, to: boxB, expect: accepted}"},
		{"boxB http 172.16.200.1:8800: answered by boxA with \"Hello, world\" mark 0x10/0xf0",
			"{from: boxB, with: http, to: 172.16.200.1:8800, expect: {outcome: accepted, by: boxA, answer: \"Hello, world\", mark: 0x10/0xf0}}"},
		{"boxA ping boxB ttl 9 size 3000: 3-4 of 10 accepted", "{from: boxA, with: ping, to: boxB, ttl: 9, size: 3000, times: 10, expect: {passed: 3-4}}"},
		{"boxB tcp6 router.wan:22 flags fin,psh from-port 1: rejected with port-unreachable",
			"{from: boxB, with: tcp6, to: router.wan:22, flags: [fin, psh], from-port: 1, expect: {outcome: rejected, reject: icmp6-port-unreachable}}"},
		{"boxB udp [fd00::1]:53: accepted source fd00::5 destination :53", "{from: boxB, with: udp6, to: router:53, expect: {outcome: accepted, source: fd00::5, destination: \":53\"}}"},
	} {
		a, b := parse(t, twoNets+"tests:\n  - "+tc.short+"\n").Tests[0], parse(t, twoNets+"tests:\n  - "+tc.long+"\n").Tests[0]
		if d := cmp.Diff(a, b, cmpopts.IgnoreFields(Test{}, "Line", "Column", "Name"), cmpopts.IgnoreFields(Probe{}, "To"), cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Errorf("%s (-short +long):\n%s", tc.short, d)
		}
	}
}

func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(SpecSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("spec.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("spec.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a YAML document as the schema sees it.
func asJSON(t testing.TB, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	v, err = jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSpecSchema holds the schema for editors to what ParseSpec takes: the same
// keys, and every spec of testdata/labs.
func TestSpecSchema(t *testing.T) {
	s := compiledSchema(t)
	files, err := filepath.Glob("../testdata/labs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no specs: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSpec(f, text); err != nil {
			t.Error(err)
		}
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	for _, m := range mutations {
		if err := s.Validate(asJSON(t, []byte(mutationNet+m.test+"\n"))); err != nil {
			t.Errorf("%s: %v", m.test, err)
		}
	}
	if s.Validate(asJSON(t, []byte(twoNets+"tests:\n  - {from: boxA, to: boxB, with: ping, expekt: accepted}\n"))) == nil {
		t.Error("the schema takes an unknown key")
	}
	var doc struct {
		Properties map[string]any
		Defs       map[string]json.RawMessage `json:"$defs"`
	}
	if err := json.Unmarshal(SpecSchema(), &doc); err != nil {
		t.Fatal(err)
	}
	check := func(name string, want []string, raw json.RawMessage) {
		t.Helper()
		var one struct {
			Properties map[string]any
			OneOf      []struct{ Properties map[string]any }
			More       struct {
				OneOf []struct{ Properties map[string]any }
			} `json:"additionalProperties"`
		}
		_ = json.Unmarshal(raw, &one) // additionalProperties may be false
		var got []string
		for k := range one.Properties {
			got = append(got, k)
		}
		for _, alt := range append(one.OneOf, one.More.OneOf...) {
			for k := range alt.Properties {
				got = append(got, k)
			}
		}
		slices.Sort(got)
		want = slices.Sorted(slices.Values(want))
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("keys of %s (-ParseSpec +schema):\n%s", name, d)
		}
	}
	check("a spec", specKeys, SpecSchema())
	check("a member", memberKeys, doc.Defs["member"])
	check("a host", hostKeys, doc.Defs["host"])
	check("a service", serveKeys, doc.Defs["services"])
	check("a test", testKeys, doc.Defs["test"])
	check("an expectation", expectKeys, doc.Defs["expect"])
}

func FuzzParseSpec(f *testing.F) {
	files, _ := filepath.Glob("../testdata/labs/*.yaml")
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil {
			f.Add(text)
		}
	}
	for _, m := range mutations {
		f.Add([]byte(mutationNet + m.test + "\n"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseSpec("s.yaml", text)
		if (s == nil) == (err == nil) {
			t.Fatalf("%v, %v", s, err)
		}
		if s == nil {
			return
		}
		for i := range s.Hosts {
			s.routesOf(&s.Hosts[i])
		}
		for _, x := range s.Tests {
			if x.Name == "" || x.Expected() == "" || !x.Probe.Dst.IsValid() {
				t.Errorf("half a test: %+v", x)
			}
		}
	})
}
