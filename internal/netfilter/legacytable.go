package netfilter

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// LegacyTable is a table of the legacy backend in the kernel's own form: what
// iptables-legacy-restore hands over at COMMIT. Get it with LegacyTables in the
// namespace that holds it, and put it into another with ReplaceLegacy.
type LegacyTable struct {
	layout  *entryLayout
	name    string
	info    []byte // struct ipt_getinfo
	entries []byte
	sets    []setPlace
	rules   []entryKey // in the order of the entries
}

// setPlace is where the entries hold the index of an ipset.
type setPlace struct {
	at  int
	set string
}

// entryKey is what an entry is apart from its counters: a chain's name, and the
// rule or, where that is "", the chain's policy. The zero value is an entry
// that no chain shows.
type entryKey struct{ chain, rule string }

// String names the table as its tool does: "iptables-legacy table nat".
func (t *LegacyTable) String() string {
	return fmt.Sprintf("%s-legacy table %s", t.layout.kind, t.name)
}

// LegacyTables reads the tables of iptables-legacy and ip6tables-legacy that
// the calling thread's namespace has.
func LegacyTables() ([]*LegacyTable, error) {
	nl, err := dial()
	if err != nil {
		return nil, err
	}
	defer nl.Close()
	names := &setNames{nl: nl, known: map[uint16]string{}}
	var out []*LegacyTable
	for i := range legacyLayouts {
		l := &legacyLayouts[i]
		if l.kind == ruleset.ARPTables {
			continue
		}
		tables, err := legacyTables(l.kind)
		if err != nil {
			return nil, err
		}
		for _, name := range tables {
			t, err := l.table(names, name)
			if err != nil {
				return nil, fmt.Errorf("read %s legacy table %s: %w", l.kind, name, err)
			}
			out = append(out, t)
		}
	}
	return out, nil
}

// table reads one table whole, which creates it if it is not there.
func (l *entryLayout) table(names *setNames, name string) (*LegacyTable, error) {
	t := &LegacyTable{layout: l, name: name}
	var err error
	if t.info, t.entries, err = l.read(name); err != nil {
		return nil, err
	}
	chains, err := l.parse(names, t.info, t.entries)
	if err != nil {
		return nil, err
	}
	if t.sets, err = l.setPlaces(names, t.entries); err != nil {
		return nil, err
	}
	t.rules = make([]entryKey, t.count())
	at := map[int]int{} // offset to number
	for off := 0; off < len(t.entries); off += int(native16(t.entries[off+l.targetOffset+2:])) {
		at[off] = len(at)
	}
	if len(at) != len(t.rules) {
		return nil, fmt.Errorf("%d entries, %d counted", len(at), len(t.rules))
	}
	for _, c := range chains {
		for _, r := range c.rules {
			t.rules[at[int(r.handle)]] = entryKey{c.name, r.entryKey()}
		}
	}
	for h, name := range l.hooks {
		if native32(t.info[tableNameLen:])&(1<<h) != 0 {
			end := int(native32(t.info[tableNameLen+4+4*(len(l.hooks)+h):]))
			t.rules[at[end]] = entryKey{chain: name}
		}
	}
	return t, nil
}

// count is the number of entries, as the kernel says.
func (t *LegacyTable) count() int { return int(native32(t.info[len(t.info)-8:])) }

// entryKey is what makes the rule of an entry that rule.
func (r *objRule) entryKey() string {
	var b []byte
	for _, e := range r.exprs {
		b = binary.NativeEndian.AppendUint32(append(append(b, e.name...), 0), uint32(len(e.data)))
		b = append(b, e.data...)
		for _, s := range e.sets {
			b = append(append(b, s...), 0)
		}
	}
	return string(b)
}

// setPlaces finds the indices of ipsets in entries that parse has read.
func (l *entryLayout) setPlaces(names *setNames, entries []byte) (out []setPlace, err error) {
	add := func(kind string, at int) (size int, err error) {
		size, name, rev, err := extensionHeader(entries[at:])
		if err != nil {
			return 0, err
		}
		for _, o := range setOffsets(kind, name, rev) {
			index := native16(entries[at+extHeader+o:])
			if index == ipsetInvalid {
				continue
			}
			set, err := names.name(index)
			if err != nil {
				return 0, err
			}
			out = append(out, setPlace{at + extHeader + o, set})
		}
		return size, nil
	}
	for off := 0; off < len(entries); {
		target, next := int(native16(entries[off+l.targetOffset:])), int(native16(entries[off+l.targetOffset+2:]))
		for m := off + l.size; m < off+target; {
			size, err := add("match", m)
			if err != nil {
				return nil, err
			}
			m += size
		}
		if _, err := add("target", off+target); err != nil {
			return nil, err
		}
		off += next
	}
	return out, nil
}

// counters returns the counters in the entries, in their order.
func (t *LegacyTable) counters() []byte {
	out := make([]byte, 0, counterSize*t.count())
	for off := 0; off < len(t.entries); off += int(native16(t.entries[off+t.layout.targetOffset+2:])) {
		out = append(out, t.entries[off+t.layout.size-counterSize:off+t.layout.size]...)
	}
	return out
}

// carried returns the counters for t: of an entry that was has too those in
// old, which are was's, and of others t's own. Copies of a rule take theirs in
// order.
func (t *LegacyTable) carried(was *LegacyTable, old []byte) []byte {
	places := map[entryKey][]int{}
	for i, k := range was.rules {
		if k != (entryKey{}) {
			places[k] = append(places[k], i)
		}
	}
	out := t.counters()
	for i, k := range t.rules {
		if p := places[k]; len(p) > 0 {
			copy(out[counterSize*i:], old[counterSize*p[0]:counterSize*(p[0]+1)])
			places[k] = p[1:]
		}
	}
	return out
}

// bySize puts tables with most entries first.
func bySize(tables []*LegacyTable) []*LegacyTable {
	out := slices.Clone(tables)
	slices.SortStableFunc(out, func(a, b *LegacyTable) int { return len(b.entries) - len(a.entries) })
	return out
}
