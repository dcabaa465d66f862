package packets

import (
	"slices"
	"strings"
)

// Verdict is how a packet's way ends.
type Verdict string

// The verdicts.
const (
	Accept  Verdict = "accepted"
	Drop    Verdict = "dropped"
	Reject  Verdict = "rejected"
	Queue   Verdict = "queued" // to a program
	Handled Verdict = "handed" // to a target that packet space does not know
)

// Outcome is what becomes of a packet.
type Outcome struct {
	Verdict Verdict
	// With is the answer of a REJECT, the queue, or the unknown target.
	With string
	// Destination and Source are translations of an accepted packet: "DNAT
	// --to-destination 192.0.2.1:80", "MASQUERADE".
	Destination, Source string
	// Marks are the changes of the packet's and its connection's mark, and of
	// the type of service and time to live.
	Marks []string
	// Notes are further changes, as the targets write them.
	Notes []string
	// Partly is what becomes of some packets of a region beside.
	Partly []string
	// If is the match that all of this depends on, of a region that a changed
	// rate makes, and Else what becomes of the other packets; "" of others.
	If, Else string
}

// String returns the outcome in words: "accepted, DNAT --to-destination
// 192.0.2.1", "rejected with tcp-reset".
func (o Outcome) String() string {
	var b strings.Builder
	b.WriteString(string(o.Verdict))
	if o.With != "" {
		switch o.Verdict {
		case Reject:
			b.WriteString(" with ")
		default:
			b.WriteString(" to ")
		}
		b.WriteString(o.With)
	}
	for _, s := range o.extras() {
		b.WriteString(", ")
		b.WriteString(s)
	}
	for i, s := range o.Partly {
		if i == shown-1 && len(o.Partly) > shown {
			b.WriteString(" and others")
			break
		}
		b.WriteString(", partly ")
		b.WriteString(s)
	}
	if o.If != "" {
		b.WriteString(", if " + o.If + ", else " + o.Else)
	}
	return b.String()
}

// extras is what an outcome says beside the verdict.
func (o Outcome) extras() []string {
	var out []string
	for _, s := range append(append([]string{o.Destination, o.Source}, o.Marks...), o.Notes...) {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// together is what outcomes of one verdict have in common, and partly.
func together(list []Outcome) Outcome {
	out := list[0]
	out.Marks, out.Notes = nil, nil
	common := func(s string) bool {
		return !slices.ContainsFunc(list, func(o Outcome) bool { return !slices.Contains(o.extras(), s) })
	}
	if !common(out.Destination) {
		out.Destination = ""
	}
	if !common(out.Source) {
		out.Source = ""
	}
	for _, s := range list[0].Marks {
		if common(s) {
			out.Marks = append(out.Marks, s)
		}
	}
	for _, s := range list[0].Notes {
		if common(s) {
			out.Notes = append(out.Notes, s)
		}
	}
	for _, o := range list {
		for _, s := range o.extras() {
			if !common(s) && !slices.Contains(out.Partly, s) {
				out.Partly = append(out.Partly, s)
			}
		}
	}
	return out
}

// Passes says whether the packet gets through.
func (o Outcome) Passes() bool { return o.Verdict == Accept }

// outcome describes how a packet with an effect ended. What was done to a
// packet that does not pass is of no account, but for a set's new members. Its
// time to live is told as it leaves, hops less than effects have it.
func (u *universe) outcome(v Verdict, with string, e effect, hops int) Outcome {
	o := Outcome{Verdict: v, With: with}
	if v == Drop || v == Reject {
		for _, n := range u.notesOf(int(e.notes)) {
			if isSetNote(n) {
				o.Notes = append(o.Notes, n)
			}
		}
		return o
	}
	o.Destination = u.translations[e.translation].text
	o.Source = u.sources[e.source].text
	add := func(s string) {
		if s != "" {
			o.Marks = append(o.Marks, s)
		}
	}
	add(e.mark.told(e.markMade, keepMark, "mark", "connection mark"))
	add(e.connmark.told(e.connmarkMade, keepConnmark, "connection mark", "mark"))
	add(describeTOS(e.tosKeep, e.tosFlip))
	add(e.ttl.describe(hops))
	if e.notrack {
		add("untracked")
	}
	o.Notes = u.notesOf(int(e.notes))
	return o
}

// isSetNote says that a remark is about a set's members, which outlive the
// packet.
func isSetNote(n string) bool {
	return strings.HasPrefix(n, "-j SET ") || strings.HasPrefix(n, "-m recent ")
}
