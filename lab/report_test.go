package lab

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func sampleReport() *Report {
	return &Report{
		Passed: 2, Failed: 1, Elapsed: 1234 * time.Millisecond,
		Results: []Result{
			{Spec: "a.yaml", Line: 5, Name: "boxB ping boxA", OK: true, Expected: "dropped", Got: "dropped", Flows: []Finding{{Verdict: Dropped}}, Millis: 0.5},
			{Spec: "a.yaml", Line: 6, Name: "the web # of <boxA>", Expected: "accepted by boxA answer \"x\"", Got: "rejected with tcp-reset", Flows: []Finding{{Verdict: Rejected, Reject: "tcp-reset"}}, Millis: 1.5},
			{Spec: "b.yml", Line: 9, Name: "boxA tcp \x1b[2J:1", OK: true, Expected: "accepted", Got: "accepted by boxB", Millis: 2},
		},
	}
}

func TestReports(t *testing.T) {
	r := sampleReport()
	for _, tc := range []struct {
		name  string
		write func(*bytes.Buffer) error
		want  string
	}{
		{"text", func(b *bytes.Buffer) error { return r.Text(b, ReportOptions{}) },
			"FAIL a.yaml:6: the web # of <boxA>\n" +
				"       expected  accepted by boxA answer \"x\"\n" +
				"       got       rejected with tcp-reset\n" +
				"1 of 3 tests failed in 1.23 s\n"},
		{"verbose", func(b *bytes.Buffer) error { return r.Text(b, ReportOptions{Verbose: true}) },
			"a.yaml\n" +
				"  ok  boxB ping boxA       dropped\n" +
				"FAIL a.yaml:6: the web # of <boxA>\n" +
				"       expected  accepted by boxA answer \"x\"\n" +
				"       got       rejected with tcp-reset\n" +
				"b.yml\n" +
				"  ok  boxA tcp \\x1b[2J:1  accepted\n" +
				"1 of 3 tests failed in 1.23 s\n"},
		{"tap", func(b *bytes.Buffer) error { return r.TAP(b) },
			"TAP version 14\n1..3\n" +
				"ok 1 - boxB ping boxA\n" +
				"not ok 2 - the web \\# of <boxA>\n" +
				"  ---\n  at: \"a.yaml:6\"\n  expected: \"accepted by boxA answer \\\"x\\\"\"\n  got: \"rejected with tcp-reset\"\n  ...\n" +
				"ok 3 - boxA tcp \\\\x1b[2J:1\n"},
		{"junit", func(b *bytes.Buffer) error { return r.JUnit(b) },
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
				"<testsuites tests=\"3\" failures=\"1\" time=\"1.234000\">\n" +
				"  <testsuite name=\"a.yaml\" tests=\"2\" failures=\"1\" time=\"0.002000\">\n" +
				"    <testcase name=\"boxB ping boxA\" classname=\"a\" file=\"a.yaml\" line=\"5\" time=\"0.000500\"></testcase>\n" +
				"    <testcase name=\"the web # of &lt;boxA&gt;\" classname=\"a\" file=\"a.yaml\" line=\"6\" time=\"0.001500\">\n" +
				"      <failure message=\"expected accepted by boxA answer &#34;x&#34;, got rejected with tcp-reset\">a.yaml:6&#xA;expected  accepted by boxA answer &#34;x&#34;&#xA;got       rejected with tcp-reset&#xA;</failure>\n" +
				"    </testcase>\n" +
				"  </testsuite>\n" +
				"  <testsuite name=\"b.yml\" tests=\"1\" failures=\"0\" time=\"0.002000\">\n" +
				"    <testcase name=\"boxA tcp \\x1b[2J:1\" classname=\"b\" file=\"b.yml\" line=\"9\" time=\"0.002000\"></testcase>\n" +
				"  </testsuite>\n" +
				"</testsuites>\n"},
	} {
		var b bytes.Buffer
		if err := tc.write(&b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tc.want, b.String()); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
		if tc.name == "junit" {
			if err := xml.Unmarshal(b.Bytes(), new(junitSuites)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestReportSchema holds the JSON to the written schema.
func TestReportSchema(t *testing.T) {
	written, err := os.ReadFile("schema/test.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(written))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("test.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("test.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Report{sampleReport(), {}} {
		var b bytes.Buffer
		if err := r.JSON(&b); err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(&b)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Error(err)
		}
	}
	// Whoever reads it relies on these.
	var b strings.Builder
	if err := sampleReport().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema         string
		Passed, Failed int
		Tests          []struct {
			Name, Expected, Got string
			OK                  bool
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != "fwc.test/v1" || got.Passed != 2 || got.Failed != 1 || len(got.Tests) != 3 || got.Tests[1].OK || got.Tests[1].Got != "rejected with tcp-reset" {
		t.Errorf("got %+v", got)
	}
}
