//go:build !host

package cli

import (
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/urfave/cli/v2"
)

// manifestOf turns build's flags into a manifest without builds. The time is
// SOURCE_DATE_EPOCH where it is set: https://reproducible-builds.org/specs/source-date-epoch/.
func manifestOf(c *cli.Context, now time.Time) (*artifact.Manifest, error) {
	if v := os.Getenv("SOURCE_DATE_EPOCH"); v != "" {
		sec, err := strconv.ParseInt(v, 10, 64)
		if err != nil || sec < 0 {
			return nil, usagef("SOURCE_DATE_EPOCH wants seconds since 1970, not %q", v)
		}
		now = time.Unix(sec, 0)
	}
	m := &artifact.Manifest{Created: now.UTC().Truncate(time.Second), Serial: uint64(now.Unix()), Labels: map[string]string{}}
	if v := c.String("serial"); v != "" {
		n, err := strconv.ParseUint(v, 10, 53)
		if err != nil {
			return nil, usagef("--serial wants a number, not %q", v)
		}
		m.Serial = n
	}
	if v := c.String("not-after"); v != "" {
		t, err := notAfter(v, now)
		if err != nil {
			return nil, err
		}
		m.NotAfter = t
	}
	for _, l := range c.StringSlice("label") {
		k, v, ok := strings.Cut(l, "=")
		if !ok {
			return nil, usagef("--label wants K=V, not %q", l)
		}
		if err := artifact.CheckLabel(k, v); err != nil {
			return nil, &usage{err.Error()}
		}
		if was, twice := m.Labels[k]; twice && was != v {
			return nil, usagef("label %s is given as %q and as %q", k, was, v)
		}
		m.Labels[k] = v
	}
	return m, nil
}

func notAfter(v string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(v); err == nil {
		if d <= 0 {
			return time.Time{}, usagef("--not-after %s lies in the past", v)
		}
		return now.Add(d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			if !t.After(now) {
				return time.Time{}, usagef("--not-after %s lies in the past", v)
			}
			return t, nil
		}
	}
	return time.Time{}, usagef("--not-after wants a time such as 2027-01-31T00:00:00Z or a duration such as 720h, not %q", v)
}

// contents counts what is in a snapshot, for a line of talk.
func contents(snap *ruleset.Snapshot) string {
	rules := 0
	for _, t := range snap.Tables {
		for _, ch := range t.Chains {
			rules += len(ch.Rules)
		}
	}
	return strings.Join([]string{count(len(snap.Tables), "table"), count(rules, "rule"), count(len(snap.Sets), "set"), count(len(snap.Sysctls), "sysctl")}, ", ")
}
