package ci_test

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/fwc-dev/fwc/ci"
)

// validate holds a report's JSON to the written schema.
func validate(t testing.TB, report []byte) {
	t.Helper()
	validateAs(t, "diff.v1.json", ci.Schema, report)
}

func validateAs(t testing.TB, name string, written, report []byte) {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(written))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(report))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(doc); err != nil {
		t.Errorf("the report is not what the schema says: %v", err)
	}
}
