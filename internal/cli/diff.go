//go:build !host

package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
	"github.com/urfave/cli/v2"
)

// hostName is what stands for the running firewall in fwc diff.
const hostName = "host"

func diffCommand(s Streams) *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "what a reviewer must know between OLD and NEW",
		ArgsUsage: "OLD NEW",
		Description: "OLD and NEW are artifacts, raw dumps (iptables-save, ip6tables-save, arptables-save, ebtables-save,\n" +
			"ipset save, nft -j list ruleset), or host for the running firewall. A file called host is ./host.\n\n" +
			"Examples:\n" +
			"  fwc diff main.artifact branch.artifact\n" +
			"  fwc diff main.artifact branch.artifact --format markdown > comment.md\n" +
			"  fwc diff main.artifact branch.artifact --format html > review.html\n" +
			"  fwc diff main.artifact branch.artifact --prove\n" +
			"  sudo fwc diff host fw.artifact --exit-code\n\n" +
			"--prove sends each example packet through both firewalls in throwaway namespaces and puts what the\n" +
			"kernel did beside what is claimed. It needs no root, and this host's own iptables, ipset and nft.\n" +
			"A claim is about rules: the routers forward whatever the sysctls of the firewalls say.",
		Flags: []cli.Flag{
			formatFlag("text", "markdown", "json", "html"),
			&cli.BoolFlag{Name: "exit-code", Usage: "exit 1 when the firewalls differ"},
			&cli.BoolFlag{Name: "packets", Usage: "say what the change does to packets; the default for artifacts, also beside host"},
			&cli.BoolFlag{Name: "no-packets", Usage: "compare rules only"},
			&cli.BoolFlag{Name: "prove", Usage: "send each example packet through both firewalls; exit 1 where a kernel disagrees"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return usagef("diff wants OLD and NEW")
			}
			old, new, err := sides(c.Context, c.Args().Get(0), c.Args().Get(1))
			if err != nil {
				return err
			}
			report := ci.New(old, new)
			if c.Bool("packets") && c.Bool("no-packets") {
				return usagef("--packets and --no-packets exclude each other")
			}
			// A raw dump is one family of a host, and so half of what decides.
			whole := old.Digest != "" && (new.Digest != "" || c.Args().Get(1) == hostName) ||
				new.Digest != "" && c.Args().Get(0) == hostName
			if c.Bool("prove") && c.Bool("no-packets") {
				return usagef("--prove and --no-packets exclude each other")
			}
			if c.Bool("packets") || c.Bool("prove") || whole && !c.Bool("no-packets") {
				if err := report.ComparePackets(c.Context, old, new); err != nil {
					return err
				}
			}
			if report.Packets == nil && report.PacketsError == "" && !report.Equal && !c.Bool("no-packets") && c.String("format") != "json" {
				fmt.Fprintln(s.Err, "fwc: note: rules only; --packets says what becomes of packets, as far as these dumps decide it")
			}
			if c.Bool("prove") {
				if err := proveExamples(c.Context, report, old, new); err != nil {
					return err
				}
			}
			if c.String("format") == "html" {
				report.AddChart(old, new)
			}
			if err := render(s, report, c.String("format")); err != nil {
				return err
			}
			if c.Bool("prove") {
				if err := disagreement(report, old, new); err != nil {
					return err
				}
			}
			if c.Bool("exit-code") && report.Differs() {
				return &quietError{exitFailure}
			}
			return nil
		},
	}
}

func render(s Streams, r *ci.Report, format string) error {
	switch format {
	case "json":
		return r.JSON(s.Out)
	case "html":
		return r.HTML(s.Out, ci.HTMLOptions{})
	case "markdown":
		return r.Markdown(s.Out, ci.MarkdownOptions{})
	}
	return r.Text(s.Out, ci.TextOptions{Color: coloured(s.Out)})
}

// operand is one side of a comparison. A raw dump shows one kind only, so the
// other side is cut down to that kind.
type operand struct {
	ci.Side
	raw *ruleset.Dump
	art *artifact.Artifact
}

// sides reads both. The running host is read last: what is compared with it
// says which sysctls count.
func sides(ctx context.Context, oldName, newName string) (old, new ci.Side, err error) {
	names := [2]string{oldName, newName}
	var ops [2]operand
	for i, name := range names {
		if name != hostName {
			if ops[i], err = fileOperand(name); err != nil {
				return old, new, err
			}
		}
	}
	for i, name := range names {
		if name == hostName {
			if ops[i].Side, err = hostSide(ctx, ops[1-i].Side); err != nil {
				return old, new, err
			}
		}
	}
	if err := align(&ops[0], &ops[1]); err != nil {
		return old, new, err
	}
	return ops[0].Side, ops[1].Side, nil
}

func fileOperand(name string) (operand, error) {
	data, err := readFile(name)
	if err != nil {
		return operand{}, err
	}
	if looksLikeArtifact(data) || filepath.Ext(name) == ".artifact" {
		a, _, err := artifact.Inspect(data)
		if err != nil {
			return operand{}, fmt.Errorf("%s: %w", name, err)
		}
		side, err := artifactSide(name, a)
		return operand{Side: side, art: a}, err
	}
	d, err := dump.File(name, data)
	if err != nil {
		return operand{}, hintf(err, "a script is built first: fwc build SCRIPT -o FILE")
	}
	snap, err := dump.FileSnapshot(name, d)
	if err != nil {
		return operand{}, err
	}
	ownLines(snap, &d)
	return operand{Side: ci.Side{Name: name, Snapshot: snap}, raw: &d}, nil
}

// align makes the two comparable where one is a raw dump. A dump does not say
// for certain which backend it is from, so it takes the other side's.
func align(a, b *operand) error {
	switch {
	case a.raw == nil && b.raw == nil:
		return nil
	case a.raw == nil:
		return align(b, a)
	case b.raw != nil && a.raw.Kind != b.raw.Kind:
		return fmt.Errorf("%s is a dump of %s and %s one of %s", a.Name, a.raw.Kind, b.Name, b.raw.Kind)
	}
	var same []ruleset.Dump
	for _, d := range b.Snapshot.Dumps {
		if d.Kind == a.raw.Kind {
			same = append(same, d)
		}
	}
	var err error
	if len(same) == 1 && same[0].Backend != a.raw.Backend {
		a.raw.Backend = same[0].Backend
		if a.Snapshot, err = dump.FileSnapshot(a.Name, *a.raw); err != nil {
			return err
		}
	}
	if b.Snapshot, err = dump.Snapshot(same); err == nil && b.art != nil {
		err = b.art.Sources(0, b.Snapshot)
	}
	return err
}

// artifactSide takes the first build: the builds of one file are one script's.
func artifactSide(name string, a *artifact.Artifact) (ci.Side, error) {
	snap, err := snapshotOf(a, 0)
	if err != nil {
		return ci.Side{}, fmt.Errorf("%s: %w", name, err)
	}
	m := a.Manifest
	side := ci.Side{
		Name: name, Digest: a.Digest, Epoch: m.Epoch, Serial: m.Serial, Labels: m.Labels,
		ScriptName: m.Script.Name, ScriptSHA256: m.Script.SHA256, Modules: m.Modules, Snapshot: snap,
	}
	if !m.NotAfter.IsZero() {
		side.NotAfter = m.NotAfter.Format(time.RFC3339)
	}
	for _, b := range m.Builds {
		build := ci.Build{Toolchain: b.Toolchain, AcceptKernel: b.Accept.Kernel, AcceptIPTables: b.Accept.IPTables}
		for _, w := range b.Wanted {
			build.Wanted = append(build.Wanted, ruleset.Sysctl(w))
		}
		side.Builds = append(side.Builds, build)
	}
	for _, u := range a.Unverified() {
		side.Signers = append(side.Signers, u.Hint)
	}
	return side, nil
}

func hostSide(ctx context.Context, other ci.Side) (ci.Side, error) {
	var scope netfilter.Scope
	if other.Snapshot != nil {
		for _, ctl := range other.Snapshot.Sysctls {
			scope.Sysctls = append(scope.Sysctls, ctl.Key)
		}
	}
	snap, err := netfilter.Capture(ctx, scope)
	if err != nil {
		return ci.Side{}, fmt.Errorf("host: %w", err)
	}
	return ci.Side{Name: hostName, Snapshot: snap}, nil
}

// printChanges writes what a build changed.
func printChanges(ctx context.Context, s Streams, oldName string, old *artifact.Artifact, newName string, new *artifact.Artifact) error {
	a, err := artifactSide(oldName, old)
	if err != nil {
		return err
	}
	b, err := artifactSide(newName, new)
	if err != nil {
		return err
	}
	report := ci.New(a, b)
	if err := report.ComparePackets(ctx, a, b); err != nil {
		return err
	}
	return render(s, report, "text")
}
