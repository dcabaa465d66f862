package packets

import "fmt"

// linear is a change of 32 bits: of each bit on its own, by this mark's bit,
// the other mark's and a constant. Every operation of MARK and CONNMARK is one.
type linear struct {
	mark, connmark, constant uint32 // new = mark&m ^ connmark&c ^ constant
}

var keepMark, keepConnmark = linear{mark: 1<<32 - 1}, linear{connmark: 1<<32 - 1}

// after returns the change that l makes of marks changed before.
func (l linear) after(m, c linear) linear {
	return linear{
		mark:     l.mark&m.mark ^ l.connmark&c.mark,
		connmark: l.mark&m.connmark ^ l.connmark&c.connmark,
		constant: l.mark&m.constant ^ l.connmark&c.constant ^ l.constant,
	}
}

func (l linear) apply(mark, connmark uint32) uint32 {
	return l.mark&mark ^ l.connmark&connmark ^ l.constant
}

// effect is what was done to a packet so far.
type effect struct {
	mark, connmark linear
	// markMade and connmarkMade say that nobody here knows the mark: it is a
	// hash, or a shift of what it was.
	markMade, connmarkMade bool
	// tosKeep are the bits of the type of service that stay, tosFlip those that
	// are then turned.
	tosKeep, tosFlip uint8
	notrack          bool
	template         bool // of CT other than NOTRACK
	ttl              lifetime
	translation      int32 // of the destination, universe.translations
	source           int32 // translation, universe.sources
	notes            int32 // universe.notes: further changes
	// settled says that a nat table has decided: no other one is asked.
	settled bool
}

var noEffect = effect{mark: keepMark, connmark: keepConnmark, tosKeep: 255, ttl: sameLifetime}

// then returns the effect of e and after it f.
func (u *universe) then(e, f effect) effect {
	out := effect{
		mark: f.mark.after(e.mark, e.connmark), connmark: f.connmark.after(e.mark, e.connmark),
		tosKeep: e.tosKeep & f.tosKeep, tosFlip: e.tosFlip&f.tosKeep ^ f.tosFlip,
		notrack: e.notrack || f.notrack, template: e.template || f.template, ttl: e.ttl.then(f.ttl),
		translation: e.translation, source: e.source, notes: e.notes, settled: e.settled || f.settled,
	}
	out.markMade = f.markMade || f.mark.mark != 0 && e.markMade || f.mark.connmark != 0 && e.connmarkMade
	out.connmarkMade = f.connmarkMade || f.connmark.connmark != 0 && e.connmarkMade || f.connmark.mark != 0 && e.markMade
	if f.translation != 0 {
		out.translation = f.translation
	}
	if f.source != 0 {
		out.source = f.source
	}
	if f.notes != 0 {
		for _, n := range u.notesOf(int(f.notes)) {
			out.notes = int32(u.note(int(out.notes), n))
		}
	}
	return out
}

// told says what a change of a mark does, also of one that is not followed; ""
// for nothing.
func (l linear) told(made bool, own linear, name, other string) string {
	s := l.describe(own, name, other)
	switch {
	case made && (s == "" || l == linear{}):
		return name + " not followed"
	case made:
		return s + ", then not followed"
	}
	return s
}

// describe says what a change of a mark does, "" for nothing.
func (l linear) describe(own linear, name, other string) string {
	if l == own {
		return ""
	}
	keep, copied := l.mark, l.connmark
	if own == keepConnmark {
		keep, copied = copied, keep
	}
	set := ^(keep | copied)
	switch {
	case keep == 0 && copied == 0:
		return fmt.Sprintf("%s 0x%x", name, l.constant)
	case keep == 0 && copied == 1<<32-1 && l.constant == 0:
		return fmt.Sprintf("%s from the %s", name, other)
	case copied == 0 && l.constant&keep == 0:
		return fmt.Sprintf("%s 0x%x/0x%x", name, l.constant, set)
	}
	if keep == 0 && l.constant&copied == 0 {
		return fmt.Sprintf("%s from the %s's 0x%x, 0x%x else", name, other, copied, l.constant)
	}
	return fmt.Sprintf("%s = %s&0x%x ^ %s&0x%x ^ 0x%x", name, name, keep, other, copied, l.constant)
}
