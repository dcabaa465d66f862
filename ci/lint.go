package ci

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// LintSchemaName is the schema field of a lint's JSON. No field is ever lost
// within v1.
const LintSchemaName = "fwc.lint/v1"

// LintSchema is the JSON Schema (draft 2020-12) of a Lint's JSON.
//
//go:embed schema/lint.v1.json
var LintSchema []byte

// Severity says how much a finding matters.
type Severity string

// The severities, the gravest first.
const (
	Error   Severity = "error"   // packets get through that are meant not to
	Warning Severity = "warning" // a rule does not do what it says
	Note    Severity = "note"    // a rule or chain that could go
)

// Severities are all of them, the gravest first.
var Severities = []Severity{Error, Warning, Note}

// severities are those of the kinds; a kind that is not here is a warning.
var severities = map[packets.FindingKind]Severity{
	packets.FamilyOpen: Error, packets.NeverMatches: Warning, packets.AcceptsAll: Warning, packets.LateEstablished: Warning,
	packets.ChangesNothing: Note, packets.EmptyJump: Note, packets.UnusedChain: Note,
}

// Lint is what is odd about one firewall. Make one with NewLint. Its JSON is
// described by LintSchema.
type Lint struct {
	Schema string `json:"schema"`
	File   Head   `json:"file"`
	// Summary counts the findings by severity.
	Summary  map[Severity]int `json:"summary"`
	Findings []Finding        `json:"findings"`
	// Unread names what is there and not looked at, such as "bridge".
	Unread []string `json:"unread,omitempty"`
	// Partial are chains that Findings has only a part of.
	Partial []Partial `json:"partial,omitempty"`

	dump bool
}

// Partial are chains of a table whose packets could not be followed: of them
// Findings has what shows without.
type Partial struct {
	Family  ruleset.Family  `json:"family"`
	Backend ruleset.Backend `json:"backend"`
	Table   string          `json:"table"`
	Chains  []string        `json:"chains"`
	Why     string          `json:"why"`
	// Err is Why, of packets.Unseen.
	Err error `json:"-"`
}

// Finding is one remark on a rule, or on a chain: then Index is 0.
type Finding struct {
	Kind     packets.FindingKind `json:"kind"`
	Severity Severity            `json:"severity"`
	// Message says it in a sentence.
	Message string         `json:"message"`
	Family  ruleset.Family `json:"family"`
	Decider
	// By are the rules and policies that the message speaks of.
	By []Decider `json:"by,omitempty"`
}

// LintOptions say what is looked at.
type LintOptions struct {
	// Dump says that the side is a raw dump: it has lines of its own, and says
	// nothing about the other family.
	Dump bool
}

// NewLint looks at one side. Errors are those of packets.Lint.
func NewLint(ctx context.Context, s Side, opt LintOptions) (*Lint, error) {
	found, err := packets.Lint(ctx, s.Snapshot, packets.Options{})
	if err != nil {
		return nil, err
	}
	l := &Lint{Schema: LintSchemaName, File: head(s), Summary: map[Severity]int{}, Findings: []Finding{}, Unread: unread(s.Snapshot), dump: opt.Dump}
	for _, u := range found.Unseen {
		why := u.Err.Error()
		if loop := (*packets.LoopError)(nil); errors.As(u.Err, &loop) {
			why = "chain " + loop.Chain + " calls itself"
		}
		l.Partial = append(l.Partial, Partial{Family: u.Family, Backend: u.Backend, Table: valid(u.Table), Chains: valids(u.Chains), Why: valid(why), Err: u.Err})
	}
	for i := range found.Findings {
		f := &found.Findings[i]
		if opt.Dump && f.Kind == packets.FamilyOpen {
			continue
		}
		severity, ok := severities[f.Kind]
		if !ok {
			severity = Warning
		}
		l.Summary[severity]++
		l.Findings = append(l.Findings, Finding{Kind: f.Kind, Severity: severity, Message: valid(f.Words()), Family: f.Family,
			Decider: deciders([]packets.Step{f.Step})[0], By: deciders(f.By)})
	}
	return l, nil
}

// unread names the tables that packet space does not hold.
func unread(s *ruleset.Snapshot) (out []string) {
	if s == nil {
		return nil
	}
	for i := range s.Tables {
		name := ""
		switch t := &s.Tables[i]; {
		case t.Native:
			name = "native nftables"
		case t.Family != ruleset.IPv4 && t.Family != ruleset.IPv6:
			name = string(t.Family)
		}
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// String names the chains, and why: "ip filter INPUT, FORWARD: too many …".
func (p *Partial) String() string {
	names := p.Chains
	if more := len(names) - mostChains; more > 0 {
		names = append(slices.Clone(names[:mostChains]), fmt.Sprintf("and %s more", grouped(more)))
	}
	return fmt.Sprintf("%s %s %s: %s", p.Family, p.Table, strings.Join(names, ", "), p.Why)
}

// mostChains is how many chains of a table are named.
const mostChains = 5

// JSON writes the findings as one indented JSON document, see LintSchema.
func (l *Lint) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(l)
}

// Headline counts the findings: "1 error, 2 notes".
func (l *Lint) Headline() string {
	var parts []string
	for _, s := range Severities {
		if n := l.Summary[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", grouped(n), plural(n, string(s), string(s)+"s")))
		}
	}
	if len(parts) == 0 {
		return "nothing found"
	}
	return strings.Join(parts, ", ")
}
