package cli

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/apply"
	"github.com/fwc-dev/fwc/internal/command"
	"github.com/fwc-dev/fwc/verify"
)

// verified is the JSON of fwc verify, schema fwc.verify/v1.
type verified struct {
	Schema  string   `json:"schema"`
	Digest  string   `json:"digest"`
	Serial  uint64   `json:"serial"`
	Signers []string `json:"signers"`
	// Host is absent without --host.
	Host *verifiedHost `json:"host,omitempty"`
}

type verifiedHost struct {
	Build int  `json:"build"`
	Exact bool `json:"exact"`
	Trial bool `json:"trial"`
}

func verifyCommand(s Streams) *command.Command {
	return &command.Command{
		Name:      "verify",
		Usage:     "check signature, integrity and policy; --host: also this host's versions and a trial load",
		ArgsUsage: "FILE",
		Description: "Examples:\n" +
			"  fwc verify fw.artifact --trust ci.pub\n" +
			"  fwc verify fw.artifact --host",
		Flags: append(append(trustFlags(), acceptFlags()...),
			&command.BoolFlag{Name: "host", Usage: "also check this host's versions and load it into a throwaway namespace"},
			formatFlag("text", "json"),
		),
		Action: func(c *command.Context) error {
			if c.NArg() != 1 {
				return usagef("verify wants one FILE")
			}
			return runVerify(c, s, c.Args().First())
		},
	}
}

func runVerify(c *command.Context, s Streams, path string) error {
	var checked *verify.Checked
	var host *verifiedHost
	if c.Bool("host") {
		accepted, err := accept(c.Context, c, path)
		if err != nil {
			return err
		}
		if _, err := apply.Trial(c.Context, accepted.Snapshot()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		checked = accepted.Checked()
		host = &verifiedHost{Build: accepted.BuildIndex(), Exact: accepted.Exact(), Trial: true}
	} else {
		var err error
		if checked, err = check(c, path); err != nil {
			return err
		}
		if err := checkLabels(c, checked); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	a := checked.Artifact()
	v := verified{Schema: "fwc.verify/v1", Digest: a.Digest, Serial: a.Manifest.Serial, Signers: append([]string{}, checked.Signers()...), Host: host}
	if c.String("format") == "json" {
		return writeJSON(s.Out, v)
	}
	by := "unsigned, accepted on purpose"
	if len(v.Signers) > 0 {
		by = "signed by " + strings.Join(v.Signers, ", ")
	}
	fmt.Fprintf(s.Out, "%s: intact, %s, serial %d, digest %s\n", path, by, v.Serial, v.Digest)
	if host != nil {
		how := "exactly"
		if !host.Exact {
			how = "by a constraint"
		}
		fmt.Fprintf(s.Out, "%s: this host matches %s and loads it\n", path, how)
	}
	return nil
}

// checkLabels holds an artifact to the policy's labels, if it speaks of any:
// without a policy this may be no host at all, but a pipeline.
func checkLabels(c *command.Context, checked *verify.Checked) error {
	policy, err := policyOf(c)
	if err != nil {
		return err
	}
	if len(policy.Labels)+len(policy.RequireLabels) == 0 {
		return nil
	}
	return checked.Labels()
}
