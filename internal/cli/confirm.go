package cli

import (
	"fmt"

	"github.com/fwc-dev/fwc/apply"
	"github.com/fwc-dev/fwc/internal/command"
)

// confirmed is the JSON of fwc confirm, schema fwc.confirm/v1.
type confirmed struct {
	Schema     string `json:"schema"`
	Digest     string `json:"digest"`
	Generation int    `json:"generation"`
}

func confirmCommand(s Streams) *command.Command {
	return &command.Command{
		Name:  "confirm",
		Usage: "keep the firewall that fwc apply --confirm put there",
		Description: "Exits 1 if nothing waits to be confirmed, or if the time was over.\n\n" +
			"Examples:\n" +
			"  fwc confirm    # on the host, in a connection that was made after fwc apply fw.artifact --confirm 60s\n" +
			"  ssh host fwc apply fw.artifact --confirm 60s && ssh host fwc confirm    # from elsewhere",
		Flags: []command.Flag{stateFlag(), formatFlag("text", "json")},
		Action: func(c *command.Context) error {
			if c.Args().Present() {
				return usagef("confirm takes no argument: %q", c.Args().First())
			}
			g, err := apply.Confirm(c.Context, apply.Options{State: c.String("state"), Waiting: waiting(s)})
			if err != nil {
				return err
			}
			if c.String("format") == "json" {
				return writeJSON(s.Out, confirmed{"fwc.confirm/v1", g.Digest, g.Number})
			}
			fmt.Fprintf(s.Out, "confirmed: generation %d stays\n", g.Number)
			return nil
		},
	}
}

func watchdogCommand(Streams) *command.Command {
	return &command.Command{
		Name:  "watchdog",
		Usage: "wait for fwc confirm and go back without it; apply --confirm starts it",
		Description: "It ends when the change is confirmed or undone, and heeds no signal but KILL.\n" +
			"By hand it is needed only where the one that apply started was killed.",
		Flags: []command.Flag{stateFlag(),
			&command.StringFlag{Name: "name", Usage: "watch over the change of that `NAME` only"}},
		Action: func(c *command.Context) error {
			if c.Args().Present() {
				return usagef("watchdog takes no argument: %q", c.Args().First())
			}
			return apply.Watch(c.Context, c.String("name"), apply.Options{State: c.String("state")})
		},
	}
}
