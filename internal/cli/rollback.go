package cli

import (
	"strconv"

	"github.com/fwc-dev/fwc/apply"
	"github.com/fwc-dev/fwc/internal/command"
)

func rollbackCommand(s Streams) *command.Command {
	return &command.Command{
		Name:      "rollback",
		Usage:     "back to the former firewall, or to a GENERATION of fwc history; 0 is the one before fwc",
		ArgsUsage: "[GENERATION]",
		Description: "Examples:\n" +
			"  fwc rollback\n" +
			"  fwc rollback 3\n" +
			"  fwc rollback 0",
		Flags: append(foreignFlags(), policyFlag(), stateFlag(), formatFlag("text", "json"),
			&command.BoolFlag{Name: "dry-run", Usage: "plan and try, change nothing"}),
		Action: func(c *command.Context) error {
			generation := apply.Previous
			switch c.NArg() {
			case 0:
			case 1:
				n, err := strconv.ParseUint(c.Args().First(), 10, 31)
				if err != nil {
					return usagef("rollback wants the number of a generation, not %q", c.Args().First())
				}
				if generation = int(n); n == 0 {
					generation = apply.BeforeFWC
				}
			default:
				return usagef("rollback wants one GENERATION at most")
			}
			r, err := apply.Rollback(c.Context, generation, apply.Options{
				State: c.String("state"), Keep: keepOf(c, s), Replace: c.Bool("replace"), DryRun: c.Bool("dry-run"),
				Guard: true, Waiting: waiting(s),
			})
			if err != nil {
				return explain(c, s, err)
			}
			return printApplied(c, s, r)
		},
	}
}
