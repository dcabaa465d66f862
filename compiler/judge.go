package compiler

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// build is a report in the making of a result.
type build struct {
	src    *source
	opt    Options
	rep    *report
	stderr *output
	result *Result

	asides        map[string][]Remark // see aside
	failed        []failedLine
	missingIfaces int
	calls         []Call // of the record, with their places
}

func (b *build) note(format string, args ...any) {
	b.result.Notes = append(b.result.Notes, Remark{Msg: fmt.Sprintf(format, args...)})
}

func (b *build) warn(pos ruleset.Position, format string, args ...any) {
	b.result.Warnings = append(b.result.Warnings, Remark{Pos: pos, Msg: fmt.Sprintf(format, args...)})
}

// judge decides whether the script went well, and lists what to say about it.
func (b *build) judge(ctx context.Context) error {
	rep, res := b.rep, b.result
	calls, whole := parseLog(rep.Log)
	absent, programs := b.stderr.absentTools()
	all := slices.Concat(absent, programs)
	if !b.locate(ctx, calls, all) {
		b.note("the lines of the calls could not be told: the script cannot be parsed")
	}
	absent, programs = all[:len(absent)], all[len(absent):]
	b.calls = calls
	var said []string
	for i := range calls {
		said = append(said, calls[i].Stderr)
		if !b.aside(&calls[i]) {
			res.Calls = append(res.Calls, calls[i])
		}
	}
	slices.Sort(res.Modules)
	res.Modules = slices.Compact(res.Modules)
	res.Wanted = rep.Wanted
	res.Calls = append(res.Calls, absent...)
	var last *CallError
	for i := range res.Calls {
		c := &res.Calls[i]
		if c.Status == 0 {
			continue
		}
		last = &CallError{Call: *c}
		if c.fatal() {
			res.Failures = append(res.Failures, last)
		} else {
			b.harmless(last)
		}
	}
	b.failedHarmless()
	for _, n := range rep.Notes {
		b.note("%s", n)
	}
	b.wantedNotes()
	b.prompted()
	b.absentPrograms(programs)
	b.answer(said)
	b.conclude()
	if last != nil {
		last.noIface = b.missingIfaces > 0
	}
	for _, f := range res.Failures {
		f.noIface = b.missingIfaces > 0
	}
	if n := len(rep.Left); n > 0 {
		b.note("the script left %s running, ended now: %s", counted(n, "process"), strings.Join(rep.Left[:min(n, 5)], ", "))
	}
	switch {
	case rep.MemoryOut:
		return &ScriptError{Path: b.src.path, Status: rep.Status, Signal: rep.Signal,
			Stderr: fmt.Sprintf("it held more than %d MB of memory, or %d processes", b.opt.limits.Memory>>20, b.opt.limits.Processes)}
	case rep.TimedOut:
		e := &TimeoutError{Path: b.src.path, Limit: b.opt.Timeout}
		if len(calls) > 0 {
			e.Last = calls[len(calls)-1].Pos
		}
		return e
	case len(res.Failures) > 0 && !b.opt.KeepGoing:
		return res.Failures[0]
	case rep.Spoilt != "":
		return &RecordError{Path: b.src.path, Why: rep.Spoilt}
	case rep.LogCut:
		return &RecordError{Path: b.src.path, Why: fmt.Sprintf("it is longer than %d MB", b.opt.limits.CallLog>>20)}
	case !whole:
		return &RecordError{Path: b.src.path, Why: fmt.Sprintf("it cannot be read after %d calls", len(calls))}
	case rep.Status != 0 || rep.Signal != "":
		e := &ScriptError{Path: b.src.path, Status: rep.Status, Signal: rep.Signal, Stderr: b.stderr.last}
		// "set -e" ends a script at the call that failed, with its status.
		if n := len(res.Calls); last != nil && rep.Status == last.Status && res.Calls[n-1].Status == last.Status && !last.Tested {
			e.Last = last
		}
		return e
	case rep.Loss != nil:
		e := &LossError{What: rep.Loss.What}
		if i := rep.Loss.Call; i >= 0 && i < len(calls) {
			e.Pos, e.Call = calls[i].Pos, calls[i].String()
		}
		return e
	}
	for _, w := range rep.Warnings {
		b.warn(ruleset.Position{}, "%s", w)
	}
	for _, f := range res.Failures {
		b.warn(f.Pos, "%s", strings.TrimPrefix(f.Error(), f.Pos.String()+": "))
	}
	return nil
}

// openFamilies warns of IPv6 where only IPv4 is filtered.
func (b *build) openFamilies() {
	snap := b.result.Snapshot
	filtered := func(f ruleset.Family) bool {
		for _, t := range snap.Tables {
			if t.Family != f && t.Family != ruleset.Inet {
				continue
			}
			for _, c := range t.Chains {
				if !strings.EqualFold(c.Policy, "ACCEPT") && c.Policy != "" {
					return true
				}
				// A native table's rules may drop whatever its policy is.
				if len(c.Rules) > 0 && (t.Name == "filter" || t.Native) {
					return true
				}
			}
		}
		return false
	}
	if !filtered(ruleset.IPv4) || filtered(ruleset.IPv6) {
		return
	}
	for _, s := range snap.Sysctls {
		if (s.Key == "net.ipv6.conf.all.disable_ipv6" || s.Key == "net.ipv6.conf.default.disable_ipv6") && s.Value == "1" {
			return
		}
	}
	b.warn(ruleset.Position{}, "IPv6 stays open: the script filters IPv4 only")
}

// noRules warns of a build with which nothing is filtered: a script that wants
// an argument may say how it is used and exit with 0.
func (b *build) noRules() {
	for _, t := range b.result.Snapshot.Tables {
		for _, c := range t.Chains {
			if len(c.Rules) > 0 || c.Policy != "" && !strings.EqualFold(c.Policy, "ACCEPT") {
				return
			}
		}
	}
	b.warn(ruleset.Position{}, "the script made no rule: where this is applied, nothing is filtered; does it want an argument, such as start?")
}

// counted is a number of things in words: "1 process", "2 processes".
func counted(n int, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "s"):
		thing += "e"
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
