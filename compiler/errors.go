package compiler

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// SourceError says that the script cannot be run at all. Nothing was started.
type SourceError struct {
	Path string
	Msg  string
	Hint string // what to do about it, or ""
	Err  error
}

// Error returns path: message.
func (e *SourceError) Error() string { return e.Path + ": " + e.Msg }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// CallError is a firewall call that failed.
type CallError struct {
	Call

	noIface bool // the script asked for an interface in vain
}

// Error returns file:line: command: the tool's own message.
func (e *CallError) Error() string {
	var b strings.Builder
	if p := e.Pos.String(); p != "" {
		b.WriteString(p + ": ")
	}
	b.WriteString(shorten(e.Call.String()) + ": ")
	if m := e.Message(); m != "" {
		b.WriteString(m)
	} else {
		fmt.Fprintf(&b, "exit status %d", e.Status)
	}
	return b.String()
}

// Hint says what to do about the failure.
func (e *CallError) Hint() string {
	if h := e.hint(); h != "" {
		return h
	}
	return "correct the call, discard its message in the script (2>/dev/null) if it may fail, or build with --keep-going"
}

// hint goes by what the tool said; "" if that tells nothing.
func (e *CallError) hint() string {
	if m := noHost.FindStringSubmatch(e.Stderr); m != nil {
		if a, err := netip.ParsePrefix(m[1]); err == nil {
			return otherFamily(e.Tool, a.Addr())
		} else if a, err := netip.ParseAddr(m[1]); err == nil {
			return otherFamily(e.Tool, a)
		}
	}
	for _, h := range callHints {
		if strings.Contains(e.Stderr, h.words) {
			return h.hint
		}
	}
	if e.noIface {
		return "the warning above may be why: give staging the host's interfaces with --iface or --facts, or correct the call"
	}
	return ""
}

// noHost is how iptables says that it cannot make an address of a word.
var noHost = regexp.MustCompile("host/network [`']([^']*)' not found")

// otherFamily says that an address is of the family that the tool is not for.
func otherFamily(tool string, a netip.Addr) string {
	if a.Is4() {
		return fmt.Sprintf("%s is an IPv4 address, and %s takes IPv6: call iptables, or give it the IPv6 address", a, tool)
	}
	return fmt.Sprintf("%s is an IPv6 address, and %s takes IPv4: call ip6tables, or give it the IPv4 address", a, tool)
}

// callHints go by the tools' own words.
var callHints = []struct{ words, hint string }{
	{"Message too long", "a user namespace bounds one nft transaction to 200 KB: split the file, or build as root with --privileged"},
	{"host/network", "staging has no network: write the address, or answer the name with --hosts FILE"},
	{"Could not resolve", "staging has no network: write the address, or answer the name with --hosts FILE"},
	{"Couldn't load match", "the build host's iptables lacks this extension: install it, or correct the name"},
	{"Couldn't load target", "the build host's iptables lacks this extension: install it, or correct the name"},
	{"is not installed", "install the tool on the build host"},
	{"No chain/target/match by that name", "the build host's kernel lacks this extension, or the chain is not there"},
}

// ScriptError says that the script ended with a status other than 0, or by a
// signal.
type ScriptError struct {
	Path   string
	Status int    // exit status, or 128 and the signal's number
	Signal string // "killed", … or ""
	// Last is the failing firewall call that ended it, as far as can be
	// told, or nil.
	Last *CallError
	// Stderr is the last line that it wrote to standard error.
	Stderr string
}

// Error says how the script ended and why.
func (e *ScriptError) Error() string {
	how := fmt.Sprintf("the script ended with exit status %d", e.Status)
	if e.Signal != "" {
		how = "the script was ended by a signal: " + e.Signal
	}
	if e.Last != nil {
		return e.Last.Error() + ": " + how
	}
	if e.Stderr != "" {
		return fmt.Sprintf("%s: %s: %s", e.Path, how, e.Stderr)
	}
	return e.Path + ": " + how
}

// Hint says what to do about it.
func (e *ScriptError) Hint() string {
	if e.Last != nil {
		if h := e.Last.hint(); h != "" {
			return h
		}
		return "correct the call, or let the script go on after it (|| true): it must end with exit status 0"
	}
	return "what the script said is above; it must end with exit status 0, with the arguments and --env that it needs and no terminal"
}

// Unwrap returns the failing call, if there is one.
func (e *ScriptError) Unwrap() error {
	if e.Last == nil {
		return nil
	}
	return e.Last
}

// TimeoutError says that the script had not ended in time.
type TimeoutError struct {
	Path  string
	Limit time.Duration
	// Last is where the last firewall call that ended came from.
	Last ruleset.Position
}

// Error names the limit and where the script was.
func (e *TimeoutError) Error() string {
	s := fmt.Sprintf("%s: the script did not end within %s", e.Path, e.Limit)
	if p := e.Last.String(); p != "" {
		s += ", its last firewall call was at " + p
	}
	return s
}

// NotPermittedError says that this host does not allow staging. It wraps
// netns.ErrNotPermitted.
type NotPermittedError struct {
	Advice string // what to do
	Err    error
}

// Error returns what was refused.
func (e *NotPermittedError) Error() string { return "staging: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *NotPermittedError) Unwrap() error { return e.Err }

// RecordError says that the record of the firewall calls is not what staging
// wrote, so that nothing can be checked against it.
type RecordError struct {
	Path string
	Why  string
}

// Error names the script and what is wrong with the record.
func (e *RecordError) Error() string {
	return e.Path + ": the record of its firewall calls was changed: " + e.Why
}

// LossError says that the tools do not save what the script made: the dump,
// loaded again, gives other rules than the kernel had.
type LossError struct {
	Pos  ruleset.Position // of the call that made it, if known
	Call string           // that call, if known
	What string           // table, chain, rule, and how it differs
	Err  error
}

// Error returns file:line: call: what is lost.
func (e *LossError) Error() string {
	var b strings.Builder
	if p := e.Pos.String(); p != "" {
		b.WriteString(p + ": ")
	}
	if e.Call != "" {
		b.WriteString(shorten(e.Call) + ": ")
	}
	b.WriteString("the tools do not save this as the kernel has it: " + e.What)
	return b.String()
}

// Unwrap returns the cause.
func (e *LossError) Unwrap() error { return e.Err }

// shorten cuts what would make an error message unreadable.
func shorten(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
