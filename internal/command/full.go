//go:build !host

package command

import "github.com/urfave/cli/v2"

// The types of commands that every build of fwc has.
type (
	Command         = cli.Command
	Context         = cli.Context
	Flag            = cli.Flag
	StringFlag      = cli.StringFlag
	BoolFlag        = cli.BoolFlag
	DurationFlag    = cli.DurationFlag
	StringSliceFlag = cli.StringSliceFlag
)
