//go:build host

package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/fwc-dev/fwc/internal/command"
)

// runApp runs the command that args ask for.
func runApp(ctx context.Context, args []string, s Streams) error {
	app := command.App{
		Name: appName, Usage: appUsage, UsageText: appUsageText, Version: version(),
		Writer: s.Out, Commands: commands(s),
	}
	err := app.Run(ctx, args)
	var wrong *command.UsageError
	switch {
	case !errors.As(err, &wrong):
		return err
	case len(args) > 1 && slices.Contains(elsewhere, args[1]):
		return hintf(&usage{wrong.Msg}, "this program has what hosts need alone; %s is in the whole fwc", args[1])
	}
	return &usage{wrong.Msg}
}

// elsewhere are the commands that hosts do not have.
var elsewhere = []string{"build", "diff", "lint", "keygen", "sign", "bundle", "trace", "completion"}
