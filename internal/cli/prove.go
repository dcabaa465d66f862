//go:build !host

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/internal/prove"
	"github.com/fwc-dev/fwc/lab"
)

// proveExamples puts what kernels make of a report's examples beside them.
func proveExamples(ctx context.Context, r *ci.Report, old, new ci.Side) error {
	if r.Packets == nil {
		return fmt.Errorf("there is nothing to prove: packets are not compared: %s", r.PacketsError)
	}
	list, err := prove.Regions(ctx, old.Snapshot, new.Snapshot, r.Packets.Compared)
	if err != nil {
		err = fmt.Errorf("--prove: %w", err)
		var staged *lab.StageError
		if errors.As(err, &staged) && !errors.Is(err, netns.ErrNotPermitted) {
			return hintf(err, "--prove loads both firewalls with this host's own tools, and looks on with nft: they must know all the rules")
		}
		return err
	}
	proofs := make([]ci.Proof, len(list))
	for i := range list {
		p := &list[i]
		proofs[i] = ci.Proof{Agrees: p.Agrees(), NotProved: p.NotProved, Sent: p.Sent}
		if p.NotProved == "" {
			proofs[i].Old, proofs[i].New = (*ci.ProofSide)(&p.Old), (*ci.ProofSide)(&p.New)
		}
	}
	r.Packets.AddProofs(proofs)
	return nil
}

// disagreement is the error of a report whose claims a kernel contradicts.
func disagreement(r *ci.Report, old, new ci.Side) error {
	if r.Packets == nil || r.Packets.Proof == nil || r.Packets.Proof.Disagree == 0 {
		return nil
	}
	for i := range r.Packets.Regions {
		if p := r.Packets.Regions[i].Proof; p.Wrong() {
			return hintf(fmt.Errorf("the kernel disagrees with %d of the report's claims, which is a bug of fwc: %s: %s", r.Packets.Proof.Disagree, p.Sent, p),
				"please report it with %s and %s, or their dumps, this kernel's version (uname -r) and iptables -V", old.Name, new.Name)
		}
	}
	return nil
}
