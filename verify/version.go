package verify

import (
	"regexp"
	"strings"
	"sync"

	"github.com/hashicorp/go-version"
)

// Kernel releases carry what a distribution appends: 6.1.0-28-amd64,
// 5.14.0-427.el9.x86_64, 6.18.44-fc-v595. go-version takes that for a
// pre-release, which no constraint without one matches, so only the core, the
// numbers in front, is compared with < and >.

var (
	versionCore = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^v?[0-9]+(?:\.[0-9]+)*`) })
	condition   = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(=|!=|>|<|>=|<=|~>|)\s*(v?[0-9]+(?:\.[0-9]+)*)((?:[-+~_]|\.?[A-Za-z])\S*)?$`)
	})
)

// CheckConstraint returns an error of kind ErrConstraint if s is not a
// constraint: conditions of = != > < >= <= ~> and a version, all of which must
// hold, separated by commas; see github.com/hashicorp/go-version. They compare
// the version's core; a version with a suffix, which = and != allow, is compared
// whole. The empty constraint is valid, and no version satisfies it.
func CheckConstraint(s string) error {
	if s == "" {
		return nil
	}
	_, err := satisfies("0", s)
	return err
}

// satisfies says whether a version meets every condition of a constraint.
func satisfies(have, constraint string) (bool, error) {
	if constraint == "" {
		return false, nil
	}
	core, coreErr := version.NewVersion(versionCore().FindString(have))
	all := true
	for part := range strings.SplitSeq(constraint, ",") {
		part = strings.TrimSpace(part)
		m := condition().FindStringSubmatch(part)
		if m == nil {
			return false, errorf(ErrConstraint, "%q is not of = != > < >= <= ~> and a version", part)
		}
		op, want, suffix := m[1], m[2], m[3]
		if suffix != "" {
			if op != "" && op != "=" && op != "!=" {
				return false, errorf(ErrConstraint, "%q: %s compares numbers only, leave out %q", part, op, suffix)
			}
			all = all && (have == want+suffix) == (op != "!=")
			continue
		}
		c, err := version.NewConstraint(part)
		if err != nil {
			return false, errorf(ErrConstraint, "%q: %v", part, err)
		}
		all = all && coreErr == nil && c.Check(core)
	}
	return all, nil
}
