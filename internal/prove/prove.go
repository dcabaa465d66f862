// Package prove sends the example packets of a comparison through real kernels:
// what packet space claims of each region, beside what a router with the old
// and one with the new snapshot did.
//
// A claim is about rules alone. So the routers forward and take every source
// address whatever the snapshots' sysctls say (see lab.NewRouter), they know
// the addresses that the example needs as their own, and their routes lead
// where it says. Each example is first sent through a router without rules:
// one that does not come through there as its journey says, in its state, was
// never tested by any rule, and counts as not proved, with the reason.
package prove

import (
	"context"
	"fmt"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// Side is the claim about one snapshot, and what its router did.
type Side struct {
	Claimed, Seen string
	Agrees        bool
}

// Proof is the claim about a region's example, held to kernels.
type Proof struct {
	// NotProved says why the example could not be sent truthfully, or why its
	// fate shows nothing; "" if it was. Old and New are zero then.
	NotProved string
	Old, New  Side
	// Sent is the packet as lab.ParsePacket reads it, as far as it was made.
	Sent string
}

// Agrees says that kernels did on both sides what was claimed.
func (p *Proof) Agrees() bool { return p.NotProved == "" && p.Old.Agrees && p.New.Agrees }

// Disagrees says that a kernel did something else: a bug of fwc.
func (p *Proof) Disagrees() bool { return p.NotProved == "" && !p.Agrees() }

// Regions proves the examples of a comparison of two snapshots, in their
// order. A nil snapshot is one without rules. It needs no root. The error is
// that no router could be made or loaded: a snapshot that this host's tools or
// kernel refuse, a program that is missing, or netns.ErrNotPermitted.
func Regions(ctx context.Context, old, new *ruleset.Snapshot, regions []packets.Region) ([]Proof, error) {
	return through(ctx, task{Old: lab.FirewallOf(old), New: lab.FirewallOf(new)}, old, new, regions)
}

// through sends examples through the firewalls of a task.
func through(ctx context.Context, t task, old, new *ruleset.Snapshot, regions []packets.Region) ([]Proof, error) {
	plans := make([]*plan, len(regions))
	spaces := map[ruleset.Family][2]*packets.Space{}
	wires := map[string]bool{}
	for i := range regions {
		x := &regions[i]
		if _, ok := spaces[x.Family]; !ok {
			a, b, err := packets.Pair(old, new, x.Family)
			if err != nil {
				return nil, err
			}
			spaces[x.Family] = [2]*packets.Space{a, b}
		}
		plans[i] = newPlan(x, spaces[x.Family], uint16(i%60000+1))
		plans[i].native = nativeHooks(old) || nativeHooks(new)
		if plans[i].reason != "" {
			continue
		}
		plans[i].job = len(t.Jobs)
		t.Jobs = append(t.Jobs, plans[i].work())
		for _, name := range []string{plans[i].packet.In, plans[i].packet.Out} {
			if name != "" && name != "lo" && !wires[name] {
				wires[name] = true
				t.Wires = append(t.Wires, name)
			}
		}
	}
	refresh(plans, t.Jobs)
	proofs := make([]Proof, len(regions))
	var results []result
	if len(t.Jobs) > 0 {
		var err error
		if results, err = lab.Call[task, []result](ctx, stageName, t); err != nil {
			return nil, err
		}
		if len(results) != len(t.Jobs) {
			return nil, fmt.Errorf("%d of %d packets were sent", len(results), len(t.Jobs))
		}
	}
	for i, p := range plans {
		if wrong := p.contradicted(); wrong != nil {
			proofs[i] = *wrong
			continue
		}
		if p.reason != "" {
			proofs[i] = Proof{NotProved: p.reason, Sent: p.send.String()}
			continue
		}
		proofs[i] = p.judge(&results[p.job])
	}
	return proofs, nil
}

// nativeHooks says whether a snapshot has native nftables chains that see
// packets: packet space says nothing of them.
func nativeHooks(s *ruleset.Snapshot) bool {
	if s == nil {
		return false
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		for k := range t.Chains {
			if t.Native && t.Chains[k].Hook != "" {
				return true
			}
		}
	}
	return false
}
