package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/apply"
	"github.com/fwc-dev/fwc/internal/command"
	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/verify"
)

func runBoot(c *command.Context, s Streams) error {
	if c.Args().Present() {
		return usagef("apply --boot takes no FILE: %q", c.Args().First())
	}
	for _, f := range []string{"confirm", "check", "dry-run", "allow-older"} {
		if c.IsSet(f) {
			return usagef("--boot and --%s do not go together", f)
		}
	}
	// A policy that cannot be read must not keep the host from being locked
	// down: then the default says what comes in.
	policy, bad := policyOf(c)
	if bad != nil {
		policy = verify.DefaultPolicy()
	}
	policy.Boot = true
	r, err := apply.Boot(c.Context, apply.BootOptions{
		Options:    apply.Options{State: c.String("state"), Keep: append(slices.Clone(policy.Keep), keepFlags(c)...), Waiting: waiting(s)},
		Management: policy.Management,
		Strict:     policy.OnBoot != "" || bad != nil,
		Accept: func(ctx context.Context, data []byte) (*verify.Accepted, error) {
			if bad != nil {
				return nil, bad
			}
			checked, err := checkData(c, data, policy)
			if err != nil {
				return nil, err
			}
			toolchain, err := netfilter.Probe(ctx)
			if err != nil {
				return nil, err
			}
			return checked.Boot(toolchain)
		},
	})
	var locked *apply.LockdownError
	switch {
	case errors.As(err, &locked):
		return explainLockdown(c, locked, policy.Management)
	case err != nil:
		return explain(c, s, err)
	case r == nil:
		fmt.Fprintln(s.Err, "fwc: warning: nothing was ever confirmed on this host: its firewall stays as it is")
		return nil
	}
	if err := printApplied(c, s, r); err != nil {
		return err
	}
	return nil
}

// explainLockdown gives the error its hint: what comes in, and how to end it.
func explainLockdown(c *command.Context, e *apply.LockdownError, m verify.Management) error {
	if e.By == "" {
		return hintf(e, "close it by hand; fwc status, fwc apply --boot")
	}
	var ports []string
	for _, p := range m.List() {
		ports = append(ports, p.String())
	}
	return hintf(e, "%s and ICMP come in; fwc apply FILE, built for this host, ends it; fwc status%s says what is missing", strings.Join(ports, ", "), stateArg(c))
}

// bootLines say in fwc status how the last boot went, where that is not as it
// should be.
func bootLines(s Streams, st *apply.Status) {
	if st.LockedDown {
		why := "nobody knows why"
		if n := st.Boot; n != nil && n.Why != "" {
			why = fmt.Sprintf("since the boot at %s: %s", n.At.Format(time.RFC3339), n.Why)
		}
		fmt.Fprintf(s.Out, "LOCKED DOWN, only management comes in: %s\n", oneLine(why))
	}
	n := st.Boot
	switch {
	case n == nil || st.LockedDown:
	case n.Result == apply.BootCompatible:
		fmt.Fprintf(s.Out, "NOT BUILT FOR THIS HOST: %s; a trial load at boot proved generation %d, build it anew\n", oneLine(n.Why), n.Generation)
	case n.Result == apply.BootLockedDown && n.By == "":
		fmt.Fprintf(s.Out, "THE BOOT AT %s FAILED, and the host could not be locked down: %s\n", n.At.Format(time.RFC3339), oneLine(n.Why))
	case n.Result == apply.BootLockedDown:
		fmt.Fprintf(s.Out, "locked down at %s, and not any more: %s\n", n.At.Format(time.RFC3339), termsafe.String(n.Why))
	}
}
