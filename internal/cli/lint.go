//go:build !host

package cli

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/ruleset/packets"
	"github.com/urfave/cli/v2"
)

func lintCommand(s Streams) *cli.Command {
	return &cli.Command{
		Name:      "lint",
		Usage:     "rules that cannot match, rules that change nothing, families left open",
		ArgsUsage: "FILE",
		Description: "FILE is an artifact, a raw dump (iptables-save, ip6tables-save), or host for the running firewall.\n" +
			"An error lets packets through that are meant not to, a warning is a rule that does not do what it\n" +
			"says, a note is a rule or chain that could go. It says only what holds for every packet.\n\n" +
			"Examples:\n" +
			"  fwc lint fw.artifact\n" +
			"  fwc lint fw.artifact --exit-code\n" +
			"  iptables-save > rules && fwc lint rules --format json\n" +
			"  sudo fwc lint host",
		Flags: []cli.Flag{
			formatFlag("text", "json"),
			&cli.BoolFlag{Name: "exit-code", Usage: "exit 1 when anything is found"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usagef("lint wants one FILE")
			}
			name := c.Args().First()
			var op operand
			var err error
			if name == hostName {
				op.Side, err = hostSide(c.Context, ci.Side{})
			} else {
				op, err = fileOperand(name)
			}
			if err != nil {
				return err
			}
			lint, err := ci.NewLint(c.Context, op.Side, ci.LintOptions{Dump: op.raw != nil})
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if c.String("format") == "json" {
				err = lint.JSON(s.Out)
			} else {
				err = lint.Text(s.Out, ci.TextOptions{Color: coloured(s.Out)})
			}
			if err != nil {
				return err
			}
			if len(lint.Partial) > 0 {
				return partialError(name, lint, op.raw != nil && bytes.Contains(op.raw.Text, []byte(" --match-set ")))
			}
			if c.Bool("exit-code") && len(lint.Findings) > 0 {
				return &quietError{exitFailure}
			}
			return nil
		},
	}
}

// partialError says why a lint is not whole: a check that did not look at all
// must not pass for one that did. A raw dump has no sets.
func partialError(name string, l *ci.Lint, setless bool) error {
	p := &l.Partial[0]
	err := fmt.Errorf("%s: %s", name, p.String())
	if more := len(l.Partial) - 1; more > 0 {
		err = fmt.Errorf("%w; and %d more", err, more)
	}
	switch {
	case errors.As(p.Err, new(*packets.LoopError)):
		return hintf(err, "no kernel loads chains that lead back to themselves: take one of the jumps away")
	case setless:
		return hintf(err, "a raw dump is without the sets that its rules ask for, so each is an unknown: lint an artifact, or host")
	}
	return hintf(err, "an ipset in place of rules for each address leaves fewer kinds of packets")
}
