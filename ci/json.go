package ci

import (
	"encoding/json"
	"io"
)

// JSON writes the report as one indented JSON document, see Schema.
func (r *Report) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
