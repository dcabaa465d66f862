package packets

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// marks are the rules of one snapshot and family that change marks, and whether
// any makes one that is not followed.
type marks struct {
	rules []string
	made  bool
	// kept says that CONNMARK gives templates a mark, which stays, restored that
	// it reads one.
	kept, restored bool
}

func (m *marks) add(table, rule string) {
	text := " " + rule + " "
	if table == "raw" && strings.Contains(text, " -j CONNMARK ") {
		restores := strings.Contains(text, " --restore-mark ")
		m.kept, m.restored = m.kept || !restores, m.restored || restores
	}
	for _, target := range []string{" -j MARK ", " -j CONNMARK ", " -j HMARK ", " -j SET ", " -j TPROXY "} {
		if strings.Contains(text, target) {
			m.rules = append(m.rules, rule)
			m.made = m.made || target == " -j HMARK " || strings.Contains(text, "-shift-mark ") || strings.Contains(text, " --map-mark ")
		}
	}
}

// marksOf says of a family's marks in snapshots whether any is not followed, and
// if so, whether the same rules change them in all.
func marksOf(family ruleset.Family, snapshots []*ruleset.Snapshot) (made, same bool) {
	all := make([]marks, len(snapshots))
	kept, restored := false, false
	for i, s := range snapshots {
		if s == nil {
			continue
		}
		for _, t := range s.Tables {
			if t.Family != family || t.Native {
				continue
			}
			for _, c := range t.Chains {
				for _, r := range c.Rules {
					all[i].add(t.Name, r.Text)
				}
			}
		}
		made, kept, restored = made || all[i].made, kept || all[i].kept, restored || all[i].restored
	}
	made = made || kept && restored
	for i := range all {
		if !slices.Equal(all[i].rules, all[0].rules) {
			return made, false
		}
	}
	return made, true
}

// followed is a test of a mark: an unknown behind what makes one that nobody
// here knows. Each rule's is one of its own, for they are of different marks.
func (r *reader) followed(m *xtables.Module, o *xtables.Option, f field, test *condition) *condition {
	if !r.marksMade {
		return test
	}
	made := fieldMarkMade
	if f == fieldConnmark {
		made = fieldConnmarkMade
	}
	one := xtables.Module{Name: m.Name, Options: []xtables.Option{*o}}
	one.Options[0].Negated = false
	r.unknown++
	unknown := r.atom(moduleText(&one)+" of a mark that is not followed", r.scope+r.side, false)
	return anyOf(allOf(is(made, 0), test), allOf(is(made, 1), unknown))
}

// setHash is of HMARK, whose hash nobody here computes.
func (r *reader) setHash(t *xtables.Module, a *action) (*condition, error) {
	a.effect.notes, a.effect.markMade = int32(r.note(0, targetText(t))), true
	a.effect.mark = linear{}
	return yes, nil
}
