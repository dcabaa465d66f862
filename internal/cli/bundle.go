//go:build !host

package cli

import (
	"errors"
	"fmt"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/atomicfile"
	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/urfave/cli/v2"
)

func bundleCommand(s Streams) *cli.Command {
	return &cli.Command{
		Name:      "bundle",
		Usage:     "join builds of one script for several toolchains into one signed file",
		ArgsUsage: "FILE…",
		Description: "Every FILE must be a build of the same script for the same labels. A host takes the build\n" +
			"that matches it. The joined file is a new payload and wants a signature of its own. Its serial\n" +
			"is the highest of theirs, its end of life the earliest.\n\n" +
			"Example:\n" +
			"  fwc bundle debian12.artifact ubuntu24.artifact -o fw.artifact --key ci.key\n" +
			"  fwc bundle *.artifact -o fw.artifact --key ssh-agent:release.pub --trust runners.pub",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "o", Usage: "write the artifact to `FILE`", Required: true},
			keyFlag(false),
			&cli.BoolFlag{Name: "unsigned", Usage: "write an unsigned artifact on purpose"},
			trustedInputFlag(),
		},
		Action: func(c *cli.Context) error {
			if c.NArg() < 2 {
				return usagef("bundle wants two FILEs or more")
			}
			if err := writable(c.String("o")); err != nil {
				return err
			}
			signers, done, err := buildSigners(c, s)
			if err != nil {
				return err
			}
			defer done()
			m, members, err := join(c, c.Args().Slice())
			if err != nil {
				return err
			}
			data, err := artifact.Encode(m, members, signers...)
			if err != nil {
				return err
			}
			if err := atomicfile.Write(c.String("o"), data, 0o644); err != nil {
				return err
			}
			fmt.Fprintf(s.Err, "wrote %s for %d toolchains:\n", c.String("o"), len(m.Builds))
			for _, b := range m.Builds {
				fmt.Fprintf(s.Err, "  %s\n", termsafe.String(describe(b.Toolchain)))
			}
			return nil
		},
	}
}

// join returns the manifest and members that hold the builds of every file.
func join(c *cli.Context, paths []string) (*artifact.Manifest, []artifact.Member, error) {
	var list []*artifact.Artifact
	for _, path := range paths {
		a, err := inspectTrusted(c, path)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, a)
	}
	m, members, err := artifact.Join(list...)
	var at *artifact.JoinError
	if errors.As(err, &at) {
		return nil, nil, hintf(fmt.Errorf("%s does not go with %s: %s", paths[at.Index], paths[at.With], at.Msg),
			"bundle takes builds of one script, with the same labels and epoch, for different toolchains: fwc show names them")
	}
	return m, members, err
}
