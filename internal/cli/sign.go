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
			"  fwc sign fw.artifact --key release.key\n" +
			"  fwc sign fw.artifact --key release.key -o released.artifact",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "key", Usage: "sign with the private `KEY`", EnvVars: []string{"FWC_KEY"}, Required: true},
			&cli.StringFlag{Name: "o", Usage: "write to `FILE` (default: replace)"},
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
			data, err := readFile(in)
			if err != nil {
				return err
			}
			key, err := loadKey(c.String("key"), s)
			if err != nil {
				return err
			}
			signed, err := artifact.AddSignature(data, key)
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
