package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// native32 and native16 read numbers in the kernel's byte order.
func native32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
func native16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }

// extHeader is the size of struct xt_entry_match and xt_entry_target before
// their data: size, name of 29 bytes, revision.
const extHeader = 32

// entry is one entry of a legacy table.
type entry struct {
	offset, next int
	rule         objRule
	errorName    string // of an ERROR target, which names a user chain
	verdict      int32  // of a standard target
	standard     bool
	bare         bool // no matches
}

// parse reads the entries of a table into chains. Jumps, which are offsets,
// become names, so that the chains' places do not matter.
func (l *entryLayout) parse(names *setNames, info, entries []byte) ([]objChain, error) {
	if len(info) != l.infoSize() {
		return nil, fmt.Errorf("table info has %d bytes", len(info))
	}
	var all []entry
	for at := 0; at < len(entries); {
		e, err := l.entry(names, entries, at)
		if err != nil {
			return nil, fmt.Errorf("entry at %d: %w", at, err)
		}
		all = append(all, e)
		at = e.next
	}
	starts, ends := map[int]string{}, map[int]string{}
	valid := native32(info[tableNameLen:])
	for h, name := range l.hooks {
		if valid&(1<<h) != 0 {
			starts[int(native32(info[tableNameLen+4+4*h:]))] = name
			ends[int(native32(info[tableNameLen+4+4*(len(l.hooks)+h):]))] = name
		}
	}
	for i, e := range all {
		if e.errorName != "" && i < len(all)-1 {
			starts[e.next] = e.errorName
		}
	}
	var chains []objChain
	var cur *objChain
	for i, e := range all {
		if e.errorName != "" {
			// The entry before a chain's head, or the table's end: a user
			// chain's implicit RETURN.
			if cur != nil && cur.pol == "" && len(cur.rules) > 0 {
				cur.rules = cur.rules[:len(cur.rules)-1]
			}
			if i == len(all)-1 {
				break
			}
		}
		if e.errorName == "" {
			if name, ok := starts[e.offset]; ok {
				chains = append(chains, objChain{name: name})
				cur = &chains[len(chains)-1]
			}
			if cur == nil {
				return nil, errors.New("a rule outside of any chain")
			}
			if name, ok := ends[e.offset]; ok && name == cur.name {
				cur.pol = l.verdict(e, nil).name
				continue
			}
			if e.standard {
				if v := l.verdict(e, starts); v.name != "" {
					e.rule.exprs = append(e.rule.exprs, v)
				}
			}
			e.rule.handle = uint64(e.offset)
			cur.rules = append(cur.rules, e.rule)
		}
	}
	return chains, nil
}

// verdict names what a standard target does: the verdicts are minus one less
// than those of linux/netfilter.h, others are the offset of a chain's first
// entry, and that of the next entry is no target at all.
func (l *entryLayout) verdict(e entry, starts map[int]string) expr {
	switch e.verdict {
	case -1:
		return expr{name: "drop"}
	case -2:
		return expr{name: "accept"}
	case -4:
		return expr{name: "queue"}
	case -5:
		return expr{name: "return"}
	}
	if int(e.verdict) == e.next {
		return expr{}
	}
	if name, ok := starts[int(e.verdict)]; ok {
		// A goto differs in the header's flags.
		return expr{name: "jump", data: []byte(name)}
	}
	return expr{name: fmt.Sprintf("verdict %d", e.verdict)}
}

// entry reads the entry at an offset.
func (l *entryLayout) entry(names *setNames, b []byte, at int) (entry, error) {
	e := entry{offset: at}
	if len(b)-at < l.size {
		return e, errors.New("cut short")
	}
	target := int(native16(b[at+l.targetOffset:]))
	next := int(native16(b[at+l.targetOffset+2:]))
	if target < l.size || next < target+extHeader || next > len(b)-at {
		return e, fmt.Errorf("target at %d, next at %d", target, next)
	}
	e.next = at + next
	var header []byte
	for i := 0; i < len(l.header); i += 2 {
		header = append(header, b[at+l.header[i]:at+l.header[i+1]]...)
	}
	e.rule.exprs = append(e.rule.exprs, expr{name: "header", data: header})
	matches := b[at+l.size : at+target]
	e.bare = len(matches) == 0
	for len(matches) > 0 {
		size, name, rev, err := extensionHeader(matches)
		if err != nil {
			return e, err
		}
		x, err := names.extension(l.kind.Family(), "match", name, rev, matches[extHeader:size])
		if err != nil {
			return e, err
		}
		e.rule.exprs = append(e.rule.exprs, x)
		matches = matches[size:]
	}
	t := b[at+target : e.next]
	size, name, rev, err := extensionHeader(t)
	if err != nil {
		return e, err
	}
	data := t[extHeader:size]
	switch {
	case name == "" && len(data) >= 4:
		e.standard, e.verdict = true, int32(native32(data))
	case name == "ERROR":
		e.errorName = cstring(data)
		if e.errorName == "" {
			return e, errors.New("a chain without a name")
		}
	default:
		x, err := names.extension(l.kind.Family(), "target", name, rev, data)
		if err != nil {
			return e, err
		}
		e.rule.exprs = append(e.rule.exprs, x)
	}
	return e, nil
}

// extensionHeader reads struct xt_entry_match, or xt_entry_target.
func extensionHeader(b []byte) (size int, name string, rev byte, err error) {
	if len(b) < extHeader {
		return 0, "", 0, errors.New("extension cut short")
	}
	size = int(native16(b))
	if size < extHeader || size > len(b) {
		return 0, "", 0, fmt.Errorf("extension of %d bytes", size)
	}
	return size, cstring(slices.Clone(b[2:31])), b[31], nil
}
