package packets

import (
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// tracking are the kinds of rules that say how packets are tracked.
type tracking uint8

const (
	notracks tracking = 1 << iota
	templates
	templateMarks // CONNMARK in table raw gives templates marks
)

// newSharedUniverse is a universe for these snapshots: whether any of their
// rules asks for fragments decides what a port test means.
func newSharedUniverse(family ruleset.Family, snapshots ...*ruleset.Snapshot) *universe {
	u := newUniverse(family == ruleset.IPv6)
	u.filled = filledSetsOf(snapshots...)
	u.marksMade, u.marksSame = marksOf(family, snapshots)
	for _, s := range snapshots {
		if s == nil {
			continue
		}
		for i := range s.Tables {
			t := &s.Tables[i]
			if t.Family != family || t.Native {
				continue
			}
			lives := false
			for j := range t.Chains {
				for k := range t.Chains[j].Rules {
					text := t.Chains[j].Rules[k].Text
					u.ruled(t.Name, text)
					lives = lives || changesLifetime(text)
				}
			}
			u.hops = u.hops || lives && early(t)
		}
	}
	return u
}

// ruled takes note of what a rule says that others depend on.
func (u *universe) ruled(table, rule string) {
	text := " " + rule + " "
	u.fragments = u.fragments || !u.v6 && strings.Contains(text, " -f ")
	switch {
	case strings.Contains(text, " -j NOTRACK "), strings.Contains(text, " -j CT --notrack "):
		u.tracking |= notracks
	case strings.Contains(text, " -j CT "):
		u.tracking |= templates
	case table == "raw" && strings.Contains(text, " -j CONNMARK ") && !strings.Contains(text, " --restore-mark "):
		u.tracking |= templateMarks
	}
}

func changesLifetime(rule string) bool {
	rule = " " + rule
	return strings.Contains(rule, " -j TTL ") || strings.Contains(rule, " -j HL ")
}

// early says that PREROUTING of a table leads to rules that change times to
// live.
func early(t *ruleset.Table) bool {
	for name := range reachable(t, "PREROUTING") {
		for _, r := range t.Chain(name).Rules {
			if changesLifetime(r.Text) {
				return true
			}
		}
	}
	return false
}
