package artifact

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// Format is the version of the format that this package reads and writes.
const Format = 1

// maxNumber is the largest integer that every JSON reader keeps exactly
// (RFC 8259, section 6).
const maxNumber = 1<<53 - 1

// Manifest is the signed description of an artifact, the predicate of its
// in-toto Statement.
type Manifest struct {
	Format int `json:"format"`
	// Epoch and Serial order artifacts: a host takes none that is lower than
	// the highest it has seen, epoch first.
	Epoch  uint64 `json:"epoch"`
	Serial uint64 `json:"serial"`
	// Created is when the artifact was built, in UTC and whole seconds.
	Created time.Time `json:"created"`
	// NotAfter ends its life, in UTC and whole seconds; zero: never.
	NotAfter time.Time `json:"notAfter,omitzero"`
	// Labels name the hosts it is for: each must be equal on the host.
	Labels map[string]string `json:"labels"`
	Script Script            `json:"script"`
	// Builds are the dumps for each toolchain, at least one.
	Builds []Build `json:"builds"`
	// Modules are the kernel modules that the host must have, sorted.
	Modules []string `json:"modules"`
	// Against is the digest of the artifact that its author compared it with,
	// in hexadecimal, or "".
	Against string `json:"against,omitempty"`
}

// Script is what was built. Its text is the member "script", if there is one.
type Script struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// ScriptMember is the name of the member that holds the script's text.
const ScriptMember = "script"

// Build is what one toolchain made of the script.
type Build struct {
	Toolchain ruleset.Toolchain `json:"toolchain"`
	// Accept widens which hosts match the toolchain.
	Accept Accept `json:"accept"`
	// Dumps are ordered by member name.
	Dumps []Dump `json:"dumps"`
	// Wanted are sysctls that only the first network namespace has, such as
	// net.netfilter.nf_conntrack_max: no build can set them, the host must.
	// Ordered by key.
	Wanted []Sysctl `json:"wanted"`
}

// Accept holds constraints in the syntax of github.com/hashicorp/go-version,
// such as ">= 6.1, < 6.2"; "" stands for exactly the toolchain's version.
type Accept struct {
	Kernel   string `json:"kernel"`
	IPTables string `json:"iptables"`
}

// Dump says what a member is.
type Dump struct {
	Member  string          `json:"member"`
	Kind    ruleset.Kind    `json:"kind"`
	Backend ruleset.Backend `json:"backend"`
}

// Sysctl is one kernel parameter below net.
type Sysctl struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// NewBuild returns the n-th build, from 0, of a manifest and the members that
// hold its dumps.
func NewBuild(n int, tc ruleset.Toolchain, accept Accept, dumps []ruleset.Dump) (Build, []Member) {
	b := Build{Toolchain: tc, Accept: accept}
	var members []Member
	for _, d := range dumps {
		name := MemberName(n, d.Name())
		b.Dumps = append(b.Dumps, Dump{Member: name, Kind: d.Kind, Backend: d.Backend})
		members = append(members, Member{Name: name, Data: d.Text})
	}
	return b, members
}

// canonical returns a copy in the one form that check accepts, as far as order
// and precision go.
func (m *Manifest) canonical() *Manifest {
	c := *m
	c.Format = Format
	c.Created = c.Created.UTC().Truncate(time.Second)
	if !c.NotAfter.IsZero() {
		c.NotAfter = c.NotAfter.UTC().Truncate(time.Second)
	}
	c.Labels = map[string]string{}
	maps.Copy(c.Labels, m.Labels)
	c.Modules = append([]string{}, m.Modules...)
	slices.Sort(c.Modules)
	c.Modules = slices.Compact(c.Modules)
	c.Builds = append([]Build{}, m.Builds...)
	for i := range c.Builds {
		b := &c.Builds[i]
		b.Dumps = append([]Dump{}, b.Dumps...)
		slices.SortFunc(b.Dumps, func(x, y Dump) int { return strings.Compare(x.Member, y.Member) })
		b.Wanted = append([]Sysctl{}, b.Wanted...)
		slices.SortFunc(b.Wanted, func(x, y Sysctl) int { return strings.Compare(x.Key, y.Key) })
	}
	return &c
}
