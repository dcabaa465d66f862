//go:build host

package cli

import (
	"context"
	"errors"

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
	if errors.As(err, &wrong) {
		return &usage{wrong.Msg}
	}
	return err
}
