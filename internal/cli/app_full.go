//go:build !host

package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// runApp runs the command that args ask for.
func runApp(ctx context.Context, args []string, s Streams) error {
	app := newApp(s)
	if len(args) > 1 && args[1] == completeWord {
		for _, w := range complete(app, args[2:]) {
			fmt.Fprintln(s.Out, w)
		}
		return nil
	}
	if len(args) > 1 && args[1] == "help" { // as go help and git help do
		args = append([]string{args[0]}, append(args[2:len(args):len(args)], "--help")...)
	}
	args, err := reorder(app, args)
	if err != nil {
		return err
	}
	return app.RunContext(ctx, args)
}

func newApp(s Streams) *cli.App {
	app := &cli.App{
		Name:            appName,
		Usage:           appUsage,
		UsageText:       appUsageText,
		Version:         version(),
		Reader:          s.In,
		Writer:          s.Out,
		ErrWriter:       s.Err,
		HideHelpCommand: true,
		Suggest:         true,
		// A label or an interface may have a comma in it.
		DisableSliceFlagSeparator: true,
		Commands:                  commands(s),
		ExitErrHandler:            func(*cli.Context, error) {}, // Run prints and exits once
		OnUsageError:              usageError,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return unknownCommand(c)
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, c := range app.Commands {
		c.OnUsageError = usageError
		c.HideHelpCommand = true
		requireLate(c)
	}
	return app
}

// requireLate has a command ask for its required flags itself: the library prints
// the whole help ahead of the error, which is lost above it then.
func requireLate(c *cli.Command) {
	var names []string
	for _, f := range c.Flags {
		if f, ok := f.(*cli.StringFlag); ok && f.Required {
			f.Required = false
			names = append(names, f.Name)
		}
	}
	if action := c.Action; len(names) > 0 {
		c.Action = func(ctx *cli.Context) error {
			for _, n := range names {
				if !ctx.IsSet(n) {
					return usagef("Required flag %q not set", n)
				}
			}
			return action(ctx)
		}
	}
}

func unknownCommand(c *cli.Context) error {
	word := c.Args().First()
	err := usagef("unknown command %q", word)
	if like := strings.TrimSpace(cli.SuggestCommand(c.App.Commands, word)); like != "" {
		return hintf(err, "%s fwc --help lists the commands", like)
	}
	return hintf(err, "fwc --help lists the commands")
}

func usageError(_ *cli.Context, err error, _ bool) error {
	return &usage{err.Error()}
}
