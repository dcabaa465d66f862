package cli

import (
	"fmt"
	"time"

	"github.com/fwc-dev/fwc/apply"
	"github.com/fwc-dev/fwc/internal/command"
	"github.com/fwc-dev/fwc/internal/termsafe"
)

// status is the JSON of fwc status, schema fwc.status/v1.
type status struct {
	Schema     string          `json:"schema"`
	Applied    *statusApplied  `json:"applied"` // null if nothing is
	Drift      []change        `json:"drift"`
	Foreign    []apply.Foreign `json:"foreign"`
	Busy       bool            `json:"busy"`
	Unfinished bool            `json:"unfinished"`
	// Pending is what waits for its confirmation; absent where nothing does.
	Pending *statusPending `json:"pending,omitempty"`
	// Undone is the last change that did not stay, until one does.
	Undone *apply.Undone `json:"undone,omitempty"`
	// Boot says how the last boot went, until something else was applied.
	Boot *apply.BootNote `json:"boot,omitempty"`
	// LockedDown says that only management comes in.
	LockedDown bool `json:"lockedDown"`
	// Lost says that the state directory is gone and what shows that there was
	// one; absent where that is not so.
	Lost string `json:"lost,omitempty"`
}

type statusPending struct {
	Generation  int       `json:"generation"`
	Former      int       `json:"former"`
	ConfirmBy   time.Time `json:"confirmBy"`
	SecondsLeft float64   `json:"secondsLeft"`
	// Watchdog says that a process waits to go back.
	Watchdog bool `json:"watchdog"`
}

type statusApplied struct {
	Digest     string    `json:"digest"`
	Serial     uint64    `json:"serial"`
	Generation int       `json:"generation"`
	At         time.Time `json:"at"`
	Confirmed  bool      `json:"confirmed"`
	// AllowedOlder says that --allow-older took it.
	AllowedOlder bool `json:"allowedOlder"`
}

func statusCommand(s Streams) *command.Command {
	return &command.Command{
		Name:        "status",
		Usage:       "what is applied, since when, and whether the live firewall drifted from it",
		Description: "Examples:\n  fwc status\n  fwc status --exit-code --format json",
		Flags: []command.Flag{
			stateFlag(), policyFlag(), formatFlag("text", "json"),
			&command.BoolFlag{Name: "exit-code", Usage: "exit 1 when the firewall drifted, was not brought back whole, or the host is locked down"},
		},
		Action: func(c *command.Context) error {
			if c.Args().Present() {
				return usagef("status takes no argument: %q", c.Args().First())
			}
			st, err := apply.Inspect(c.Context, apply.Options{State: c.String("state"), Keep: keepOf(c, s)})
			if err != nil {
				// What broke the state may be what locked the host down.
				if n := apply.LastBoot(c.String("state")); n != nil && n.Result == apply.BootLockedDown && c.String("format") == "text" {
					bootLines(s, &apply.Status{Boot: n, LockedDown: n.By != ""})
				}
				return err
			}
			if err := printStatus(c, s, st); err != nil {
				return err
			}
			if c.Bool("exit-code") && (amiss(st) || lost(c) != "") {
				return &quietError{exitFailure}
			}
			return nil
		},
	}
}

// amiss says whether the live firewall is not what it should be, or will not be
// by itself.
func amiss(st *apply.Status) bool {
	return len(st.Drift) > 0 || st.Unfinished != nil || st.LockedDown ||
		st.Window != nil && !st.Window.Watched ||
		st.Boot != nil && st.Boot.Result == apply.BootLockedDown
}

func printStatus(c *command.Context, s Streams, st *apply.Status) error {
	if c.String("format") == "json" {
		v := status{
			Schema: "fwc.status/v1", Drift: changesOf(st.Drift), Foreign: append([]apply.Foreign{}, st.Foreign...),
			Busy: st.Busy, Unfinished: st.Unfinished != nil,
			Undone: st.Undone, Boot: st.Boot, LockedDown: st.LockedDown, Lost: lost(c),
		}
		if w := st.Window; w != nil {
			v.Pending = &statusPending{w.Generation, w.Former, w.By, w.Left.Seconds(), w.Watched}
		}
		if g := st.Applied; g != nil {
			v.Applied = &statusApplied{g.Digest, g.Serial, g.Number, g.At, st.Confirmed, g.AllowedOlder}
		}
		return writeJSON(s.Out, v)
	}
	bootLines(s, st)
	if st.Busy {
		fmt.Fprintln(s.Out, "a change is under way: what follows may be passing")
	}
	if u := st.Unfinished; u != nil {
		fmt.Fprintf(s.Out, "unfinished: %s; the next apply or rollback undoes it first\n", cutShort(u))
	}
	if u := st.Undone; u != nil && st.Window == nil { // else it is an older one
		fmt.Fprintf(s.Out, "undone: %s\n", termsafe.String(u.String()))
	}
	if w := st.Window; w != nil {
		fmt.Fprintf(s.Out, "not confirmed: generation %d goes in %v unless fwc confirm%s comes\n", w.Generation, w.Left.Round(time.Second), stateArg(c))
		if !w.Watched {
			fmt.Fprintf(s.Out, "no watchdog is there to go back: fwc confirm%[1]s, fwc rollback%[1]s or fwc watchdog%[1]s\n", stateArg(c))
		}
	}
	g := st.Applied
	if g == nil {
		if why := lost(c); why != "" {
			fmt.Fprintf(s.Out, "THE STATE IS LOST: %s; what is applied is not known any more\n", oneLine(why))
			return nil
		}
		fmt.Fprintln(s.Out, "nothing applied")
		return nil
	}
	fmt.Fprintf(s.Out, "applied: generation %d since %s, serial %d, digest %s\n", g.Number, g.At.Format(time.RFC3339), g.Serial, g.Digest)
	if g.AllowedOlder {
		fmt.Fprintln(s.Out, "older than what this host had accepted: it was allowed on purpose")
	}
	if len(st.Drift) == 0 {
		fmt.Fprintln(s.Out, "drift: none")
	} else {
		fmt.Fprintf(s.Out, "drift: %s of the live firewall\n", count(len(st.Drift), "difference"))
		printChangeList(s.Out, st.Drift)
	}
	printKept(s.Out, st.Foreign)
	return nil
}
