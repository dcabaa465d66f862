//go:build !host

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/internal/atomicfile"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

func testCommand(s Streams) *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "send real packets through FILE in a virtual network",
		ArgsUsage: "FILE SPEC…",
		Description: "FILE is an artifact, a raw dump (iptables-save, ip6tables-save, nft -j list ruleset), or host for the\n" +
			"running firewall, which only root can read. It is loaded with this host's own tools into a router in a\n" +
			"network namespace, between the virtual hosts of each SPEC, a YAML file or a directory of them. No root\n" +
			"is needed for that. docs/lab.md is a tutorial.\n\n" +
			"    networks:\n" +
			"      lan: {router: 172.16.100.1/24 as veth1, boxA: 172.16.100.5}\n" +
			"      wan: {router: 172.16.200.1/24 as eth0, boxB: 172.16.200.5}\n" +
			"    tests:\n" +
			"      - boxB ping boxA: dropped\n" +
			"      - boxB tcp router:22: rejected with tcp-reset\n" +
			"      - boxA http boxB: accepted source 172.16.200.1\n\n" +
			"The exit code is 1 if a test fails, and 2 for a SPEC that cannot be read.\n\n" +
			"Examples:\n" +
			"  fwc test fw.artifact lab.yaml\n" +
			"  fwc test fw.artifact tests/ --junit report.xml\n" +
			"  iptables-save > rules && fwc test rules lab.yaml --format tap\n" +
			"  fwc test fw.artifact lab.yaml --keep\n" +
			"  sudo fwc test host lab.yaml\n" +
			"  fwc test --schema > spec.schema.json",
		Flags: []cli.Flag{
			formatFlag("text", "json", "tap"),
			&cli.StringFlag{Name: "junit", Usage: "also write a JUnit report to `FILE`"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "list the tests that pass, too"},
			&cli.BoolFlag{Name: "coverage", Usage: "say which rules the tests' packets met, and which none did"},
			&cli.StringFlag{Name: "coverage-out", Usage: "write a coverage profile to `FILE`, for fwc show --coverage"},
			&cli.BoolFlag{Name: "keep", Usage: "leave the networks behind, and say how to look at and remove them"},
			&cli.BoolFlag{Name: "privileged", Usage: "as root: without a user namespace"},
			&cli.BoolFlag{Name: "schema", Usage: "print the JSON Schema of a SPEC, for editors"},
		},
		Action: func(c *cli.Context) error {
			if c.Bool("schema") {
				if c.NArg() != 0 {
					return usagef("test --schema takes no argument")
				}
				_, err := s.Out.Write(lab.SpecSchema())
				return err
			}
			if c.NArg() < 2 {
				return usagef("test wants FILE and at least one SPEC")
			}
			return runTests(c, s)
		},
	}
}

func runTests(c *cli.Context, s Streams) error {
	specs, err := readSpecs(c.Args().Slice()[1:])
	if err != nil {
		return err
	}
	var op operand
	if name := c.Args().First(); name == hostName {
		op.Side, err = hostSide(c.Context, ci.Side{})
	} else {
		op, err = fileOperand(name)
	}
	if err != nil {
		return err
	}
	if op.raw != nil {
		numberRules(op.Snapshot, c.Args().First())
	}
	total := 0
	for _, spec := range specs {
		total += len(spec.Tests)
	}
	line := newProgress(s.Err, total)
	rep, err := lab.Run(c.Context, lab.RunOptions{Snapshot: op.Snapshot, Specs: specs, Privileged: c.Bool("privileged"),
		Keep: c.Bool("keep"), Coverage: c.Bool("coverage") || c.String("coverage-out") != "", Progress: line.step})
	line.done()
	var stage *lab.StageError
	var errno unix.Errno
	switch {
	case errors.Is(err, unix.EMFILE):
		return hintf(err, "each host and each port that tests go to takes open files: ulimit -n allows more")
	case errors.As(err, &stage) && errors.Is(err, unix.ENOSPC):
		return hintf(err, "each host is a network namespace, of which /proc/sys/user/max_net_namespaces says how many there may be")
	case errors.As(err, &errno):
		return err
	case errors.As(err, &stage) && !errors.Is(err, netns.ErrNotPermitted):
		return hintf(err, "FILE is loaded with this host's own tools, which may be others than it was made with: fwc show FILE names those")
	}
	if err != nil {
		return err
	}
	if err := reportTests(c, s, rep); err != nil {
		return err
	}
	for _, k := range rep.Kept {
		if err := k.Text(s.Err); err != nil {
			return err
		}
	}
	if rep.Failed > 0 {
		warnAbsent(s, op.Snapshot, specs, rep)
		return &quietError{exitFailure}
	}
	return nil
}

// warnAbsent says of specs with tests that failed which interfaces the rules name
// and the spec's router does not have: a network without "as NAME" is eth0, and a
// rule with another name is met by nothing.
func warnAbsent(s Streams, snap *ruleset.Snapshot, specs []*lab.Spec, rep *lab.Report) {
	for _, spec := range specs {
		failed := slices.ContainsFunc(rep.Results, func(r lab.Result) bool { return r.Spec == spec.File && !r.OK })
		absent := lab.AbsentInterfaces(snap, spec)
		if !failed || len(absent) == 0 {
			continue
		}
		var have []string
		for _, m := range spec.Interfaces(lab.RouterName) {
			have = append(have, m.Interface)
		}
		fmt.Fprintf(s.Err, "fwc: warning: rules name %s, and the router of %s has %s: \"router: ADDRESS as NAME\" names its interfaces\n",
			termsafe.String(strings.Join(absent, ", ")), termsafe.String(spec.File), termsafe.String(strings.Join(have, ", ")))
	}
}

func reportTests(c *cli.Context, s Streams, rep *lab.Report) error {
	if path := c.String("junit"); path != "" {
		var b strings.Builder
		if err := rep.JUnit(&b); err != nil {
			return err
		}
		if err := atomicfile.Write(path, []byte(b.String()), 0o644); err != nil {
			return bare(err)
		}
	}
	if path := c.String("coverage-out"); path != "" {
		var b strings.Builder
		if err := rep.Coverage.WriteJSON(&b); err != nil {
			return err
		}
		if err := atomicfile.Write(path, []byte(b.String()), 0o644); err != nil {
			return bare(err)
		}
	}
	if !c.Bool("coverage") {
		rep.Coverage = nil
	}
	switch c.String("format") {
	case "json":
		return rep.JSON(s.Out)
	case "tap":
		return rep.TAP(s.Out)
	}
	err := rep.Text(s.Out, lab.ReportOptions{Color: coloured(s.Out), Verbose: c.Bool("verbose")})
	if err == nil && rep.Coverage != nil {
		err = rep.Coverage.Text(s.Out)
	}
	return err
}

// readSpecs reads files, and of directories all that YAML is in.
func readSpecs(names []string) ([]*lab.Spec, error) {
	var files []string
	for _, name := range names {
		fi, err := os.Stat(name)
		if err != nil {
			return nil, bare(err)
		}
		if !fi.IsDir() {
			files = append(files, name)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)) {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, bare(err)
		}
		if len(files) == before {
			return nil, usagef("%s: there is no .yaml file in the directory", name)
		}
	}
	var specs []*lab.Spec
	var wrong []error
	for _, name := range files {
		text, err := readUpTo(name, 4<<20)
		if err != nil {
			return nil, err
		}
		spec, err := lab.ParseSpec(name, text)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		specs = append(specs, spec)
	}
	if len(wrong) > 0 {
		return nil, hintf(&usage{oneLine(errors.Join(wrong...).Error())}, "docs/lab.md says what a spec is made of; fwc test --schema prints its JSON Schema")
	}
	return specs, nil
}
