package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ruleset"
)

// Host is the machine that an artifact is to run on.
type Host struct {
	Toolchain ruleset.Toolchain
	// Now is this host's time; the zero time stands for time.Now.
	Now time.Time
}

// HostError says that an artifact was not built for this host.
type HostError struct {
	// Labels are the labels that differ.
	Labels []Mismatch
	// Builds are the artifact's builds, none of which matches, each with what
	// differs. Empty if only labels do.
	Builds []BuildMismatch
}

// BuildMismatch is a build that does not match.
type BuildMismatch struct {
	Toolchain  ruleset.Toolchain
	Mismatches []Mismatch
}

// Mismatch is one thing that differs, such as "kernel" or "label role". "" is
// absent.
type Mismatch struct {
	What string
	Want string // what the artifact asks for
	Have string // what the host has
}

// String returns the mismatch in words.
func (m Mismatch) String() string {
	if label, ok := strings.CutPrefix(m.What, "label "); ok {
		return m.label(label)
	}
	return fmt.Sprintf("%s is %s, not %s", m.What, orNone(m.Have), orNone(m.Want))
}

// label says which of the two has what: both are called by the label's name.
func (m Mismatch) label(name string) string {
	switch {
	case m.Want == "" && m.Have == "":
		return fmt.Sprintf("the artifact has no label %s, and this host wants one", name)
	case m.Want == "":
		return fmt.Sprintf("the artifact has no label %s, and this host wants %s=%s", name, name, m.Have)
	case m.Have == "":
		return fmt.Sprintf("the artifact is for %s=%s, and this host has no label %s", name, m.Want, name)
	}
	return fmt.Sprintf("the artifact is for %s=%s, and this host is %s=%s", name, m.Want, name, m.Have)
}

func orNone(s string) string {
	if s == "" {
		return "absent"
	}
	return s
}

// Error names every difference.
func (e *HostError) Error() string {
	parts := words(e.Labels)
	for i, b := range e.Builds {
		s := strings.Join(words(b.Mismatches), ", ")
		if len(e.Builds) > 1 {
			s = fmt.Sprintf("build %d (%s): %s", i+1, summary(b.Toolchain), s)
		}
		parts = append(parts, s)
	}
	return "this host is not one that the artifact was built for: " + strings.Join(parts, "; ")
}

// Constraint says whether a constraint on kernels and iptables could take this
// host: every other part must be the build's.
func (e *HostError) Constraint() bool {
	return len(e.Labels) == 0 && slices.ContainsFunc(e.Builds, func(b BuildMismatch) bool {
		return !slices.ContainsFunc(b.Mismatches, func(m Mismatch) bool {
			return m.Have == "" || !slices.Contains(constrained, m.What)
		})
	})
}

// constrained are the parts that constraints are for, by a Mismatch's What.
// arptables and ebtables come from the source of iptables, with its version.
var constrained = []string{"kernel", "iptables", "arptables", "ebtables"}

func words(list []Mismatch) []string {
	var out []string
	for _, m := range list {
		out = append(out, m.String())
	}
	return out
}

func summary(t ruleset.Toolchain) string {
	return strings.TrimSpace(fmt.Sprintf("kernel %s %s, iptables %s %s", t.Kernel, t.Arch, orNone(t.IPTables), t.Backend))
}

// matchLabels returns the artifact's labels that the host does not have, and
// those that the policy requires and the artifact does not have.
func matchLabels(labels map[string]string, p Policy) []Mismatch {
	var out []Mismatch
	for key, want := range labels {
		if have, ok := p.Labels[key]; !ok || have != want {
			out = append(out, Mismatch{What: "label " + key, Want: want, Have: have})
		}
	}
	for _, key := range p.RequireLabels {
		if _, ok := labels[key]; !ok {
			out = append(out, Mismatch{What: "label " + key, Want: "", Have: p.Labels[key]})
		}
	}
	slices.SortFunc(out, func(a, b Mismatch) int { return strings.Compare(a.What, b.What) })
	return out
}

// matchBuild returns what of the host differs from a build. Exact means that no
// constraint was needed.
func matchBuild(b *artifact.Build, have ruleset.Toolchain, accept artifact.Accept) (list []Mismatch, exact bool, err error) {
	m := matcher{exact: true}
	want := b.Toolchain
	kernels := []string{b.Accept.Kernel, accept.Kernel}
	iptables := []string{b.Accept.IPTables, accept.IPTables}
	m.compare("kernel", want.Kernel, have.Kernel, kernels)
	m.compare("architecture", want.Arch, have.Arch, nil)
	uses := map[ruleset.Kind]bool{}
	for _, d := range b.Dumps {
		uses[d.Kind] = true
	}
	if uses[ruleset.IPTables] || uses[ruleset.IP6Tables] {
		m.compare("iptables", want.IPTables, have.IPTables, iptables)
		m.compare("iptables backend", string(want.Backend), string(have.Backend), nil)
	}
	if uses[ruleset.ARPTables] {
		m.compare("arptables", want.ARPTables, have.ARPTables, iptables)
	}
	if uses[ruleset.EBTables] {
		m.compare("ebtables", want.EBTables, have.EBTables, iptables)
	}
	if uses[ruleset.NFTables] {
		m.compare("nft", want.NFT, have.NFT, nil)
	}
	if uses[ruleset.IPSet] {
		m.compare("ipset", want.IPSet, have.IPSet, nil)
	}
	return m.list, m.exact, m.err
}

type matcher struct {
	list  []Mismatch
	exact bool
	err   error
}

// compare holds one version to the build's, or to one of the constraints.
func (m *matcher) compare(what, want, have string, constraints []string) {
	if want == have {
		return
	}
	m.exact = false
	for _, c := range constraints {
		ok, err := satisfies(have, c)
		if err != nil && m.err == nil {
			m.err = err
		}
		if ok && have != "" {
			return
		}
		if c != "" {
			want += " or " + c
		}
	}
	m.list = append(m.list, Mismatch{What: what, Want: want, Have: have})
}
