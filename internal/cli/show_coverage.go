//go:build !host

package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/command"
	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/urfave/cli/v2"
)

// showFormats are what fwc show prints in; html is a coverage's.
var showFormats = []string{"text", "json", "html"}

// showExamples are those of what this build has beside.
const showExamples = "\n" +
	"  fwc test fw.artifact tests.yaml --coverage-out fw.cover\n" +
	"  fwc show fw.artifact --coverage fw.cover\n" +
	"  fwc show fw.artifact --coverage fw.cover --format html > coverage.html"

func showFlags() []command.Flag {
	return []command.Flag{
		&cli.StringSliceFlag{Name: "coverage", Usage: "print each rule with the packets that met it, of the `PROFILE` that fwc test --coverage-out wrote (repeatable: added up)"},
	}
}

// showCoverage prints the coverage that the flags ask for; done is false if they
// do not.
func showCoverage(c *command.Context, s Streams, a *artifact.Artifact) (done bool, err error) {
	name, format := c.Args().First(), c.String("format")
	profiles := c.StringSlice("coverage")
	if len(profiles) == 0 {
		if format == "html" {
			return true, usagef("--format html is of --coverage PROFILE")
		}
		return false, nil
	}
	if c.Bool("lines") || c.IsSet("dump") {
		return true, usagef("--coverage, --lines and --dump exclude each other")
	}
	snap, err := snapshotOf(a, 0)
	if err != nil {
		return true, fmt.Errorf("%s: %w", name, err)
	}
	cov, err := readProfiles(profiles, snap)
	if err != nil {
		return true, err
	}
	switch format {
	case "html":
		src := lab.CoverageSource{Title: name, Script: a.Manifest.Script.Name}
		if text, ok := a.Member(artifact.ScriptMember); ok {
			src.Text = text
		}
		return true, cov.HTML(s.Out, src)
	case "json":
		v, err := show(a)
		if err != nil {
			return true, fmt.Errorf("%s: %w", name, err)
		}
		v.Coverage = cov
		return true, writeJSON(s.Out, v)
	}
	return true, cov.Lines(s.Out)
}

// readProfiles reads coverage profiles of one firewall and adds them up.
func readProfiles(paths []string, snap *ruleset.Snapshot) (*lab.Coverage, error) {
	sum := lab.NewCoverage(snap)
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, bare(err)
		}
		c, err := lab.ReadCoverage(io.Reader(f), snap)
		f.Close()
		if err == nil {
			err = sum.Add(c)
		}
		if err != nil {
			return nil, hintf(fmt.Errorf("%s: %w", path, err), "fwc test FILE SPEC --coverage-out PROFILE writes one, of FILE as it is now")
		}
	}
	return sum, nil
}
