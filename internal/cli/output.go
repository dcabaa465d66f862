package cli

import (
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/fwc-dev/fwc/internal/command"
)

// isTerminal says whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// coloured says whether w should get colours: https://no-color.org.
func coloured(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

// formatFlag is --format with its choices, the first of which is the default.
func formatFlag(choices ...string) command.Flag {
	return &command.StringFlag{
		Name: "format", Value: choices[0],
		Usage: "`FORMAT`: " + strings.Join(choices, ", "),
		Action: func(_ *command.Context, v string) error {
			if !slices.Contains(choices, v) {
				return usagef("--format wants one of %s, not %q", strings.Join(choices, ", "), v)
			}
			return nil
		},
	}
}
