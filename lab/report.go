package lab

import (
	_ "embed"
	"encoding/json"
	"io"
)

// TestSchemaName is the schema field of a test report's JSON. No field is ever
// lost within v1. SpecSchema is the JSON Schema of specs, for editors.
const TestSchemaName = "fwc.test/v1"

//go:embed schema/spec.v1.json
var specSchema []byte

// SpecSchema returns the JSON Schema of a spec file.
func SpecSchema() []byte { return append([]byte(nil), specSchema...) }

// JSON writes the report for programs.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	results := r.Results
	if results == nil {
		results = []Result{}
	}
	return enc.Encode(struct {
		Schema string   `json:"schema"`
		Passed int      `json:"passed"`
		Failed int      `json:"failed"`
		Millis int64    `json:"millis"`
		Tests  []Result `json:"tests"`
		// Coverage is there with --coverage.
		Coverage *Coverage `json:"coverage,omitempty"`
	}{TestSchemaName, r.Passed, r.Failed, r.Elapsed.Milliseconds(), results, r.Coverage})
}
