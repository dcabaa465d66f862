package packets

import (
	"slices"
	"strings"
)

// Atom is a match that packet space does not look into: a named unknown.
type Atom struct {
	// Text is the match as the rule writes it: -m limit --limit 5/min.
	Text string
	// Scope is where it stands, of a match that counts: two of them in two
	// places are two unknowns. It is "" of one that depends on the packet and
	// the host alone, which is the same everywhere.
	Scope string
}

// String returns the text, with the place of a match that counts.
func (a Atom) String() string {
	if a.Scope == "" {
		return a.Text
	}
	return a.Text + " (" + a.Scope + ")"
}

// universe is what the two sides of a comparison share: the unknowns, the
// translations and the remarks, each under a number that means the same on
// both.
type universe struct {
	v6        bool
	fragments bool // some rule asks for fragments
	// tracking are the kinds of rules that say how packets are tracked.
	tracking tracking
	// hops says that some rule changes times to live before packets are forwarded.
	hops bool
	// marksMade says that some rule makes a mark that is not followed, marksSame
	// that the same rules change marks on both sides.
	marksMade, marksSame bool
	// filled are the sets that are filled at run time.
	filled map[string]filling

	atoms     []Atom
	atomIndex map[Atom]int
	// readsDst says of an atom that it may look at the destination: behind a
	// translation it is another unknown.
	readsDst map[int]bool

	translations     []translation
	translationIndex map[string]int
	sources          []translation // of the source
	sourceIndex      map[string]int
	notes            []string // sets of remarks, one a line
	noteIndex        map[string]int
}

func newUniverse(v6 bool) *universe {
	return &universe{
		v6: v6, atomIndex: map[Atom]int{}, readsDst: map[int]bool{},
		translations: make([]translation, 1), translationIndex: map[string]int{"": 0},
		sources: make([]translation, 1), sourceIndex: map[string]int{"": 0},
		notes: make([]string, 1), noteIndex: map[string]int{"": 0},
	}
}

// atom returns the condition that an unknown holds.
func (u *universe) atom(text, scope string, readsDst bool) *condition {
	return &condition{op: atomic, atom: u.atomNumber(Atom{text, scope}, readsDst)}
}

func (u *universe) atomNumber(a Atom, readsDst bool) int {
	n, ok := u.atomIndex[a]
	if !ok {
		n = len(u.atoms)
		u.atoms, u.atomIndex[a] = append(u.atoms, a), n
	}
	if readsDst {
		u.readsDst[n] = true
	}
	return n
}

// behind returns the unknown that a is behind translation k.
func (u *universe) behind(a Atom, k int) Atom {
	a.Text += ", after " + u.translations[k].text
	return a
}

// translation is a change of a packet's destination or source.
type translation struct {
	text string // DNAT to 192.0.2.1:80
	// to and port are what the address may be afterwards: one value, one of
	// a range, or, where they are nil, as before.
	to, port spans
	// same is the condition of packets that have it already.
	same *condition
	// local says that nobody here knows the address, redirect that it is the
	// one of the host's own that a REDIRECT gives.
	local, redirect bool
	// maps says that it is a NETMAP: of a destination the bits of hosts stay,
	// and the others become those of network. from are the destinations that its
	// rules ask for, and wide says that those are too many networks to follow.
	maps, wide     bool
	network, hosts value
	from           spans
}

// known says that the address behind the translation is known.
func (t *translation) known() bool { return !t.local && (t.to == nil || t.to[0].low == t.to[0].high) }

func (t *translation) knownPort() bool { return t.port == nil || t.port[0].low == t.port[0].high }

// redirects says that some rule makes packets ones to this host.
func (u *universe) redirects() bool {
	return slices.ContainsFunc(u.translations, func(t translation) bool { return t.redirect })
}

func (u *universe) translation(t translation) int {
	n, ok := u.translationIndex[t.text]
	if !ok {
		n = len(u.translations)
		u.translations, u.translationIndex[t.text] = append(u.translations, t), n
	}
	return n
}

func (u *universe) source(t translation) int {
	n, ok := u.sourceIndex[t.text]
	if !ok {
		n = len(u.sources)
		u.sources, u.sourceIndex[t.text] = append(u.sources, t), n
	}
	return n
}

// note returns the set of remarks that has one more.
func (u *universe) note(set int, text string) int {
	lines := strings.Split(u.notes[set], "\n")
	if set == 0 {
		lines = nil
	}
	for i, l := range lines {
		if l == text {
			return set
		}
		if l > text {
			lines = append(lines[:i:i], append([]string{text}, lines[i:]...)...)
			return u.noteSet(lines)
		}
	}
	return u.noteSet(append(lines, text))
}

func (u *universe) noteSet(lines []string) int {
	key := strings.Join(lines, "\n")
	n, ok := u.noteIndex[key]
	if !ok {
		n = len(u.notes)
		u.notes, u.noteIndex[key] = append(u.notes, key), n
	}
	return n
}

// notesOf returns the remarks of a set.
func (u *universe) notesOf(set int) []string {
	if set == 0 {
		return nil
	}
	return strings.Split(u.notes[set], "\n")
}
