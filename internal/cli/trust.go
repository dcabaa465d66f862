package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/apply"
	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/command"
	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/verify"
)

// stateFlag names the directory of journal and history.
func stateFlag() command.Flag {
	return &command.StringFlag{Name: "state", Value: verify.DefaultState, Usage: "journal and history in `DIR`"}
}

// policyFlag names what this host asks for.
func policyFlag() command.Flag {
	return &command.StringFlag{Name: "policy", Value: verify.DefaultPolicyFile, Usage: "threshold, labels and keep of this host in `FILE`"}
}

// keepOf returns the patterns of the policy and of the command line. Who only
// looks, or goes back, is not kept from it by a policy that cannot be read: that
// is said, and the policy left aside.
func keepOf(c *command.Context, s Streams) apply.Keep {
	var keep apply.Keep
	policy, err := policyOf(c)
	if err != nil {
		fmt.Fprintf(s.Err, "fwc: warning: %s; what it says of keep does not count\n", oneLine(err.Error()))
	}
	keep = append(keep, policy.Keep...)
	return append(keep, keepFlags(c)...)
}

// keepFlags returns the patterns of the command line, which may stand between
// commas as they do in the policy.
func keepFlags(c *command.Context) (keep apply.Keep) {
	for _, v := range c.StringSlice("keep") {
		for pattern := range strings.SplitSeq(v, ",") {
			if pattern = strings.TrimSpace(pattern); pattern != "" {
				keep = append(keep, pattern)
			}
		}
	}
	return keep
}

// trustFlags say whom and what this host accepts.
func trustFlags() []command.Flag {
	return []command.Flag{
		&command.StringFlag{Name: "trust", Value: verify.DefaultTrust, Usage: "public keys: a `FILE|DIR`"},
		policyFlag(),
		&command.BoolFlag{Name: "insecure-unsigned", Usage: "accept an artifact whoever signed it, or nobody did"},
		stateFlag(),
	}
}

// acceptFlags widen what a host takes, on purpose.
func acceptFlags() []command.Flag {
	return []command.Flag{
		&command.StringFlag{Name: "accept-kernel", Usage: "take a kernel that meets this `CONSTRAINT`, such as '>= 6.1, < 6.2'"},
		&command.StringFlag{Name: "accept-iptables", Usage: "take an iptables version that meets this `CONSTRAINT`"},
		&command.BoolFlag{Name: "allow-older", Usage: "take an artifact that is older than the one applied; recorded"},
	}
}

// check reads FILE and verifies signature, integrity and policy.
func check(c *command.Context, path string) (*verify.Checked, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if !looksLikeArtifact(data) {
		return nil, fmt.Errorf("%s: %w", path, errNoArtifact)
	}
	policy, err := policyOf(c)
	if err != nil {
		return nil, err
	}
	checked, err := checkData(c, data, policy)
	var host *verify.HostError
	if errors.As(err, &host) && len(host.Builds) == 0 {
		err = hintf(err, "the labels of this host are in %s, lines label.KEY = VALUE; fwc show names the artifact's", c.String("policy"))
	}
	var e *verify.Error
	if err != nil && (!errors.As(err, &e) || e.Kind != verify.ErrTrustRoot) {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return checked, err
}

// checkData verifies signature and integrity of an artifact, and holds it to a
// policy.
func checkData(c *command.Context, data []byte, policy verify.Policy) (checked *verify.Checked, err error) {
	trust := verify.Trust{InsecureUnsigned: c.Bool("insecure-unsigned")}
	if !trust.InsecureUnsigned {
		if trust, err = verify.LoadTrust(c.String("trust")); err != nil {
			return nil, err
		}
	}
	state := verify.OpenState(c.String("state"))
	if !policy.Boot {
		state.Missed(managed(c, policy))
	}
	return verify.Check(data, trust, policy, time.Now(), state)
}

// managed says what shows that this host has a firewall of fwc's, apart from the
// state directory; "" if nothing does.
func managed(c *command.Context, policy verify.Policy) string {
	if why := apply.Trace(c.String("state")); why != "" {
		return why
	}
	if policy.OnBoot != "" {
		return fmt.Sprintf("%s says boot = %s, as of a host that has a firewall", c.String("policy"), policy.OnBoot)
	}
	return ""
}

// lost says that the state directory is gone and what shows that there was one;
// "" if nothing does, or it is there.
func lost(c *command.Context) string {
	policy, err := policyOf(c)
	if err != nil {
		policy = verify.Policy{} // whoever asks has said so
	}
	why := managed(c, policy)
	if why == "" || !apply.Gone(c.String("state")) {
		return ""
	}
	return fmt.Sprintf("%s holds nothing, but %s", c.String("state"), why)
}

func policyOf(c *command.Context) (verify.Policy, error) {
	path := c.String("policy")
	if _, err := os.Stat(path); c.IsSet("policy") && errors.Is(err, fs.ErrNotExist) {
		// The default one may be missing. One that was named may hold a
		// threshold, and a slip of the hand must not lower it.
		return verify.Policy{}, &verify.Error{Kind: verify.ErrPolicy, Msg: path + " does not exist", Hint: "look at the name that --policy gives"}
	}
	policy, err := verify.LoadPolicy(path)
	if err != nil {
		return verify.Policy{}, err
	}
	policy.AllowOlder = c.Bool("allow-older")
	policy.Accept = artifact.Accept{Kernel: c.String("accept-kernel"), IPTables: c.String("accept-iptables")}
	return policy, nil
}

// accept reads FILE and holds it to this host too.
func accept(ctx context.Context, c *command.Context, path string) (*verify.Accepted, error) {
	checked, err := check(c, path)
	if err != nil {
		return nil, err
	}
	toolchain, err := netfilter.Probe(ctx)
	if err != nil {
		return nil, err
	}
	accepted, err := checked.Match(toolchain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return accepted, nil
}
