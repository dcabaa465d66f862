//go:build !host

package cli

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/atomicfile"
	"github.com/urfave/cli/v2"
)

func bundleCommand(s Streams) *cli.Command {
	return &cli.Command{
		Name:      "bundle",
		Usage:     "join builds of one script for several toolchains into one signed file",
		ArgsUsage: "FILE…",
		Description: "Every FILE must be a build of the same script for the same labels. A host takes the build\n" +
			"that matches it. The joined file is a new payload and wants a signature of its own.\n\n" +
			"Example:\n" +
			"  fwc bundle debian12.artifact ubuntu24.artifact -o fw.artifact --key ci.key",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "o", Usage: "write the artifact to `FILE`", Required: true},
			&cli.StringFlag{Name: "key", Usage: "sign with the private `KEY`", EnvVars: []string{"FWC_KEY"}},
			&cli.BoolFlag{Name: "unsigned", Usage: "write an unsigned artifact on purpose"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() < 2 {
				return usagef("bundle wants two FILEs or more")
			}
			if err := writable(c.String("o")); err != nil {
				return err
			}
			signers, err := buildSigners(c, s)
			if err != nil {
				return err
			}
			m, members, err := join(c.Args().Slice())
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
			fmt.Fprintf(s.Err, "wrote %s for %d toolchains\n", c.String("o"), len(m.Builds))
			return nil
		},
	}
}

// join returns the manifest and members that hold the builds of every file.
// The newest serial and the earliest end of life count.
func join(paths []string) (*artifact.Manifest, []artifact.Member, error) {
	var m *artifact.Manifest
	var members []artifact.Member
	from := map[string]string{} // a toolchain's description → the file it came from
	for _, path := range paths {
		a, err := inspect(path)
		if err != nil {
			return nil, nil, err
		}
		if m == nil {
			first := *a.Manifest
			first.Builds, first.Against = nil, ""
			m = &first
		}
		if err := joinable(m, a.Manifest); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		m.Modules = append(slices.Clone(m.Modules), a.Manifest.Modules...)
		m.Serial = max(m.Serial, a.Manifest.Serial)
		if a.Manifest.Created.After(m.Created) {
			m.Created = a.Manifest.Created
		}
		if end := a.Manifest.NotAfter; !end.IsZero() && (m.NotAfter.IsZero() || end.Before(m.NotAfter)) {
			m.NotAfter = end
		}
		for i, b := range a.Manifest.Builds {
			tc := describe(b.Toolchain)
			if was, twice := from[tc]; twice {
				return nil, nil, fmt.Errorf("%s and %s are both for %s", was, path, tc)
			}
			from[tc] = path
			dumps, err := a.Dumps(i)
			if err != nil {
				return nil, nil, err
			}
			joined, files := artifact.NewBuild(len(m.Builds), b.Toolchain, b.Accept, dumps)
			joined.Wanted = b.Wanted
			m.Builds = append(m.Builds, joined)
			members = append(members, files...)
		}
	}
	return m, members, nil
}

func joinable(a, b *artifact.Manifest) error {
	switch {
	case a.Script != b.Script:
		return fmt.Errorf("built from %s (sha256 %.12s…), not from %s (sha256 %.12s…)", b.Script.Name, b.Script.SHA256, a.Script.Name, a.Script.SHA256)
	case !maps.Equal(a.Labels, b.Labels):
		return fmt.Errorf("labels %v are not %v", b.Labels, a.Labels)
	case a.Epoch != b.Epoch:
		return fmt.Errorf("epoch %d is not %d", b.Epoch, a.Epoch)
	}
	return nil
}
