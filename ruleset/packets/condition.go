package packets

// condition is what a rule asks of a packet: a tree of tests.
type condition struct {
	op    operation
	field field
	// set is what an inSet wants the field's value to be in.
	set spans
	// want and mask are of a masked test.
	want, mask value
	kids       []*condition
	atom       int
}

type operation uint8

const (
	always operation = iota
	never
	all    // of kids
	any_   // of kids
	not    // kids[0]
	inSet  // field in set
	masked // field & mask == want
	atomic // the atom holds
)

var (
	yes = &condition{op: always}
	no  = &condition{op: never}
)

// constant is yes or no.
func constant(b bool) *condition {
	if b {
		return yes
	}
	return no
}

func allOf(kids ...*condition) *condition {
	var out []*condition
	for _, k := range kids {
		switch k.op {
		case always:
		case never:
			return no
		case all:
			out = append(out, k.kids...)
		default:
			out = append(out, k)
		}
	}
	switch len(out) {
	case 0:
		return yes
	case 1:
		return out[0]
	}
	return &condition{op: all, kids: out}
}

func anyOf(kids ...*condition) *condition {
	var out []*condition
	for _, k := range kids {
		switch k.op {
		case never:
		case always:
			return yes
		case any_:
			out = append(out, k.kids...)
		default:
			out = append(out, k)
		}
	}
	switch len(out) {
	case 0:
		return no
	case 1:
		return out[0]
	}
	return &condition{op: any_, kids: out}
}

// negate returns the opposite. A test of a set of values stays one, but for
// that of a hardware address: neither holds of a packet that has none.
func negate(c *condition, v6 bool) *condition {
	switch c.op {
	case always:
		return no
	case never:
		return yes
	case not:
		return c.kids[0]
	case inSet:
		if c.field == fieldMAC {
			break
		}
		return in(c.field, c.set.invert(c.field.limit(v6)), v6)
	}
	return &condition{op: not, kids: []*condition{c}}
}

// negateIf negates c where yes says so.
func negateIf(negated bool, c *condition, v6 bool) *condition {
	if negated {
		return negate(c, v6)
	}
	return c
}

// in is the test that a field has one of the values.
func in(f field, set spans, v6 bool) *condition {
	switch {
	case len(set) == 0:
		return no
	case len(set) == 1 && set[0] == (span{high: f.limit(v6)}):
		return yes
	}
	return &condition{op: inSet, field: f, set: set}
}

func is(f field, n uint64) *condition {
	return &condition{op: inSet, field: f, set: one(number(n))}
}

// bitTest is the test of some bits of a field.
func bitTest(f field, want, mask value) *condition {
	if mask == (value{}) {
		if want == (value{}) {
			return yes
		}
		return no
	}
	if want.and(mask) != want {
		return no
	}
	return &condition{op: masked, field: f, want: want, mask: mask}
}

// place is what a condition's meaning depends on besides the packet: the hook
// where it is asked.
type place struct {
	// in and out say whether the packet has that interface already or still.
	in, out bool
	// tracked says that connection tracking has seen the packet.
	tracked bool
	// behind says that the destination may be translated by now.
	behind bool
	// sourced says that the source may be, too.
	sourced bool
	// ttl is how much of its time to live forwarding has taken.
	ttl uint8
}
