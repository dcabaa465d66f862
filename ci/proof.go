package ci

import (
	"fmt"
	"strings"
)

// Proof is what kernels made of a region's example, beside what is claimed of
// it.
type Proof struct {
	// Agrees says that on both sides the kernel did as claimed. It is false of
	// an example that is not proved.
	Agrees bool `json:"agrees"`
	// NotProved is why the example could not be sent truthfully; then Old and New
	// are nil.
	NotProved string     `json:"notProved,omitempty"`
	Old       *ProofSide `json:"old,omitempty"`
	New       *ProofSide `json:"new,omitempty"`
	// Sent is the packet in words that fwc trace --packet takes.
	Sent string `json:"sent,omitempty"`
}

// ProofSide is the claim about one firewall and what its kernel did.
type ProofSide struct {
	Claimed string `json:"claimed"`
	Seen    string `json:"seen"`
	Agrees  bool   `json:"agrees"`
}

// Proofs counts the examples by what kernels made of them.
type Proofs struct {
	Proved    int `json:"proved"`
	NotProved int `json:"notProved"`
	// Disagree is how often a kernel did something else than was claimed: each is
	// a bug of fwc.
	Disagree int `json:"disagree"`
}

// AddProofs puts the proofs beside their regions, in the order of
// Packets.Compared.
func (p *Packets) AddProofs(list []Proof) {
	p.Proof = &Proofs{}
	for i := range list {
		x := list[i]
		x.NotProved, x.Sent = valid(x.NotProved), valid(x.Sent)
		for _, side := range []*ProofSide{x.Old, x.New} {
			if side != nil {
				side.Claimed, side.Seen = valid(side.Claimed), valid(side.Seen)
			}
		}
		switch {
		case x.NotProved != "":
			p.Proof.NotProved++
		case x.Agrees:
			p.Proof.Proved++
		default:
			p.Proof.Disagree++
		}
		p.Regions[i].Proof = &x
	}
}

// String is the proof in one line: "as claimed: dropped → accepted, left by
// eth1".
func (p *Proof) String() string {
	switch {
	case p.NotProved != "":
		return "not proved: " + p.NotProved
	case p.Agrees:
		return "as claimed: " + p.Old.Seen + " → " + p.New.Seen
	}
	var parts []string
	for _, side := range []struct {
		word string
		*ProofSide
	}{{"old", p.Old}, {"new", p.New}} {
		if !side.Agrees {
			parts = append(parts, fmt.Sprintf("%s firewall claimed %s, kernel %s", side.word, side.Claimed, side.Seen))
		}
	}
	return "DISAGREES: " + strings.Join(parts, "; ")
}

// Wrong says that a kernel did something else than was claimed.
func (p *Proof) Wrong() bool { return p != nil && !p.Agrees && p.NotProved == "" }

// sentence is the proofs in one line, "" where nobody asked.
func (p *Packets) proofSentence() string {
	if p.Proof == nil || len(p.Regions) == 0 {
		return ""
	}
	n := p.Proof
	all := n.Proved + n.NotProved + n.Disagree
	s := fmt.Sprintf("%s of %s %s sent through both firewalls fared as claimed", grouped(n.Proved), grouped(all), plural(all, "example", "examples"))
	if n.NotProved > 0 {
		s += fmt.Sprintf(", %s could not be proved", grouped(n.NotProved))
	}
	if n.Disagree > 0 {
		s += fmt.Sprintf("; THE KERNEL DISAGREES with %s, a bug of fwc", grouped(n.Disagree))
	}
	return s
}
