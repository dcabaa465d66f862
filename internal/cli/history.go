package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fwc-dev/fwc/apply"
	"github.com/fwc-dev/fwc/internal/command"
	"github.com/fwc-dev/fwc/internal/termsafe"
)

// history is the JSON of fwc history, schema fwc.history/v1.
type history struct {
	Schema      string             `json:"schema"`
	Current     int                `json:"current"` // 0 is the firewall of before fwc
	Generations []apply.Generation `json:"generations"`
	// Pending waits for its confirmation; absent where none does.
	Pending int `json:"pending,omitempty"`
}

func historyCommand(s Streams) *command.Command {
	return &command.Command{
		Name:        "history",
		Usage:       "the generations that fwc can go back to, the latest first",
		Description: "Example:\n  fwc history",
		Flags:       []command.Flag{stateFlag(), formatFlag("text", "json")},
		Action: func(c *command.Context) error {
			if c.Args().Present() {
				return usagef("history takes no argument: %q", c.Args().First())
			}
			list, err := apply.History(c.String("state"))
			if err != nil {
				return err
			}
			current, err := apply.Current(c.String("state"))
			if err != nil {
				return err
			}
			v := history{Schema: "fwc.history/v1", Generations: append([]apply.Generation{}, list...)}
			if current != nil {
				v.Current = current.Number
			}
			if v.Pending, err = apply.Waiting(c.String("state")); err != nil {
				return err
			}
			if c.String("format") == "json" {
				return writeJSON(s.Out, v)
			}
			w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "\tGENERATION\tAPPLIED\tSERIAL\tDIGEST\tSCRIPT\tLABELS\t")
			for _, g := range list {
				mark := ""
				if g.Number == v.Current {
					mark = "*"
				}
				note := ""
				switch {
				case g.Number == v.Pending:
					mark, note = "?", "waits for its confirmation"
				case g.AllowedOlder:
					note = "older, allowed on purpose"
				}
				fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%.16s\t%s\t%s\t%s\n", mark, g.Number, g.At.Format(time.RFC3339), g.Serial, g.Digest,
					termsafe.String(g.Script), termsafe.String(labelsOf(g.Labels)), note)
			}
			if v.Current == 0 && len(list) > 0 {
				fmt.Fprintln(w, "*\t0\t\t\t\t\t\tthe firewall of before fwc")
			}
			return w.Flush()
		},
	}
}

// labelsOf writes labels in one word: "role=web,site=fra1".
func labelsOf(labels map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, k+"="+labels[k])
	}
	return strings.Join(out, ",")
}
