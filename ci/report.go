package ci

import (
	"strings"
	"unicode/utf8"

	"github.com/fwc-dev/fwc/ruleset"
)

// Report is what changed between two sides. Make one with New. Its JSON is
// described by Schema.
type Report struct {
	Schema string `json:"schema"`
	// Equal says that both sides are the same firewall: Structure is empty.
	// The artifacts may differ all the same, in serial or script for instance:
	// see Artifact and Differs.
	Equal bool `json:"equal"`
	Old   Head `json:"old"`
	New   Head `json:"new"`
	// Summary counts Structure, by subject. A batch counts its members.
	Summary map[ruleset.Subject]Counts `json:"summary"`
	// Packets is what that does to packets, nil where it was not asked for or
	// could not be told; see ComparePackets.
	Packets *Packets `json:"packets,omitempty"`
	// PacketsError is why it could not be told, "" if it could.
	PacketsError string `json:"packetsError,omitempty"`
	// Artifact are the differences of two artifacts beside the firewall.
	Artifact []Fact `json:"artifact"`
	// Structure are the differences of the firewalls, in the order of
	// ruleset.Diff.
	Structure []Item `json:"structure"`
	// Context are the unchanged rules around changed ones, a chain each, in
	// the order of Structure.
	Context []Context `json:"context"`
	// Notes are sentences on the comparison itself.
	Notes []string `json:"notes,omitempty"`
	// Chart is the shape of both firewalls, nil where nobody asked; see
	// AddChart.
	Chart []ChartTable `json:"-"`
}

// Head names a side.
type Head struct {
	Name   string `json:"name"`
	Digest string `json:"digest,omitempty"`
	Serial uint64 `json:"serial,omitempty"`
	Script string `json:"script,omitempty"`
}

// Counts are numbers of changes by kind.
type Counts struct {
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Moved   int `json:"moved"`
	Changed int `json:"changed"`
}

func (c *Counts) add(kind ruleset.ChangeKind, n int) {
	switch kind {
	case ruleset.Added:
		c.Added += n
	case ruleset.Removed:
		c.Removed += n
	case ruleset.Moved:
		c.Moved += n
	case ruleset.Changed:
		c.Changed += n
	}
}

func (c Counts) total() int { return c.Added + c.Removed + c.Moved + c.Changed }

// Item is one structural difference, or a batch of members of one set. The
// fields are those of ruleset.Change.
type Item struct {
	Family  ruleset.Family     `json:"family"`
	Backend ruleset.Backend    `json:"backend"`
	Table   string             `json:"table"`
	Native  bool               `json:"native,omitempty"`
	Chain   string             `json:"chain"`
	Object  string             `json:"object,omitempty"`
	Subject ruleset.Subject    `json:"subject"`
	Kind    ruleset.ChangeKind `json:"kind"`
	Old     string             `json:"old"`
	New     string             `json:"new"`
	// OldIndex and NewIndex are positions from 1, absent where there is none.
	OldIndex int `json:"oldIndex,omitempty"`
	NewIndex int `json:"newIndex,omitempty"`
	// Line is the line of the new dump, of the old one for what was removed.
	Line      int    `json:"line"`
	OldLine   int    `json:"oldLine,omitempty"`
	Source    string `json:"source,omitempty"` // script:line
	OldSource string `json:"oldSource,omitempty"`
	// OldMembers and NewMembers are a batch: the members of one ipset, or the
	// elements of one native set, that were removed, added, or changed (then
	// both, pair by pair). Old and New are empty then.
	OldMembers []string `json:"oldMembers,omitempty"`
	NewMembers []string `json:"newMembers,omitempty"`
}

// count is how many changes the item stands for.
func (i *Item) count() int { return max(1, len(i.OldMembers), len(i.NewMembers)) }

// New compares two sides.
func New(old, new Side) *Report {
	changes := ruleset.Diff(old.Snapshot, new.Snapshot)
	r := &Report{
		Schema: SchemaName, Equal: len(changes) == 0, Old: head(old), New: head(new),
		Summary: map[ruleset.Subject]Counts{}, Artifact: facts(old, new),
		Structure: items(changes), Context: contexts(old.Snapshot, new.Snapshot, changes),
	}
	for i := range r.Structure {
		it := &r.Structure[i]
		c := r.Summary[it.Subject]
		c.add(it.Kind, it.count())
		r.Summary[it.Subject] = c
	}
	if r.Equal && digest(old.Snapshot) != digest(new.Snapshot) {
		r.Notes = append(r.Notes, "the dumps' texts differ, in an order or a spelling that has no meaning")
	}
	return r
}

// Differs says whether anything differs that decides what a host does: the
// firewall, or what of the artifacts says where and until when it applies. A
// newer serial, another script with the same outcome and another signer are
// no such difference.
func (r *Report) Differs() bool {
	if !r.Equal {
		return true
	}
	for _, f := range r.Artifact {
		switch f.Field {
		case FieldSerial, FieldScriptName, FieldScript, FieldSigner:
		default:
			return true
		}
	}
	return false
}

func head(s Side) Head {
	return Head{Name: valid(s.Name), Digest: s.Digest, Serial: s.Serial, Script: valid(s.ScriptName)}
}

func digest(s *ruleset.Snapshot) string {
	if s == nil {
		s = new(ruleset.Snapshot)
	}
	return s.Digest()
}

// items turns changes into items; members whose order has no meaning come in
// one batch for each set and kind.
func items(changes []ruleset.Change) []Item {
	out := make([]Item, 0, len(changes))
	for _, c := range changes {
		it := Item{
			Family: c.Family, Backend: c.Backend, Table: valid(c.Table), Native: c.Native, Chain: valid(c.Chain),
			Object: valid(c.Object), Subject: c.Subject, Kind: c.Kind, Old: valid(c.Old), New: valid(c.New),
			OldIndex: c.OldIndex, NewIndex: c.NewIndex, Line: c.Line, OldLine: c.OldLine,
			Source: valid(c.Source.String()), OldSource: valid(c.OldSource.String()),
		}
		if (c.Subject == ruleset.SubjectMember || c.Subject == ruleset.SubjectElement) && c.OldIndex+c.NewIndex == 0 {
			out = batch(out, it)
			continue
		}
		out = append(out, it)
	}
	return out
}

// batch puts a member into the batch of its set and kind, which is among the
// last three items if it is there.
func batch(out []Item, it Item) []Item {
	old, new := it.Old, it.New
	it.Old, it.New = "", ""
	at := -1
	for k := len(out) - 1; k >= max(0, len(out)-3); k-- {
		o := &out[k]
		if o.Subject == it.Subject && o.Object == it.Object && o.Kind == it.Kind && place(o) == place(&it) {
			at = k
		}
	}
	if at < 0 {
		out = append(out, it)
		at = len(out) - 1
	}
	o := &out[at]
	if it.Kind != ruleset.Added {
		o.OldMembers = append(o.OldMembers, old)
	}
	if it.Kind != ruleset.Removed {
		o.NewMembers = append(o.NewMembers, new)
	}
	return out
}

// where is the chain of an item, or its table.
type where struct {
	family  ruleset.Family
	backend ruleset.Backend
	table   string
	native  bool
	chain   string
}

func place(i *Item) where { return where{i.Family, i.Backend, i.Table, i.Native, i.Chain} }

// valid returns s with each byte that is not UTF-8 written as \xNN: JSON
// would make all of them one character, and different rules alike.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b.WriteString(`\x` + string(hex[s[i]>>4]) + string(hex[s[i]&15]))
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
