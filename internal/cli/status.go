package cli

import (
	"fmt"
	"time"

	"github.com/fwc-dev/fwc/apply"
	"github.com/fwc-dev/fwc/internal/command"
	"github.com/fwc-dev/fwc/internal/termsafe"
)

// status is the JSON of fwc status, schema fwc.status/v1.
type status struct {
	Schema     string          `json:"schema"`
	Applied    *statusApplied  `json:"applied"` // null if nothing is
	Drift      []change        `json:"drift"`
	Foreign    []apply.Foreign `json:"foreign"`
	Busy       bool            `json:"busy"`
	Unfinished bool            `json:"unfinished"`
}

type statusApplied struct {
	Digest     string    `json:"digest"`
	Serial     uint64    `json:"serial"`
	Generation int       `json:"generation"`
	At         time.Time `json:"at"`
	Confirmed  bool      `json:"confirmed"`
	// AllowedOlder says that --allow-older took it.
	AllowedOlder bool `json:"allowedOlder"`
}

func statusCommand(s Streams) *command.Command {
	return &command.Command{
		Name:        "status",
		Usage:       "what is applied, since when, and whether the live firewall drifted from it",
		Description: "Examples:\n  fwc status\n  fwc status --exit-code --format json",
		Flags: []command.Flag{
			stateFlag(), formatFlag("text", "json"),
			&command.BoolFlag{Name: "exit-code", Usage: "exit 1 when the firewall drifted"},
		},
		Action: func(c *command.Context) error {
			if c.Args().Present() {
				return usagef("status takes no argument: %q", c.Args().First())
			}
			st, err := apply.Inspect(c.Context, apply.Options{State: c.String("state")})
			if err != nil {
				return err
			}
			if err := printStatus(c, s, st); err != nil {
				return err
			}
			if c.Bool("exit-code") && (len(st.Drift) > 0 || st.Unfinished != nil) {
				return &quietError{exitFailure}
			}
			return nil
		},
	}
}

func printStatus(c *command.Context, s Streams, st *apply.Status) error {
	if c.String("format") == "json" {
		v := status{
			Schema: "fwc.status/v1", Drift: changesOf(st.Drift), Foreign: append([]apply.Foreign{}, st.Foreign...),
			Busy: st.Busy, Unfinished: st.Unfinished != nil,
		}
		if g := st.Applied; g != nil {
			v.Applied = &statusApplied{g.Digest, g.Serial, g.Number, g.At, st.Confirmed, g.AllowedOlder}
		}
		return writeJSON(s.Out, v)
	}
	if st.Busy {
		fmt.Fprintln(s.Out, "a change is under way: what follows may be passing")
	}
	if u := st.Unfinished; u != nil {
		fmt.Fprintf(s.Out, "unfinished: %s; the next apply or rollback undoes it first\n", cutShort(u))
	}
	g := st.Applied
	if g == nil {
		fmt.Fprintln(s.Out, "nothing applied")
		return nil
	}
	fmt.Fprintf(s.Out, "applied: generation %d since %s, serial %d, digest %s\n", g.Number, g.At.Format(time.RFC3339), g.Serial, g.Digest)
	if g.AllowedOlder {
		fmt.Fprintln(s.Out, "older than what this host had accepted: it was allowed on purpose")
	}
	if len(st.Drift) == 0 {
		fmt.Fprintln(s.Out, "drift: none")
	} else {
		fmt.Fprintf(s.Out, "drift: %s of the live firewall\n", count(len(st.Drift), "difference"))
		printChangeList(s.Out, st.Drift)
	}
	for _, f := range st.Foreign {
		fmt.Fprintf(s.Out, "kept: %s\n", termsafe.String(f.String()))
	}
	return nil
}
