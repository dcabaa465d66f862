package ci

import (
	"fmt"
	"strconv"

	"github.com/fwc-dev/fwc/ruleset"
)

// section is a part of a report as text and Markdown show it. Its texts are
// untrusted and not yet made safe.
type section struct {
	// name is "ip filter" and kind "iptables on nft" or the like.
	name, kind string
	// title stands for them where it is not "".
	title  string
	counts Counts
	lines  []line
	// places are the counts by chain or set, for a summary.
	places []placeCount
}

type placeCount struct {
	name   string
	counts Counts
	at     where
	about  string // of a chain: its policy and how many rules it has
	first  int    // the line with which it begins
}

// The names of the sections that are no table.
const (
	artifactName = "artifact"
	setsName     = "ipsets"
	sysctlsName  = "sysctls"
)

// line is a line of a section.
type line struct {
	mark     mark
	old, new int // positions, 0 for none
	width    int // of a position in this group of lines, 0 for none
	text     string
	source   string
	gap      int // of skipped: how many rules
}

type mark byte

// The marks. A change of short texts is one line, changed; one of rules is two,
// changedOld and changedNew.
const (
	heading    mark = '@'
	unchanged  mark = ' '
	added      mark = '+'
	removed    mark = '-'
	changedOld mark = '<'
	changedNew mark = '='
	changed    mark = '~'
	moved      mark = '>'
	skipped    mark = '.' // unchanged rules that are not shown
)

func markOf(k ruleset.ChangeKind) mark {
	switch k {
	case ruleset.Added:
		return added
	case ruleset.Removed:
		return removed
	case ruleset.Moved:
		return moved
	}
	return changed
}

// sections returns the report's parts: each table, the ipsets, the sysctls,
// the artifact. members is how many of a batch are named.
func (r *Report) sections(members int) []section {
	var out []section
	context := map[where]*Context{}
	for i := range r.Context {
		c := &r.Context[i]
		context[c.place()] = c
	}
	var s *section
	var w writer
	for i := 0; i < len(r.Structure); {
		it := &r.Structure[i]
		name, kind := titleOf(it)
		if s == nil || s.name != name || s.kind != kind {
			out = append(out, section{name: name, kind: kind})
			s = &out[len(out)-1]
			w = writer{section: s, members: members}
		}
		end := i + 1
		for end < len(r.Structure) && sameGroup(it, &r.Structure[end]) {
			end++
		}
		w.group(r.Structure[i:end], context[place(it)])
		i = end
	}
	if s := r.artifactSection(); len(s.lines) > 0 {
		out = append(out, s)
	}
	return out
}

// titleOf names the section that an item belongs to.
func titleOf(it *Item) (name, kind string) {
	switch it.Subject {
	case ruleset.SubjectSet, ruleset.SubjectMember:
		return setsName, ""
	case ruleset.SubjectSysctl:
		return sysctlsName, ""
	}
	kind = "nft"
	if program := it.Family.XTables(); !it.Native && program != "" {
		kind = fmt.Sprintf("%s on %s", program, it.Backend)
	}
	return string(it.Family) + " " + it.Table, kind
}

// sameGroup says whether two items are about one chain, set or table head.
func sameGroup(a, b *Item) bool {
	return place(a) == place(b) && a.Object == b.Object && (a.Object != "" || titled(a) == titled(b))
}

// titled says whether the item is about a chain and not its table.
func titled(a *Item) bool { return a.Chain != "" }

func (r *Report) artifactSection() section {
	s := section{name: artifactName}
	for _, f := range r.Artifact {
		s.counts.add(f.Kind, 1)
		name := f.Field
		if f.Name != "" {
			name += " " + f.Name
		}
		text := name
		switch {
		case f.Kind == ruleset.Changed && f.Field == FieldScript:
			text = fmt.Sprintf("%s: %.12s… → %.12s…", name, f.Old, f.New)
		case f.Kind == ruleset.Changed:
			text = fmt.Sprintf("%s: %s → %s", name, f.Old, f.New)
		case f.Old+f.New != "":
			text = fmt.Sprintf("%s: %s", name, f.Old+f.New)
		}
		s.lines = append(s.lines, line{mark: markOf(f.Kind), text: text})
	}
	if len(s.lines) > 0 {
		s.places = []placeCount{{counts: s.counts}}
	}
	return s
}

// writer adds groups of items to a section.
type writer struct {
	*section
	members int
}

// group adds the items of one chain, set, object, sysctl or table head.
func (w *writer) group(items []Item, context *Context) {
	first := &items[0]
	start := len(w.lines)
	defer func() { align(w.lines[start:]) }()
	var counts Counts
	for i := range items {
		counts.add(items[i].Kind, items[i].count())
	}
	w.counts.Added += counts.Added
	w.counts.Removed += counts.Removed
	w.counts.Moved += counts.Moved
	w.counts.Changed += counts.Changed
	name := first.Object
	if first.Chain != "" {
		name = first.Chain
	}
	if first.Subject == ruleset.SubjectSysctl {
		w.places = []placeCount{{counts: w.counts}} // one place for all of them
	} else {
		w.places = append(w.places, placeCount{name: name, counts: counts, at: place(first), first: start})
	}
	switch {
	case first.Subject == ruleset.SubjectTable || first.Subject == ruleset.SubjectFlags:
		for i := range items {
			w.plain(&items[i], string(items[i].Subject))
		}
	case first.Subject == ruleset.SubjectSysctl:
		w.plain(first, first.Object+" =")
	case first.Object != "":
		w.setHead(first)
		for i := range items {
			w.member(&items[i])
		}
	default:
		w.chain(items, context)
	}
}

// align gives all lines the width of the widest position among them.
func align(lines []line) {
	most := 0
	for _, l := range lines {
		most = max(most, l.old, l.new)
	}
	if most == 0 {
		return
	}
	for i := range lines {
		lines[i].width = len(strconv.Itoa(most))
	}
}

// plain adds "NAME OLD → NEW", or two lines where the texts are long.
func (w *writer) plain(it *Item, name string) {
	name += mayBe(name != "", " ")
	text := it.New
	switch {
	case it.Kind == ruleset.Removed:
		text = it.Old
	case it.Kind == ruleset.Changed && len(it.Old)+len(it.New) > 80:
		w.lines = append(w.lines, line{mark: changedOld, text: name + it.Old, source: it.OldSource},
			line{mark: changedNew, text: name + it.New, source: it.Source})
		return
	case it.Kind == ruleset.Changed:
		text = it.Old + " → " + it.New
	}
	w.lines = append(w.lines, line{mark: markOf(it.Kind), text: name + text, source: it.Source})
}

func (w *writer) setHead(it *Item) {
	name := it.Object
	if it.Family == "" {
		name = "ipset " + name
	}
	w.lines = append(w.lines, line{mark: heading, text: name})
}

// member adds what happened to a set's head, or to its members.
func (w *writer) member(it *Item) {
	switch {
	case it.Subject == ruleset.SubjectSet:
		w.plain(it, "create")
	case it.Subject == ruleset.SubjectObject:
		w.plain(it, "declared")
	case it.OldIndex+it.NewIndex > 0:
		w.lines = append(w.lines, line{mark: markOf(it.Kind), old: it.OldIndex, new: it.NewIndex, text: it.Old + mayBe(it.Kind != ruleset.Moved, it.New)})
	case it.Kind == ruleset.Changed:
		for i := range min(w.members, len(it.OldMembers)) {
			w.lines = append(w.lines, line{mark: changed, text: it.OldMembers[i] + " → " + it.NewMembers[i]})
		}
		if more := len(it.OldMembers) - w.members; more > 0 {
			w.lines = append(w.lines, line{mark: changed, text: fmt.Sprintf("… and %s more changed", grouped(more))})
		}
	default:
		w.batch(it)
	}
}

// batch adds the members that came or went, several on a line.
func (w *writer) batch(it *Item) {
	const width = 72
	list := it.NewMembers
	if it.Kind == ruleset.Removed {
		list = it.OldMembers
	}
	text := ""
	flush := func() {
		if text != "" {
			w.lines = append(w.lines, line{mark: markOf(it.Kind), text: text})
		}
		text = ""
	}
	for _, m := range list[:min(w.members, len(list))] {
		if text != "" && len(text)+2+len(m) > width {
			flush()
		}
		text += mayBe(text != "", ", ") + m
	}
	flush()
	if more := len(list) - w.members; more > 0 {
		w.lines = append(w.lines, line{mark: markOf(it.Kind), text: fmt.Sprintf("… and %s more, %s in all", grouped(more), grouped(len(list)))})
	}
}

// mayBe returns text if the condition holds.
func mayBe(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}
