package packets

import (
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// filling says who fills a set while the firewall is at work, so that its
// members in a snapshot are not all that it will hold.
type filling uint8

const (
	// byOthers fill a set that a snapshot has without members: what else would
	// it be for.
	byOthers filling = 1 << iota
	// byRules fill a set that the target SET is given.
	byRules
)

// filledSetsOf finds the sets that are filled at run time, on any side, and the
// lists that hold them.
func filledSetsOf(snapshots ...*ruleset.Snapshot) map[string]filling {
	out := map[string]filling{}
	for _, s := range snapshots {
		if s == nil || len(s.Sets) == 0 {
			continue
		}
		for i := range s.Sets {
			if x := &s.Sets[i]; len(x.Members) == 0 && x.Type != "list:set" {
				out[x.Name] |= byOthers
			}
		}
		for i := range s.Tables {
			for j := range s.Tables[i].Chains {
				for k := range s.Tables[i].Chains[j].Rules {
					fillsOf(s.Tables[i].Chains[j].Rules[k].Text, out)
				}
			}
		}
	}
	for again := true; again; {
		again = false
		for _, s := range snapshots {
			if s == nil {
				continue
			}
			for i := range s.Sets {
				x := &s.Sets[i]
				if x.Type != "list:set" {
					continue
				}
				all := out[x.Name]
				for _, m := range x.Members {
					all |= out[firstWord(m)]
				}
				if all != out[x.Name] {
					out[x.Name], again = all, true
				}
			}
		}
	}
	return out
}

// fillsOf adds the sets that a rule's target fills or empties.
func fillsOf(text string, out map[string]filling) {
	at := strings.LastIndex(text, "-j SET ")
	if at < 0 {
		return
	}
	words := strings.Fields(text[at:])
	for i := 0; i+1 < len(words); i++ {
		if words[i] == "--add-set" || words[i] == "--del-set" {
			out[strings.Trim(words[i+1], `"`)] |= byRules
		}
	}
}

// filledLater is the test of a set beside what its members of now say. What rules
// fill counts: a packet may be in it at one rule and not at the one before.
func (r *reader) filledLater(name, directions string, c *condition) *condition {
	text := "-m set --match-set " + name + " " + directions
	readsDst := strings.Contains(directions, "dst")
	if r.filled[name]&byRules == 0 {
		return anyOf(c, r.unknownMatch(text, "", readsDst))
	}
	added := r.unknownMatch(text+" that rules add to", r.scope, readsDst)
	if c == no {
		return added
	}
	removed := r.unknownMatch(text+" that rules remove from", r.scope, readsDst)
	return anyOf(allOf(c, negate(removed, r.v6)), added)
}
