package netfilter

import (
	"encoding/binary"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// decoder turns rule messages into their canonical form.
type decoder struct {
	names     *setNames
	anonymous map[owned][]byte   // sets that exist for one rule
	rules     map[owned][][]byte // rule messages by chain, in order
	hidden    map[owned]bool     // anonymous chains
	words     map[string]string
}

// maxNesting bounds anonymous chains within anonymous chains; the kernel's
// own limit on jumps is 16 (NFT_JUMP_STACK_SIZE).
const maxNesting = 16

var errNesting = errors.New("anonymous chains are nested too deeply")

// word returns a C string, the same copy for the same text.
func (d *decoder) word(b []byte) string {
	for i, c := range b {
		if c == 0 {
			b = b[:i]
			break
		}
	}
	if s, ok := d.words[string(b)]; ok {
		return s
	}
	s := string(b)
	d.words[s] = s
	return s
}

// rule reads a rule message.
func (d *decoder) rule(f ruleset.Family, table string, b []byte, depth int) (objRule, error) {
	r := objRule{raw: b}
	if depth > maxNesting {
		return r, errNesting
	}
	for typ, v := range attributes(b) {
		switch typ {
		case unix.NFTA_RULE_USERDATA:
			r.userdata = v
		case unix.NFTA_RULE_HANDLE:
			if len(v) == 8 {
				r.handle = binary.BigEndian.Uint64(v)
			}
		case unix.NFTA_RULE_EXPRESSIONS:
			n := 0
			for range attributes(v) {
				n++
			}
			r.exprs = make([]expr, 0, n)
			for _, v := range attributes(v) {
				e, err := d.expression(f, table, v, depth)
				if err != nil {
					return r, err
				}
				r.exprs = append(r.exprs, e)
			}
		}
	}
	return r, nil
}

// list reads a list of expressions, as dynset and sets have them.
func (d *decoder) list(f ruleset.Family, table string, b []byte, depth int) ([]byte, error) {
	var out []byte
	for typ, v := range attributes(b) {
		e, err := d.expression(f, table, v, depth)
		if err != nil {
			return nil, err
		}
		out = item(out, typ, e.bytes())
	}
	return out, nil
}

// bytes returns the expression in one piece.
func (e expr) bytes() []byte {
	b := append(append([]byte(e.name), 0), e.data...)
	for _, s := range e.sets {
		b = append(append(b, s...), 0)
	}
	return b
}

// expression reads one expression and leaves its state out.
func (d *decoder) expression(f ruleset.Family, table string, b []byte, depth int) (expr, error) {
	var e expr
	for typ, v := range attributes(b) {
		switch typ {
		case unix.NFTA_EXPR_NAME:
			e.name = d.word(v)
		case unix.NFTA_EXPR_DATA:
			e.data = v
		}
	}
	var err error
	switch e.name {
	case "match", "target":
		e, err = d.extension(f, e)
	case "lookup":
		e.data = d.inline(f, table, e.data, unix.NFTA_LOOKUP_SET, unix.NFTA_LOOKUP_SET_ID)
	case "objref":
		e.data = d.inline(f, table, e.data, 4, 5) // NFTA_OBJREF_SET_NAME, NFTA_OBJREF_SET_ID
	case "dynset":
		e.data, err = d.dynset(f, table, e.data, depth)
	case "immediate":
		e, err = d.immediate(f, table, e, depth)
	default:
		e.data = stateless(e.name, e.data)
	}
	return e, err
}

// stateless leaves out what packets change in an expression or a stateful
// object of that name.
func stateless(name string, data []byte) []byte {
	switch name {
	case "counter", "last":
		return nil
	case "quota":
		return without(data, unix.NFTA_QUOTA_CONSUMED, unix.NFTA_QUOTA_PAD)
	}
	return data
}

// without returns the attributes of b except those of some types, as
// attributes.
func without(b []byte, types ...uint16) []byte {
	var out []byte
	for typ, v := range attributes(b) {
		if !slices.Contains(types, typ) {
			out = attr(out, typ, v)
		}
	}
	return out
}

// inline puts an anonymous set in the place of its name, which the kernel
// numbers. id is an attribute that only means something within a transaction.
func (d *decoder) inline(f ruleset.Family, table string, b []byte, name, id uint16) []byte {
	var out []byte
	for typ, v := range attributes(b) {
		switch typ {
		case id:
		case name:
			if set, ok := d.anonymous[owned{f, table, cstring(v)}]; ok {
				typ, v = typ|0x100, set
			}
			fallthrough
		default:
			out = item(out, typ, v)
		}
	}
	return out
}

// dynset leaves out the state of the expressions that new elements get.
func (d *decoder) dynset(f ruleset.Family, table string, b []byte, depth int) ([]byte, error) {
	const expressions = 10 // NFTA_DYNSET_EXPRESSIONS
	out := d.inline(f, table, without(b, unix.NFTA_DYNSET_EXPR, expressions, unix.NFTA_DYNSET_PAD),
		unix.NFTA_DYNSET_SET_NAME, unix.NFTA_DYNSET_SET_ID)
	for typ, v := range attributes(b) {
		switch typ {
		case unix.NFTA_DYNSET_EXPR:
			e, err := d.expression(f, table, v, depth+1)
			if err != nil {
				return nil, err
			}
			out = item(out, typ, e.bytes())
		case expressions:
			l, err := d.list(f, table, v, depth+1)
			if err != nil {
				return nil, err
			}
			out = item(out, typ, l)
		}
	}
	return out, nil
}

// immediate puts the rules of an anonymous chain in the place of its name, and
// names a verdict.
func (d *decoder) immediate(f ruleset.Family, table string, e expr, depth int) (expr, error) {
	var verdict []byte
	for typ, v := range attributes(e.data) {
		if typ == unix.NFTA_IMMEDIATE_DATA {
			for typ, v := range attributes(v) {
				if typ == unix.NFTA_DATA_VERDICT {
					verdict = v
				}
			}
		}
	}
	var chain string
	for typ, v := range attributes(verdict) {
		switch typ {
		case unix.NFTA_VERDICT_CODE:
			if name := verdicts[int32(be32(v))]; name != "" {
				e.name = name
			}
		case unix.NFTA_VERDICT_CHAIN:
			chain = cstring(v)
		}
	}
	k := owned{f, table, chain}
	if chain == "" {
		return e, nil
	}
	if !d.hidden[k] {
		e.data = []byte(chain)
		return e, nil
	}
	e.data = []byte{0}
	for _, b := range d.rules[k] {
		r, err := d.rule(f, table, b, depth+1)
		if err != nil {
			return e, err
		}
		var whole []byte
		for _, x := range r.exprs {
			whole = item(whole, 1, x.bytes())
		}
		e.data = item(e.data, 1, item(whole, 2, r.userdata))
	}
	return e, nil
}

// verdicts are those of linux/netfilter.h and enum nft_verdicts.
var verdicts = map[int32]string{0: "drop", 1: "accept", 3: "queue",
	-1: "continue", -2: "break", -3: "jump", -4: "goto", -5: "return"}
