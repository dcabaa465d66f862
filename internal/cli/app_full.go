//go:build !host

package cli

import (
	"context"

	"github.com/urfave/cli/v2"
)

// runApp runs the command that args ask for.
func runApp(ctx context.Context, args []string, s Streams) error {
	app := newApp(s)
	return app.RunContext(ctx, reorder(app, args))
}

func newApp(s Streams) *cli.App {
	app := &cli.App{
		Name:                 appName,
		Usage:                appUsage,
		UsageText:            appUsageText,
		Version:              version(),
		Reader:               s.In,
		Writer:               s.Out,
		ErrWriter:            s.Err,
		HideHelpCommand:      true,
		EnableBashCompletion: true,
		Suggest:              true,
		Commands:             commands(s),
		ExitErrHandler:       func(*cli.Context, error) {}, // Run prints and exits once
		OnUsageError:         usageError,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("unknown command %q", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, c := range app.Commands {
		c.OnUsageError = usageError
		c.HideHelpCommand = true
	}
	return app
}

func usageError(_ *cli.Context, err error, _ bool) error {
	return &usage{err.Error()}
}
