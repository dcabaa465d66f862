// Package compiler turns a firewall script into a ruleset.Snapshot.
//
// The script runs unmodified in staging: a process tree in new namespaces
// whose file system is a private overlay on the host's. What it makes there is
// captured, loaded into a second namespace and compared, so that a dump which
// says something else than the kernel holds never leaves the package.
package compiler

import (
	"io"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// Options say what to build and how.
type Options struct {
	// Script is the path of the script, Args its arguments.
	Script string
	Args   []string
	// Dir is the caller's working directory; "" is the process's own.
	Dir string
	// Timeout bounds the script's run; 0 is DefaultTimeout.
	Timeout time.Duration
	// Env are K=V pairs added to the fixed environment of the script.
	Env []string
	// Ifaces are stand-ins for the host's interfaces.
	Ifaces []Iface
	// Routes are the default routes; nil is one of each family that Ifaces
	// have an address of, through the first such.
	Routes []Route
	// Hostname is what the script's host is called; "" is "staging".
	Hostname string
	// Nameservers are what resolv.conf holds; nil leaves the build host's.
	// None of them answers.
	Nameservers []string
	// Hosts is a file in the format of hosts(5) that answers for names.
	Hosts []byte
	// RootFS is a directory whose system is staged in place of the build
	// host's: its tools, its libraries, its /etc. "" is the build host.
	RootFS string
	// KeepGoing makes failing firewall calls warnings.
	KeepGoing bool
	// Privileged leaves the user namespace out.
	Privileged bool
	// Stdout and Stderr get what the script says; nil drops it.
	Stdout, Stderr io.Writer
	// MaxOutput bounds in bytes what is passed on of each of the two: the
	// first and last halves of it. 0 is DefaultMaxOutput.
	MaxOutput int64

	// Exact runs every firewall call for real, as it comes: the slow way to
	// the same result.
	Exact bool

	record    bool        // queue calls
	copy      chan []byte // what a POSIX shell is given in place of the script, for each run
	hostKeys  func() []hostKey
	limits    limits // zero is defaultLimits
	noOverlay bool
}

// Iface is a stand-in for a host's interface.
type Iface struct {
	Name  string
	Addrs []string // CIDR, of either family
	MAC   string   // "" for one made of its place in the list
	Down  bool
}

// Route is a default route.
type Route struct {
	Dev    string
	Via    string // the gateway, or ""
	V6     bool
	Metric int
}

// Defaults of Options.
const (
	DefaultTimeout   = 10 * time.Minute
	DefaultMaxOutput = 4 << 20
)

// Result is a finished build.
type Result struct {
	Snapshot  *ruleset.Snapshot
	Toolchain ruleset.Toolchain
	// Script is the script's text as it was staged.
	Script []byte
	// ScriptSHA256 is the digest of the script's bytes, in hexadecimal.
	ScriptSHA256 string
	// Calls are the firewall tools' runs, in the order in which they ended.
	Calls []Call
	// Failures are the calls of Calls that failed and would have failed the
	// build without KeepGoing.
	Failures []*CallError
	// Notes are remarks that need no action, Warnings those a reviewer must
	// see, such as a family that stays open.
	Notes, Warnings []Remark
	// Modules are the kernel modules that the script asked for.
	Modules []string
	// Wanted are the sysctls that the script set and that only a host's first
	// network namespace has, sorted by key.
	Wanted []ruleset.Sysctl
	// Exact says that every call was run for real, and ExactReason why; it is
	// "" where Options asked for that.
	Exact       bool
	ExactReason string
	// Elapsed is how long the script ran.
	Elapsed time.Duration
}

// Remark is something to say about a build.
type Remark struct {
	Pos ruleset.Position // zero if it has no place in a script
	Msg string
}

// String returns file:line: message.
func (r Remark) String() string {
	if p := r.Pos.String(); p != "" {
		return p + ": " + r.Msg
	}
	return r.Msg
}
