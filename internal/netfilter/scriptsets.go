package netfilter

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Of linux/netfilter/nf_tables.h.
const (
	nftSetConstant = 0x2
	nftSetInterval = 0x4
	nftSetTimeout  = 0x10
	nftSetEval     = 0x20

	nftSetElemIntervalEnd = 1 // enum nft_set_elem_flags
	nftaSetElemKeyEnd     = 10
)

// objects changes the named sets, maps, stateful objects and flowtables of a
// table from those of live, which are there, to those of w. What is new takes
// its state from former, where the same thing is.
func (s *scripter) objects(w, live, former *objTable) {
	key := func(o objObject) string { return o.kind + " " + o.name }
	was := map[string]*objObject{}
	for i := range former.objects {
		was[key(former.objects[i])] = &former.objects[i]
	}
	var gone []*objObject
	pair(live.objects, w.objects, key, func(x, y *objObject) {
		switch {
		case y == nil:
			gone = append(gone, x)
		case x != nil && y.kind == "set":
			s.changeElements(w, x, y)
		case x == nil && y.kind == "set":
			s.newSet(partSets, w, y, y.name)
			f := was[key(*y)]
			if f == nil || !y.runtime() || !bytes.Equal(f.def, y.def) {
				f = &objObject{}
			}
			s.elements(partSets, w, unix.NFT_MSG_NEWSETELEM, y.name, 0, f.items().raw(stay))
			s.elements(partSets, w, unix.NFT_MSG_NEWSETELEM, y.name, 0, y.items().except(f, true).raw(begin))
		case x == nil:
			from := y
			if f := was[key(*y)]; f != nil && bytes.Equal(f.def, y.def) {
				from = f
			}
			s.newObject(w, from)
		}
	})
	// A map of objects goes before those.
	for _, sets := range []bool{true, false} {
		for _, o := range gone {
			if (o.kind == "set") == sets {
				s.delObject(live, o)
			}
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// runtime says whether packets put elements into a set, or time takes them out.
func (o *objObject) runtime() bool { return o.flags&(nftSetTimeout|nftSetEval) != 0 }

// newObject makes a stateful object or flowtable as the kernel told it.
func (s *scripter) newObject(t *objTable, o *objObject) {
	if o.kind == "flowtable" { // enum nft_flowtable_attributes: table, name, hook, flags
		s.add(partObjects, t, unix.NFT_MSG_NEWFLOWTABLE, netlink.Create, only(o.raw, 1, 2, 3, 7), "flowtable "+o.name)
		return
	}
	s.add(partObjects, t, unix.NFT_MSG_NEWOBJ, netlink.Create, only(o.raw, unix.NFTA_OBJ_TABLE, unix.NFTA_OBJ_NAME,
		unix.NFTA_OBJ_TYPE, unix.NFTA_OBJ_DATA, nftaObjUserdata), o.kind+" "+o.name)
}

func (s *scripter) delObject(t *objTable, o *objObject) {
	what := o.kind + " " + o.name
	switch o.kind {
	case "set":
		s.add(partLeftovers, t, unix.NFT_MSG_DELSET, 0, s.named(t, unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME, o.name), what)
	case "flowtable":
		s.add(partLeftovers, t, unix.NFT_MSG_DELFLOWTABLE, 0, only(o.raw, 1, 2), what)
	default:
		s.add(partLeftovers, t, unix.NFT_MSG_DELOBJ, 0, only(o.raw, unix.NFTA_OBJ_TABLE, unix.NFTA_OBJ_NAME, unix.NFTA_OBJ_TYPE), what)
	}
}

// newSet makes a set without elements and returns its id in this transaction.
func (s *scripter) newSet(part int, t *objTable, o *objObject, name string) uint32 {
	s.sets++
	attrs := s.named(t, unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME, name)
	for typ, whole := range wholeAttributes(o.raw) {
		switch typ {
		case unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME, unix.NFTA_SET_ID, unix.NFTA_SET_PAD, nftaSetHandle, nftaSetType, nftaSetCount:
		default:
			attrs = append(attrs, whole...)
		}
	}
	attrs = attr(attrs, unix.NFTA_SET_ID, binary.BigEndian.AppendUint32(nil, s.sets))
	s.add(part, t, unix.NFT_MSG_NEWSET, netlink.Create, attrs, "set "+o.name)
	return s.sets
}

// inline makes the anonymous set that an expression refers to once more, and
// returns the expression's data with the new one; nil where it names none.
func (s *scripter) inline(from source, data []byte, name, id uint16) (out []byte) {
	var set *objObject
	for typ, v := range attributes(data) {
		if typ == name {
			set = from.t.anonymous[cstring(v)]
		}
	}
	if set == nil {
		return nil
	}
	const pattern = "__set%d" // the kernel puts a number that is free
	n := s.newSet(partRules, from.t, set, pattern)
	s.elements(partRules, from.t, unix.NFT_MSG_NEWSETELEM, pattern, n, set.items().raw(begin))
	for typ, whole := range wholeAttributes(data) {
		if typ != name && typ != id {
			out = append(out, whole...)
		}
	}
	return attr(text(out, name, pattern), id, binary.BigEndian.AppendUint32(nil, n))
}

// changeElements changes the elements of a set that stays. Those that come and
// go at run time are left alone.
func (s *scripter) changeElements(t *objTable, live, wanted *objObject) {
	gone, new := live.items().except(wanted, false), wanted.items().except(live, live.runtime())
	if live.runtime() {
		gone = nil
	}
	if (len(gone) > 0 || len(new) > 0) && live.ordered() {
		// The kernel goes through them in the order in which they came.
		gone, new = live.items(), wanted.items()
	}
	s.elements(partElements, t, unix.NFT_MSG_DELSETELEM, live.name, 0, gone.raw(identify))
	s.elements(partElements, t, unix.NFT_MSG_NEWSETELEM, live.name, 0, new.raw(begin))
}

// ordered says whether a set's elements may overlap, so that their order
// matters: ranges of concatenations.
func (o *objObject) ordered() bool {
	for _, p := range o.parts {
		for typ := range attributes(p.raw) {
			if typ == nftaSetElemKeyEnd {
				return true
			}
		}
	}
	return false
}

// maxElements bounds the elements in one message: an attribute's length has 16
// bits.
const maxElements = 60000

// elements adds or deletes elements of a set, given as whole attributes.
func (s *scripter) elements(part int, t *objTable, msg uint16, set string, id uint32, list [][]byte) {
	for len(list) > 0 {
		var b []byte
		for len(list) > 0 && len(b)+len(list[0]) < maxElements {
			b = append(b, list[0]...)
			list = list[1:]
		}
		if len(b) == 0 {
			s.fail(t, "a set element of "+set+" that is too large")
			return
		}
		attrs := s.named(t, unix.NFTA_SET_ELEM_LIST_TABLE, unix.NFTA_SET_ELEM_LIST_SET, set)
		if id != 0 {
			attrs = attr(attrs, unix.NFTA_SET_ELEM_LIST_SET_ID, binary.BigEndian.AppendUint32(nil, id))
		}
		attrs = attr(attrs, unix.NFTA_SET_ELEM_LIST_ELEMENTS|unix.NLA_F_NESTED, b)
		s.add(part, t, msg, netlink.Create, attrs, "set "+set)
	}
}

// member is what is in a set as one thing: an element, or the two ends of an
// interval.
type member struct {
	whole, key string
	elements   [][]byte
}

type members []member

// items returns what is in a set. The kernel tells an interval by its first
// element and by the one behind its last, in no order.
func (o *objObject) items() (out members) {
	intervals := o.flags&nftSetInterval != 0
	type end struct {
		setElement
		key  []byte
		last bool
	}
	ends := make([]end, len(o.parts))
	for i, p := range o.parts {
		e := end{setElement: p}
		for typ, v := range attributes(p.raw) {
			switch typ {
			case unix.NFTA_SET_ELEM_KEY:
				for _, v := range attributes(v) {
					e.key = v
				}
			case nftaSetElemKeyEnd:
				intervals = false // the element says it itself
			case unix.NFTA_SET_ELEM_FLAGS:
				e.last = be32(v)&nftSetElemIntervalEnd != 0
			}
		}
		ends[i] = e
	}
	if intervals {
		slices.SortStableFunc(ends, func(a, b end) int {
			if c := bytes.Compare(a.key, b.key); c != 0 || a.last == b.last {
				return c
			}
			return boolInt(b.last) - boolInt(a.last)
		})
	}
	open := false
	for _, e := range ends {
		keyOnly := string(bytes.Join(identify(e.raw), nil))
		if open && e.last {
			m := &out[len(out)-1]
			m.whole, m.key = m.whole+"\x00"+e.whole, m.key+"\x00"+keyOnly
			m.elements = append(m.elements, e.raw)
			open = false
			continue
		}
		out = append(out, member{e.whole, keyOnly, [][]byte{e.raw}})
		open = intervals && !e.last
	}
	return out
}

// except returns the members that o has not: none of that key, or not the same.
func (m members) except(o *objObject, byKey bool) (out members) {
	has := map[string]bool{}
	for _, x := range o.items() {
		has[x.whole] = true
		if byKey {
			has["key "+x.key] = true
		}
	}
	for _, x := range m {
		if !has[x.whole] && !(byKey && has["key "+x.key]) {
			out = append(out, x)
		}
	}
	return out
}

// raw returns the members as elements of a message, of whose attributes pick
// chooses.
func (m members) raw(pick func([]byte) [][]byte) (out [][]byte) {
	for _, x := range m {
		for _, e := range x.elements {
			out = append(out, attr(nil, unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, bytes.Join(pick(e), nil)))
		}
	}
	return out
}

// begin picks what makes an element that begins its time now, stay what makes
// one that goes on, identify what names it.
func begin(e []byte) [][]byte {
	return pick(e, func(typ uint16) bool { return typ != unix.NFTA_SET_ELEM_EXPIRATION })
}

func stay(e []byte) [][]byte { return pick(e, func(uint16) bool { return true }) }

func identify(e []byte) [][]byte {
	return pick(e, func(typ uint16) bool {
		return typ == unix.NFTA_SET_ELEM_KEY || typ == nftaSetElemKeyEnd || typ == unix.NFTA_SET_ELEM_FLAGS
	})
}

func pick(e []byte, want func(uint16) bool) (out [][]byte) {
	for typ, whole := range wholeAttributes(e) {
		if typ != unix.NFTA_SET_ELEM_PAD && want(typ) {
			out = append(out, whole)
		}
	}
	return out
}
