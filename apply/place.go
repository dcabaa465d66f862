package apply

import (
	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// place inserts the kept foreign rules of a live chain into ours. A foreign
// rule stays behind the rule of ours that it stands behind now; one that
// stands ahead of all of ours stays first, one behind all of ours stays last.
// In a chain that holds none of ours yet the foreign rules come first, as if
// ours had been appended. A RETURN of all packets at the end of the live chain,
// as Docker has it in DOCKER-USER, stays at the end: there it does nothing, and
// ahead of ours it would switch them off.
//
// kept gives the indices into live of the foreign rules, known says which live
// rules are not foreign.
func place(ours, live []ruleset.Rule, known []bool, kept []int) []ruleset.Rule {
	if len(kept) == 0 {
		return ours
	}
	anchors := anchor(ours, live, known)
	end := len(live) // of what does something
	for end > 0 && live[end-1].Text == "-j RETURN" {
		end--
	}
	lastOurs := -1
	for i := range live {
		if known[i] && anchors[i] >= 0 {
			lastOurs = i
		}
	}
	out := make([]ruleset.Rule, 0, len(ours)+len(kept))
	next, at, seen := 0, 0, 0 // next of ours to write; where the foreign one goes
	for _, k := range kept {
		for ; seen < k; seen++ {
			if anchors[seen] >= 0 {
				at = anchors[seen] + 1
			}
		}
		if lastOurs >= 0 && k > lastOurs || k >= end {
			at = len(ours)
		}
		out = append(out, ours[next:at]...)
		next = at
		out = append(out, live[k])
	}
	return append(out, ours[next:]...)
}

// anchor aligns the known rules of live with ours: for each live rule the
// index of its counterpart, or -1. Counterparts ascend; where rules have moved
// the longest run that kept its order counts.
func anchor(ours, live []ruleset.Rule, known []bool) []int {
	at := make(map[string][]int, len(ours))
	for i, r := range ours {
		at[r.Text] = append(at[r.Text], i)
	}
	pair := make([]int, len(live))
	for i, r := range live {
		pair[i] = -1
		if q := at[r.Text]; known[i] && len(q) > 0 {
			pair[i], at[r.Text] = q[0], q[1:]
		}
	}
	netfilter.KeepAscending(pair)
	return pair
}
