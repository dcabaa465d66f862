package packets

import "github.com/fwc-dev/fwc/ruleset"

// Journey is a packet's way: to this host, from it, or through it.
type Journey string

// The journeys.
const (
	Input   Journey = "input"
	Forward Journey = "forward"
	Output  Journey = "output"
)

// Journeys are all journeys in the order of reports.
var Journeys = []Journey{Input, Forward, Output}

// hook is a chain and table that a journey passes, in the order of
// enum nf_ip_hook_priorities.
type hook struct {
	chain, table string
	place
	// only is the one backend that has the table there, "" for both.
	only ruleset.Backend
}

var (
	arriving  = place{in: true}
	tracked   = place{in: true, tracked: true}
	entering  = place{in: true, tracked: true, behind: true}
	sourced   = place{in: true, tracked: true, behind: true, sourced: true}
	passing   = place{in: true, out: true, tracked: true, behind: true, ttl: 1}
	leaving   = place{out: true}
	departing = place{out: true, tracked: true}
	departed  = place{out: true, tracked: true, behind: true}
)

var hooks = map[Journey][]hook{
	Input: {
		{"PREROUTING", "raw", arriving, ""}, {"PREROUTING", "mangle", tracked, ""}, {"PREROUTING", "nat", tracked, ""},
		{"INPUT", "mangle", entering, ""}, {"INPUT", "filter", entering, ""}, {"INPUT", "security", entering, ruleset.Legacy},
		{"INPUT", "nat", entering, ""},
		// The table security of iptables-nft has priority 150, not 50 (nft.c of
		// iptables): it sees translated sources.
		{"INPUT", "security", sourced, ruleset.NFT},
	},
	Forward: {
		{"PREROUTING", "raw", arriving, ""}, {"PREROUTING", "mangle", tracked, ""}, {"PREROUTING", "nat", tracked, ""},
		{"FORWARD", "mangle", passing, ""}, {"FORWARD", "filter", passing, ""}, {"FORWARD", "security", passing, ""},
		{"POSTROUTING", "mangle", passing, ""}, {"POSTROUTING", "nat", passing, ""},
	},
	Output: {
		{"OUTPUT", "raw", leaving, ""}, {"OUTPUT", "mangle", departing, ""}, {"OUTPUT", "nat", departing, ""},
		{"OUTPUT", "filter", departed, ""}, {"OUTPUT", "security", departed, ""},
		{"POSTROUTING", "mangle", departed, ""}, {"POSTROUTING", "nat", departed, ""},
	},
}

// arrivals are the hooks behind a REDIRECT: the packet is one to this host then
// and is not forwarded.
var arrivals = hooks[Input][3:]

// stage is one hook's chain of one backend.
type stage struct {
	hook
	chains [2]*chain // of the legacy backend and the nft one
}

// redirecting says whether a stage can make a packet of a journey one to this
// host.
func (s *stage) redirecting(j Journey) bool {
	return j == Forward && s.chain == "PREROUTING" && s.table == "nat"
}

// stages are the chains that a journey passes in a program.
func (p *program) stages(j Journey) []stage { return p.stagesOf(hooks[j]) }

func (p *program) stagesOf(list []hook) []stage {
	var out []stage
	for _, h := range list {
		s := stage{hook: h}
		any := false
		for i, b := range []ruleset.Backend{ruleset.Legacy, ruleset.NFT} {
			if t := p.tables[tableKey{b, h.table}]; t != nil && (h.only == "" || h.only == b) {
				if c := t.chains[h.chain]; c != nil && c.base {
					s.chains[i], any = c, true
				}
			}
		}
		if any {
			out = append(out, s)
		}
	}
	return out
}
