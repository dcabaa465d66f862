// Package ci makes the reports that reviewers and pipelines read: what changed
// between two firewalls, as text for a terminal, as Markdown for a pull
// request's comment, as one HTML page, and as JSON of a written schema (see
// Schema).
//
// A Lint is what is odd about one firewall, as text and JSON (see LintSchema).
//
// A Report is data first; the renderers work from it alone. Everything in it
// that came from a script, a dump or an artifact is untrusted, and every
// renderer shows it so that it can neither act nor hide.
package ci

import _ "embed"

// SchemaName is the schema field of a diff's JSON. No field is ever lost
// within v1.
const SchemaName = "fwc.diff/v1"

// Schema is the JSON Schema (draft 2020-12) of a Report's JSON.
//
//go:embed schema/diff.v1.json
var Schema []byte
