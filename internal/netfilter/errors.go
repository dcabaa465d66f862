package netfilter

import (
	"errors"
	"fmt"
	"strings"
)

// ErrLocked says that another program held the xtables lock for longer than
// the caller was willing to wait.
var ErrLocked = errors.New("another program holds the xtables lock")

// ErrChanging says that the ruleset changed each time it was read.
var ErrChanging = errors.New("the ruleset changes while it is being read")

// NoToolError says that a program is needed and not installed.
type NoToolError struct {
	Tool string // iptables-nft-save, ipset, …
}

// Error names the program.
func (e *NoToolError) Error() string { return e.Tool + " is not installed" }

// Package returns the name of the Debian package that holds the program.
func (e *NoToolError) Package() string {
	switch {
	case e.Tool == "nft":
		return "nftables"
	case e.Tool == "ipset":
		return "ipset"
	case strings.HasPrefix(e.Tool, "arptables-legacy"):
		return "arptables"
	case strings.HasPrefix(e.Tool, "ebtables-legacy"):
		return "ebtables"
	}
	return "iptables"
}

// ToolError says that a program ran and failed.
type ToolError struct {
	Tool   string
	Args   []string
	Status string // "exit status 2", "signal: segmentation fault"
	Stderr string // what it said, trimmed
	Err    error
}

// Error gives the program's own words where it had any.
func (e *ToolError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%s: %s", e.Tool, e.Status)
	}
	return fmt.Sprintf("%s: %s (%s)", e.Tool, e.Stderr, e.Status)
}

// Unwrap returns what the program's start or end failed with.
func (e *ToolError) Unwrap() error { return e.Err }

// LoadError says which line of which dump a program or the kernel refused.
type LoadError struct {
	Dump string // iptables.rules, ipset.save, …
	Line int    // from 1; 0 if the program names none
	Text string // that line of the dump
	Tool string // iptables-nft-restore, …; "kernel" for a sysctl
	Msg  string // the program's own message, on one line
	Err  error
}

// Error returns dump:line: tool: message, and the line itself.
func (e *LoadError) Error() string {
	var b strings.Builder
	b.WriteString(e.Dump)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	fmt.Fprintf(&b, ": %s: %s", e.Tool, e.Msg)
	if e.Text != "" {
		fmt.Fprintf(&b, " (%s)", e.Text)
	}
	return b.String()
}

// Unwrap returns the cause, if it is more than the message.
func (e *LoadError) Unwrap() error { return e.Err }

// MixedError says that a table holds rules of an iptables program beside what
// only nft can print, so that no dump shows all of it.
type MixedError struct {
	Family, Table, What string
}

// Error names the table and what is foreign in it.
func (e *MixedError) Error() string {
	return fmt.Sprintf("table %s %s belongs to an iptables program but has %s, which no save prints",
		e.Family, e.Table, e.What)
}
