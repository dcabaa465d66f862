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
	source bool // of nat: it translates sources
}

var (
	arriving  = place{in: true}
	tracked   = place{in: true, tracked: true}
	entering  = place{in: true, tracked: true, behind: true}
	passing   = place{in: true, out: true, tracked: true, behind: true, ttl: 1}
	leaving   = place{out: true}
	departing = place{out: true, tracked: true}
	departed  = place{out: true, tracked: true, behind: true}
)

var hooks = map[Journey][]hook{
	Input: {
		{"PREROUTING", "raw", arriving, false}, {"PREROUTING", "mangle", tracked, false}, {"PREROUTING", "nat", tracked, false},
		{"INPUT", "mangle", entering, false}, {"INPUT", "filter", entering, false}, {"INPUT", "security", entering, false},
		{"INPUT", "nat", entering, true},
	},
	Forward: {
		{"PREROUTING", "raw", arriving, false}, {"PREROUTING", "mangle", tracked, false}, {"PREROUTING", "nat", tracked, false},
		{"FORWARD", "mangle", passing, false}, {"FORWARD", "filter", passing, false}, {"FORWARD", "security", passing, false},
		{"POSTROUTING", "mangle", passing, false}, {"POSTROUTING", "nat", passing, true},
	},
	Output: {
		{"OUTPUT", "raw", leaving, false}, {"OUTPUT", "mangle", departing, false}, {"OUTPUT", "nat", departing, false},
		{"OUTPUT", "filter", departed, false}, {"OUTPUT", "security", departed, false},
		{"POSTROUTING", "mangle", departed, false}, {"POSTROUTING", "nat", departed, true},
	},
}

// stage is one hook's chain of one backend.
type stage struct {
	hook
	chains [2]*chain // of the legacy backend and the nft one
}

// stages are the chains that a journey passes in a program.
func (p *program) stages(j Journey) []stage {
	var out []stage
	for _, h := range hooks[j] {
		s := stage{hook: h}
		any := false
		for i, b := range []ruleset.Backend{ruleset.Legacy, ruleset.NFT} {
			if t := p.tables[tableKey{b, h.table}]; t != nil {
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
