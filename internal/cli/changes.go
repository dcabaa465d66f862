package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/ruleset"
)

// change is one difference as pipelines read it: the items of "structure" in
// fwc.diff/v1 and of "drift" in fwc.status/v1.
type change struct {
	Family  ruleset.Family     `json:"family"`
	Backend ruleset.Backend    `json:"backend"`
	Table   string             `json:"table"`
	Chain   string             `json:"chain"`
	Object  string             `json:"object,omitempty"`
	Subject ruleset.Subject    `json:"subject"`
	Kind    ruleset.ChangeKind `json:"kind"`
	Old     string             `json:"old"`
	New     string             `json:"new"`
	Line    int                `json:"line"`
}

func changesOf(list []ruleset.Change) []change {
	out := make([]change, 0, len(list))
	for _, c := range list {
		out = append(out, change{c.Family, c.Backend, c.Table, c.Chain, c.Object, c.Subject, c.Kind, c.Old, c.New, c.Line})
	}
	return out
}

// mostChanges is how many changes a host's terminal gets; JSON has all.
const mostChanges = 200

// printChangeList writes one line a change: what a host needs to say. Reviews
// get package ci's reports, which hosts do not carry.
func printChangeList(out io.Writer, list []ruleset.Change) {
	for i, c := range list {
		if i == mostChanges {
			fmt.Fprintf(out, "  … and %d more\n", len(list)-i)
			return
		}
		fmt.Fprintf(out, "  %s\n", termsafe.String(changeLine(c)))
	}
}

var marks = map[ruleset.ChangeKind]string{
	ruleset.Added: "+", ruleset.Removed: "-", ruleset.Moved: ">", ruleset.Changed: "~",
}

func changeLine(c ruleset.Change) string {
	var place []string
	if c.Table != "" {
		place = append(place, string(c.Family), c.Table)
	}
	if c.Backend == ruleset.Legacy {
		place = append(place, "(legacy)")
	}
	for _, p := range []string{c.Chain, c.Object} {
		if p != "" {
			place = append(place, p)
		}
	}
	text := c.New
	switch c.Kind {
	case ruleset.Removed:
		text = c.Old
	case ruleset.Changed:
		text = c.Old + " → " + c.New
	case ruleset.Moved:
		text = fmt.Sprintf("%s (%d → %d)", c.New, c.OldIndex, c.NewIndex)
	}
	return fmt.Sprintf("%s %s %s: %s", marks[c.Kind], c.Subject, strings.Join(place, " "), text)
}
