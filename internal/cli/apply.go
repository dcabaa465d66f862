package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/fwc-dev/fwc/apply"
	"github.com/fwc-dev/fwc/internal/command"
	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/verify"
)

// applied is the JSON of fwc apply, plan and rollback, schema fwc.apply/v1.
type applied struct {
	Schema       string          `json:"schema"`
	Digest       string          `json:"digest"`
	Generation   int             `json:"generation"`
	Result       string          `json:"result"`
	Transactions int             `json:"transactions"`
	Changes      []change        `json:"changes"`
	Fallback     string          `json:"fallback"`
	CommitMillis int64           `json:"commitMillis"`
	ForeignKept  []apply.Foreign `json:"foreignKept"`
	ForeignLost  []apply.Foreign `json:"foreignLost"`
	// ForeignRegained is what of others a rollback brought back.
	ForeignRegained []apply.Foreign `json:"foreignRegained"`
	Notes           []string        `json:"notes"`
	// ConfirmBy is when it is undone unless fwc confirm came; absent where it
	// stays.
	ConfirmBy *time.Time `json:"confirmBy,omitempty"`
	// Check is "passed", or "skipped" where nothing changed; absent without
	// --check.
	Check string `json:"check,omitempty"`
}

// foreignFlags say what becomes of what others put into the firewall.
func foreignFlags() []command.Flag {
	return []command.Flag{
		&command.StringSliceFlag{Name: "keep", Usage: "chains, with the rules in them that are not fwc's, sets and native tables whose name matches the glob `PATTERN` belong to others and stay, as those of known managers (Docker, Kubernetes, fail2ban, …) do without; '!Docker' takes that back (repeatable; also lines keep = PATTERN of the policy)"},
		&command.BoolFlag{Name: "replace", Usage: "take over everything else that fwc did not put there"},
	}
}

func applyCommand(s Streams) *command.Command {
	flags := append(append(trustFlags(), acceptFlags()...), foreignFlags()...)
	return &command.Command{
		Name:      "apply",
		Usage:     "check FILE, take its firewall over, read it back; keep it or undo it",
		ArgsUsage: "FILE | --boot",
		Description: "With --confirm the new firewall, once it is in effect and --check has passed, is\n" +
			"there to be tried: apply ends at once, and unless fwc confirm follows in time\n" +
			"the former firewall comes back by itself, whatever became of this terminal.\n" +
			"There is no question to answer, as iptables-apply asks: open a new connection\n" +
			"to the host, which shows that one can, and type fwc confirm there.\n\n" +
			"With --boot, as fwc.service runs it, the last confirmed firewall comes back from\n" +
			"the state directory. On a host that it no longer matches, a trial load must prove\n" +
			"it, or the policy says boot = lockdown. If it cannot come back for any reason the\n" +
			"host is locked down: only answers, ICMP and management-ports of the policy come in.\n\n" +
			"Examples:\n" +
			"  fwc apply fw.artifact\n" +
			"  fwc apply fw.artifact --confirm 60s\n" +
			"  fwc apply fw.artifact --check 'curl -sf http://localhost/health' --check-timeout 20s\n" +
			"  fwc apply fw.artifact --keep 'MINE-*'",
		Flags: append(flags,
			&command.StringFlag{Name: "check", Usage: "shell `CMD` that must exit 0 after the commit, or it is undone; not run where nothing changes"},
			&command.DurationFlag{Name: "check-timeout", Value: apply.DefaultCheckTimeout, Usage: "time limit of --check"},
			&command.DurationFlag{Name: "confirm", Usage: "go back after that time unless fwc confirm came"},
			&command.BoolFlag{Name: "boot", Usage: "no FILE: bring the last confirmed firewall back, or lock the host down"},
			&command.BoolFlag{Name: "dry-run", Usage: "plan and try, change nothing"},
			formatFlag("text", "json"),
		),
		Action: func(c *command.Context) error {
			if c.Bool("boot") {
				return runBoot(c, s)
			}
			return runApply(c, s, c.Bool("dry-run"))
		},
	}
}

func planCommand(s Streams) *command.Command {
	flags := append(append(trustFlags(), acceptFlags()...), foreignFlags()...)
	return &command.Command{
		Name:        "plan",
		Usage:       "what apply would change here; changes nothing",
		ArgsUsage:   "FILE",
		Description: "Example:\n  sudo fwc plan fw.artifact",
		Flags:       append(flags, formatFlag("text", "json")),
		Action:      func(c *command.Context) error { return runApply(c, s, true) },
	}
}

func runApply(c *command.Context, s Streams, dry bool) error {
	if c.NArg() != 1 {
		return usagef("%s wants one FILE", c.Command.Name)
	}
	if c.IsSet("confirm") && c.Duration("confirm") < time.Second {
		return usagef("--confirm wants a second or more, such as 60s")
	}
	hurry()
	accepted, err := accept(c.Context, c, c.Args().First())
	if err != nil {
		return err
	}
	r, err := apply.Apply(c.Context, accepted, apply.Options{
		State: c.String("state"), Keep: keepOf(c, s), Replace: c.Bool("replace"), DryRun: dry,
		Check: c.String("check"), CheckTimeout: c.Duration("check-timeout"),
		Confirm: c.Duration("confirm"), Guard: true, Waiting: waiting(s),
	})
	if err != nil {
		return explain(c, s, err)
	}
	return printApplied(c, s, r)
}

// waiting says who is waited for, so that a silent terminal is not taken for one
// that hangs.
func waiting(s Streams) func(string) {
	return func(holder string) {
		if holder == "" {
			holder = "another fwc"
		}
		fmt.Fprintf(s.Err, "fwc: waiting for %s, which is changing the firewall, for up to %v\n", termsafe.String(holder), apply.DefaultLockWait)
	}
}

// hurry trades memory for time: an apply of 20,000 rules takes a second, and a
// tenth of it less with a collection of garbage less often. GOGC in the
// environment decides otherwise.
func hurry() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// explain lists what an error can only count.
func explain(c *command.Context, s Streams, err error) error {
	var foreign *apply.ForeignError
	if errors.As(err, &foreign) {
		fmt.Fprintf(s.Err, "not put there by fwc, and this %s would remove it:\n", c.Command.Name)
		for _, f := range foreign.Foreign {
			fmt.Fprintf(s.Err, "  %s\n", termsafe.String(f.String()))
		}
	}
	return err
}

func printApplied(c *command.Context, s Streams, r *apply.Result) error {
	if r.Recovered != nil {
		fmt.Fprintf(s.Err, "fwc: warning: %s; it is undone\n", cutShort(r.Recovered))
		for _, f := range r.Recovered.Lost {
			fmt.Fprintf(s.Err, "fwc: warning: lost with it, and not fwc's: %s\n", termsafe.String(f.String()))
		}
	}
	if c.String("format") == "json" {
		return writeJSON(s.Out, applied{
			Schema: "fwc.apply/v1", Digest: r.Digest, Generation: r.Generation, Result: r.Result,
			Transactions: r.Transactions, Changes: changesOf(r.Changes), Fallback: r.Fallback, CommitMillis: r.CommitMillis,
			ForeignKept: append([]apply.Foreign{}, r.ForeignKept...), ForeignLost: append([]apply.Foreign{}, r.ForeignLost...),
			ForeignRegained: append([]apply.Foreign{}, r.ForeignRegained...), Notes: append([]string{}, r.Notes...),
			ConfirmBy: r.ConfirmBy, Check: checked(c, r),
		})
	}
	switch r.Result {
	case apply.Unchanged:
		fmt.Fprintf(s.Out, "unchanged: the live firewall is as wanted (generation %d)\n", r.Generation)
		if c.IsSet("confirm") {
			fmt.Fprintln(s.Out, "nothing changed, so there is nothing to confirm")
		}
		// It decides whether a change stays. A failed one could undo nothing
		// here, and would make a failure of an apply that had nothing to do.
		if c.String("check") != "" {
			fmt.Fprintln(s.Out, "nothing changed, so --check was not run")
		}
	case apply.Planned:
		fmt.Fprintf(s.Out, "planned: %s, nothing touched\n", count(len(r.Changes), "change"))
	default:
		fmt.Fprintf(s.Out, "%s: generation %d, %s in %s, commit %d ms\n",
			r.Result, r.Generation, count(len(r.Changes), "change"), count(r.Transactions, "transaction"), r.CommitMillis)
	}
	if r.Fallback != "" {
		fmt.Fprintf(s.Out, "not one transaction: %s\n", r.Fallback)
	}
	if r.Result == apply.Planned {
		printChangeList(s.Out, r.Changes)
	}
	printKept(s.Out, r.ForeignKept)
	for _, f := range r.ForeignLost {
		fmt.Fprintf(s.Out, "replaced: %s\n", termsafe.String(f.String()))
	}
	for _, f := range r.ForeignRegained {
		fmt.Fprintf(s.Out, "brought back: %s\n", termsafe.String(f.String()))
	}
	if r.ConfirmBy != nil {
		fmt.Fprintf(s.Out, "not confirmed yet: without %q within %v the former firewall comes back\n", "fwc confirm"+stateArg(c), c.Duration("confirm"))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(s.Err, "fwc: note: %s\n", termsafe.String(n))
	}
	return nil
}

// checked says what became of the health check.
func checked(c *command.Context, r *apply.Result) string {
	switch {
	case c.String("check") == "":
		return ""
	case r.Result == apply.Applied:
		return "passed"
	}
	return "skipped"
}

// printKept says what content of others stays, one line for each who vouches for
// it. JSON has the whole list.
func printKept(w io.Writer, list []apply.Foreign) {
	for _, k := range apply.SumUp(list) {
		fmt.Fprintf(w, "kept: %s\n", termsafe.String(k.String()))
	}
}

// cutShort says which change did not get to its end.
func cutShort(r *apply.Recovery) string {
	s := fmt.Sprintf("the change to generation %d, begun %s, was %s", r.Generation, r.Began.Format(time.RFC3339),
		map[bool]string{false: "cut short", true: "not confirmed in time"}[r.Unconfirmed])
	if r.Rebooted {
		s += " before the last boot"
	}
	return s
}

// stateArg is what a command to type next needs to find the same state.
func stateArg(c *command.Context) string {
	if d := c.String("state"); d != verify.DefaultState {
		return " --state " + d
	}
	return ""
}
