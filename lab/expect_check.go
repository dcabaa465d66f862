package lab

import (
	"fmt"
	"net/netip"
	"strings"
)

// Meets says whether a flow became what is expected of it. Passed is not looked
// at: it is about many.
func (e Expectation) Meets(f Finding) bool {
	switch {
	case e.Verdict != "" && f.Verdict != e.Verdict,
		e.Reject != "" && f.Reject != e.Reject,
		e.By != "" && f.By != e.By,
		e.Answer != nil && strings.TrimRight(f.Answer, "\r\n") != strings.TrimRight(*e.Answer, "\r\n"),
		!endpointIs(e.Source, f.Source), !endpointIs(e.Destination, f.Destination),
		e.Mark != nil && f.Mark&e.Mark.Mask != e.Mark.Value&e.Mark.Mask:
		return false
	}
	return true
}

// endpointIs holds ADDRESS or ADDRESS:PORT against what is wanted of it: the
// same, the address alone, or :PORT.
func endpointIs(want, got string) bool {
	if want == "" || want == got {
		return true
	}
	ap, err := netip.ParseAddrPort(got)
	return err == nil && (want == ap.Addr().String() || want == fmt.Sprintf(":%d", ap.Port()))
}

// judge holds all flows of a test against its expectation, and says in words
// what became of them.
func (t *Test) judge(found []Finding) (ok bool, got string) {
	if len(found) == 1 && t.Expect.Passed == nil {
		return t.Expect.Meets(found[0]), found[0].String()
	}
	passed, ok, odd := 0, true, -1
	for i, f := range found {
		if f.Verdict == Accepted {
			passed++
		}
		if t.Expect.Passed != nil && f.Verdict != Accepted {
			continue // that some do not pass is what is expected
		}
		if !t.Expect.Meets(f) && odd < 0 {
			odd, ok = i, false
		}
	}
	got = fmt.Sprintf("%d of %d accepted", passed, len(found))
	if p := t.Expect.Passed; p != nil && (passed < p.Low || passed > p.High) {
		ok = false
	}
	if odd < 0 {
		odd = firstNot(found)
	}
	if odd >= 0 {
		got += fmt.Sprintf("; number %d %s", odd+1, found[odd])
	}
	return ok, got
}

func firstNot(found []Finding) int {
	for i, f := range found {
		if f.Verdict != Accepted {
			return i
		}
	}
	return -1
}

// Expected is the short form of what a test expects.
func (t *Test) Expected() string { return t.Expect.text(t.Times) }
