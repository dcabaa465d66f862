//go:build !host

package cli

import "github.com/urfave/cli/v2"

func builderCommands(s Streams) []*cli.Command {
	return []*cli.Command{
		buildCommand(s), diffCommand(s), keygenCommand(s), signCommand(s), bundleCommand(s),
	}
}
