package lab_test

import (
	"bytes"
	"context"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
)

// schemaOf reads a schema file and what it says at the top.
func schemaOf(t *testing.T, name string) (*jsonschema.Schema, map[string]any) {
	t.Helper()
	text, err := os.ReadFile("schema/" + name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s, doc.(map[string]any)
}

func valid(t *testing.T, s *jsonschema.Schema, text []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// named holds a schema's properties to the fields of a type.
func named(t *testing.T, what string, schema any, v any) {
	t.Helper()
	var want, got []string
	for f := range reflect.TypeOf(v).Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			want = append(want, name)
		}
	}
	for name := range schema.(map[string]any)["properties"].(map[string]any) {
		got = append(got, name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("properties of %s (-type +schema):\n%s", what, diff)
	}
}

func TestTraceSchema(t *testing.T) {
	s, doc := schemaOf(t, "trace.v1.json")
	defs := doc["$defs"].(map[string]any)
	named(t, "a report", doc, lab.TraceReport{})
	named(t, "a path", defs["path"], lab.Path{})
	named(t, "a hop", defs["hop"], lab.Hop{})
	snap := parsed(t, ruleset.Dump{Kind: ruleset.IPTables, Backend: ruleset.NFT, Text: []byte(tracedRules)})
	for text, want := range map[string]string{
		"tcp 203.0.113.9:40000 > 172.16.200.1:8800 in eth0": "accepted by filter web 1; left by veth1 as tcp 203.0.113.9:40000 > 172.16.100.5:80, mark 0x3",
		"udp 192.0.2.8:5 > 172.16.100.9:53 in eth0 tos 0x8": "rejected with icmp-port-unreachable by filter web 3",
		"udp 192.0.2.8:5 > 192.0.2.9:53 tos 0x8":            "accepted by filter OUTPUT policy ACCEPT; left by eth0 as udp 198.19.0.5:5 > 192.0.2.9:53 tos 0x8",
		"tcp 192.0.2.8 > 192.0.2.9 in veth1 flags SYN,PSH":  "accepted by filter FORWARD 8; left by eth0 as tcp 198.19.0.9:40000 > 192.0.2.9:80 flags SYN,PSH, mark 0x3",
	} {
		plan, err := lab.PlanTrace(snap, packet(t, text), lab.TraceHost{})
		if err != nil {
			t.Fatal(err)
		}
		res, err := lab.RunTrace(context.Background(), snap, plan)
		if err != nil {
			t.Fatal(err)
		}
		r := lab.NewTraceReport("rules", plan, res)
		var js, words strings.Builder
		if err := r.JSON(&js); err != nil {
			t.Fatal(err)
		}
		valid(t, s, []byte(js.String()))
		if err := r.Text(&words); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(words.String(), "\n"), "\n")
		got := lines[len(lines)-1]
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestCoverageSchema(t *testing.T) {
	s, doc := schemaOf(t, "coverage.v1.json")
	chain := doc["properties"].(map[string]any)["chains"].(map[string]any)["items"]
	rule := chain.(map[string]any)["properties"].(map[string]any)["rules"].(map[string]any)["items"]
	named(t, "a profile", doc, lab.Coverage{})
	named(t, "a chain", chain, lab.ChainCoverage{})
	named(t, "a rule", rule, lab.RuleCoverage{})
	for _, snap := range []*ruleset.Snapshot{filter(ruleset.IPv4, nil, "INPUT -j DROP", "user -j ACCEPT"), ruleset.New(nil, nil, nil, nil)} {
		var b bytes.Buffer
		if err := lab.NewCoverage(snap).WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		valid(t, s, b.Bytes())
	}
}
