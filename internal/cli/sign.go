//go:build !host

package cli

import (
	"fmt"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/atomicfile"
	"github.com/urfave/cli/v2"
)

func signCommand(s Streams) *cli.Command {
	return &cli.Command{
		Name:      "sign",
		Usage:     "add a signer to an artifact; what is signed stays the same bytes",
		ArgsUsage: "FILE",
		Description: "Examples:\n" +
			"  fwc sign fw.artifact --key release.key --trust ci.pub\n" +
			"  fwc sign fw.artifact --key ssh-agent:release.pub -o released.artifact",
		Flags: []cli.Flag{
			keyFlag(true),
			&cli.StringFlag{Name: "o", Usage: "write to `FILE` (default: replace)"},
			trustedInputFlag(),
		},
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usagef("sign wants one FILE")
			}
			in, out := c.Args().First(), c.String("o")
			if out == "" {
				out = in
			}
			if err := writable(out); err != nil {
				return err
			}
			a, err := inspectTrusted(c, in)
			if err != nil {
				return err
			}
			key, done, err := loadSigner(c.String("key"), s)
			if err != nil {
				return err
			}
			defer done()
			signed, err := artifact.AddSignature(a.Data(), key)
			if err != nil {
				return fmt.Errorf("%s: %w", in, err)
			}
			if err := atomicfile.Write(out, signed, 0o644); err != nil {
				return err
			}
			fmt.Fprintf(s.Err, "signed %s with %s\n", out, key.Public())
			return nil
		},
	}
}
