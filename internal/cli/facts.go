package cli

import (
	"fmt"

	"github.com/fwc-dev/fwc/internal/command"
	"github.com/fwc-dev/fwc/internal/facts"
	"github.com/fwc-dev/fwc/internal/netfilter"
)

func factsCommand(s Streams) *command.Command {
	return &command.Command{
		Name:  "facts",
		Usage: "this host as a build sees it: versions, interfaces, addresses, default routes, names",
		Description: "Writes JSON for build --facts. It may be edited: a build takes what it says.\n\n" +
			"Examples:\n" +
			"  fwc facts > web1.json\n" +
			"  ssh web1 fwc facts > web1.json && fwc build script.sh -o web1.artifact --key ci.key --facts web1.json",
		Flags: []command.Flag{formatFlag("json")},
		Action: func(c *command.Context) error {
			if c.Args().Present() {
				return usagef("facts takes no argument: %q", c.Args().First())
			}
			f, err := facts.Collect()
			if err != nil {
				return fmt.Errorf("facts: %w", err)
			}
			if f.Toolchain, err = netfilter.Probe(c.Context); err != nil {
				return err
			}
			return writeJSON(s.Out, f)
		},
	}
}
