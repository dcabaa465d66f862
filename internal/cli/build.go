//go:build !host

package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/compiler"
	"github.com/fwc-dev/fwc/internal/atomicfile"
	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/verify"
	"github.com/urfave/cli/v2"
)

func buildCommand(s Streams) *cli.Command {
	return &cli.Command{
		Name:      "build",
		Usage:     "run SCRIPT in staging and write the signed artifact of what it made",
		ArgsUsage: "SCRIPT [ARG…]",
		Description: "Arguments that start with a dash go to the script after --:\n" +
			"  fwc build -o fw.artifact --key ci.key script.sh -- --verbose\n\n" +
			"Two builds of one script have the same bytes when SOURCE_DATE_EPOCH is set; their dumps always have.\n\n" +
			"Examples:\n" +
			"  fwc build script.sh -o fw.artifact --key ci.key\n" +
			"  fwc build script.sh start -o fw.artifact --key ci.key --label role=router --against main.artifact\n" +
			"  fwc build script.sh -o fw.artifact --unsigned --keep-going\n" +
			"  fwc build script.sh -o web1.artifact --key ci.key --facts web1.json\n" +
			"  fwc build script.sh -o fw.artifact --key ci.key --iface eth0=192.0.2.10/24,2001:db8::10/64 --hosts names",
		Flags: append(stageFlags(),
			&cli.StringFlag{Name: "o", Usage: "write the artifact to `FILE`", Required: true},
			keyFlag(false),
			&cli.BoolFlag{Name: "unsigned", Usage: "write an unsigned artifact on purpose"},
			&cli.StringFlag{Name: "against", Usage: "print what changed against the artifact `OLD` (default: the FILE about to be replaced)"},
			&cli.StringSliceFlag{Name: "label", Usage: "`K=V`: only for hosts with this label (repeatable)"},
			&cli.StringFlag{Name: "serial", Usage: "serial `N` (default: seconds of SOURCE_DATE_EPOCH or now)"},
			&cli.StringFlag{Name: "not-after", Usage: "no apply after this `TIME` (RFC 3339) or duration from now"},
			&cli.StringFlag{Name: "accept-kernel", Usage: "also run on kernels that meet this `CONSTRAINT`, such as '>= 6.1, < 6.2' (signed)"},
			&cli.StringFlag{Name: "accept-iptables", Usage: "also run with iptables versions that meet this `CONSTRAINT` (signed)"},
			&cli.StringSliceFlag{Name: "env", Usage: "`K=V` in the script's environment (repeatable)"},
			&cli.DurationFlag{Name: "timeout", Value: compiler.DefaultTimeout, Usage: "time limit of the script"},
			&cli.BoolFlag{Name: "exact", Usage: "run every firewall call for real: slower, with the same result"},
			&cli.BoolFlag{Name: "keep-going", Usage: "a failing firewall call is a warning"},
			&cli.BoolFlag{Name: "privileged", Usage: "as root: stage without a user namespace"},
		),
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return usagef("build wants a SCRIPT")
			}
			return build(c, s)
		},
	}
}

func build(c *cli.Context, s Streams) error {
	m, err := manifestOf(c, time.Now())
	if err != nil {
		return err
	}
	out, script := c.String("o"), c.Args().First()
	if err := replaceable(out); err != nil {
		return err
	}
	if err := checkConstraints(c); err != nil {
		return err
	}
	for _, kv := range c.StringSlice("env") {
		if !strings.Contains(kv, "=") {
			return usagef("--env wants K=V, not %q", kv)
		}
	}
	signers, done, err := buildSigners(c, s)
	if err != nil {
		return err
	}
	defer done()
	oldName, old, err := against(c, s, out)
	if err != nil {
		return err
	}
	if c.IsSet("against") {
		// The file about to be replaced is not signed into the new one: the
		// same build to the same name would never give the same bytes.
		m.Against = old.Digest
	}

	opt := compiler.Options{
		Script: script, Args: c.Args().Tail(), Timeout: c.Duration("timeout"), Env: c.StringSlice("env"),
		KeepGoing: c.Bool("keep-going"), Exact: c.Bool("exact"), Privileged: c.Bool("privileged"),
		Stdout: s.Err, Stderr: s.Err,
	}
	host, err := stageOptions(c, &opt)
	if err != nil {
		return err
	}
	res, err := compiler.Build(c.Context, opt)
	if res != nil {
		remarks(s, res, err) // a failed build too has a list of calls
	}
	if err != nil {
		return err
	}

	m.Script = artifact.Script{Name: filepath.Base(script), SHA256: res.ScriptSHA256}
	m.Modules = res.Modules
	compareToolchains(s, host, res.Toolchain)
	b, members := artifact.NewBuild(0, res.Toolchain, artifact.Accept{
		Kernel: c.String("accept-kernel"), IPTables: c.String("accept-iptables"),
	}, res.Snapshot.Dumps)
	b.Wanted = wanted(res.Wanted)
	m.Builds = []artifact.Build{b}
	members = append(members, artifact.Member{Name: artifact.ScriptMember, Data: res.Script})
	lines, err := artifact.Provenance(res.Snapshot)
	if err != nil {
		return err
	}
	if lines != nil {
		members = append(members, artifact.Member{Name: artifact.ProvenanceMember, Data: lines})
	}
	data, err := artifact.Encode(m, members, signers...)
	if err != nil {
		return err
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if err := atomicfile.Write(out, data, 0o644); err != nil {
		return err
	}
	built, _, err := artifact.Inspect(data)
	if err != nil {
		return err
	}
	if old != nil {
		if err := printChanges(c.Context, s, oldName, old, out, built); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.Err, "wrote %s: %s, script ran %s (%s)\n", out, contents(res.Snapshot), res.Elapsed.Round(10*time.Millisecond), mode(res))
	return nil
}

// mode says how the script's firewall calls were run.
func mode(res *compiler.Result) string {
	if res.Exact {
		return "every call for real"
	}
	return "calls recorded"
}

// remarks prints what the build has to say beside its error, warnings last,
// where they are seen.
func remarks(s Streams, res *compiler.Result, err error) {
	var told *compiler.CallError
	if !errors.As(err, &told) {
		told = nil
	}
	if res.ExactReason != "" && err == nil {
		fmt.Fprintf(s.Err, "fwc: note: every call was run for real: %s\n", termsafe.String(res.ExactReason))
	}
	for _, n := range res.Notes {
		fmt.Fprintf(s.Err, "fwc: note: %s\n", termsafe.String(n.String()))
	}
	for _, f := range res.Failures {
		if err == nil {
			break // they are among the warnings
		}
		if told != nil && f.Error() == told.Error() {
			continue
		}
		fmt.Fprintf(s.Err, "fwc: warning: %s\n", termsafe.String(f.Error()))
	}
	for _, w := range res.Warnings {
		fmt.Fprintf(s.Err, "fwc: warning: %s\n", termsafe.String(w.String()))
	}
}

// replaceable is writable for a build's output, which takes no other file's
// place than a former artifact's: not the script's, after a slip of the hand.
func replaceable(path string) error {
	if err := writable(path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return bare(err)
	}
	defer f.Close()
	head := make([]byte, 512)
	n, _ := io.ReadFull(f, head) // a shorter file is no artifact either
	if n > 0 && !looksLikeArtifact(head[:n]) {
		return hintf(usagef("%s exists and is no artifact", path), "-o FILE is what build writes; give another name, or remove it first")
	}
	return nil
}

func checkConstraints(c *cli.Context) error {
	for _, name := range []string{"accept-kernel", "accept-iptables"} {
		if err := verify.CheckConstraint(c.String(name)); err != nil {
			return fmt.Errorf("--%s: %w", name, err)
		}
	}
	return nil
}

// writable finds out before the script runs whether the artifact can be
// written: an existing file must be a regular one, since it will be replaced.
func writable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		info, err = os.Stat(filepath.Dir(path))
		if err != nil {
			return bare(err)
		}
		if !info.IsDir() {
			return fmt.Errorf("%s: not a directory", filepath.Dir(path))
		}
		return nil
	case err != nil:
		return bare(err)
	case info.IsDir():
		return usagef("%s is a directory: -o wants a file", path)
	case !info.Mode().IsRegular():
		return usagef("%s is not a regular file: -o replaces a file, it does not write through one", path)
	}
	return nil
}

// against returns the artifact to compare with: --against, which must be
// readable, or the file about to be replaced, if it is an artifact.
func against(c *cli.Context, s Streams, out string) (string, *artifact.Artifact, error) {
	if old := c.String("against"); old != "" {
		a, err := inspect(old)
		return old, a, err
	}
	a, err := inspect(out)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(s.Err, "fwc: note: not compared with the file it replaces: %s\n", oneLine(err.Error()))
		}
		return "", nil, nil
	}
	return out, a, nil
}
