package lab

import (
	"fmt"
	"strings"
)

// Expectation is what a test wants; zero fields want nothing.
type Expectation struct {
	Verdict Verdict
	// Reject is the answer of a rejection, as iptables names it: tcp-reset,
	// icmp-port-unreachable, icmp6-adm-prohibited, …
	Reject string
	// By is the host where it arrived.
	By string
	// Answer is what a service said.
	Answer *string
	// Source and Destination are as the far side sees them: ADDRESS,
	// ADDRESS:PORT, or :PORT.
	Source, Destination string
	// Mark is the packet's at its last hook in the router.
	Mark *Mark
	// Passed is how many of Times are accepted, Low to High.
	Passed *Range
}

// Mark is a value of a packet's mark under a mask.
type Mark struct{ Value, Mask uint32 }

// Range is both ends included.
type Range struct{ Low, High int }

func (m Mark) String() string {
	if m.Mask == ^uint32(0) {
		return fmt.Sprintf("%#x", m.Value)
	}
	return fmt.Sprintf("%#x/%#x", m.Value, m.Mask)
}

func (r Range) String() string {
	if r.Low == r.High {
		return fmt.Sprint(r.Low)
	}
	return fmt.Sprintf("%d-%d", r.Low, r.High)
}

// String is the short form of an expectation.
func (e Expectation) String() string { return e.text(0) }

func (e Expectation) text(times int) string {
	var w []string
	switch {
	case e.Passed != nil:
		w = append(w, fmt.Sprintf("%s of %d accepted", e.Passed, times))
	case e.Verdict != "":
		w = append(w, string(e.Verdict))
	}
	if e.Reject != "" {
		w = append(w, "with "+e.Reject)
	}
	if e.By != "" {
		w = append(w, "by "+e.By)
	}
	if e.Answer != nil {
		w = append(w, fmt.Sprintf("answer %q", *e.Answer))
	}
	if e.Source != "" {
		w = append(w, "source "+e.Source)
	}
	if e.Destination != "" {
		w = append(w, "destination "+e.Destination)
	}
	if e.Mark != nil {
		w = append(w, "mark "+e.Mark.String())
	}
	return strings.Join(w, " ")
}
