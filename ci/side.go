package ci

import "github.com/fwc-dev/fwc/ruleset"

// Side is one of the two things that a report compares: an artifact, a dump,
// or the running host. What a dump does not have stays zero.
type Side struct {
	// Name is what the user called it: a file name, "host".
	Name string
	// Digest is the identity of an artifact, the digest of its signed payload,
	// and "" for anything else: the fields below it are compared between two
	// artifacts only.
	Digest string
	Epoch  uint64
	Serial uint64
	// NotAfter is when it expires, in RFC 3339; "" is never.
	NotAfter     string
	Labels       map[string]string
	ScriptName   string
	ScriptSHA256 string // hexadecimal
	Builds       []Build
	Modules      []string // kernel modules that the host must have
	Signers      []string // key hints
	// Snapshot is the firewall; nil is an empty one.
	Snapshot *ruleset.Snapshot
}

// Build is one toolchain that an artifact holds dumps for.
type Build struct {
	Toolchain ruleset.Toolchain
	// AcceptKernel and AcceptIPTables are version constraints; "" is an exact
	// match.
	AcceptKernel, AcceptIPTables string
	// Wanted are sysctls that a namespace could not set.
	Wanted []ruleset.Sysctl
}
