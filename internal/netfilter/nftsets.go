package netfilter

import (
	"context"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// Set attributes of linux/netfilter/nf_tables.h beyond golang.org/x/sys.
const (
	nftaSetHandle      = 16
	nftaSetExpr        = 17
	nftaSetExpressions = 18
	nftaSetType        = 19 // the kernel's choice of a data structure
	nftaSetCount       = 20

	nftaSetElemExpressions = 11
)

// readSets reads the sets and maps with their elements: the anonymous ones
// into the decoder, since they are part of a rule, the others into their
// table.
func (c *conn) readSets(ctx context.Context, d *decoder, at func(ruleset.Family, string) *objTable) error {
	msgs, err := c.dump(unix.NFT_MSG_GETSET, unix.AF_UNSPEC, nil)
	if err != nil {
		return err
	}
	for _, m := range msgs {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := owned{family: families[m.Data[0]]}
		var flags uint32
		var def []byte
		for typ, v := range attributes(m.Data[4:]) {
			switch typ {
			case unix.NFTA_SET_TABLE:
				k.table = cstring(v)
			case unix.NFTA_SET_NAME:
				k.name = cstring(v)
			case unix.NFTA_SET_ID, unix.NFTA_SET_PAD, nftaSetHandle, nftaSetType, nftaSetCount:
			case unix.NFTA_SET_USERDATA:
				// How nft shows the set: byte orders, typeof. The kernel
				// does not look at it.
			case nftaSetExpr:
				e, err := d.expression(k.family, k.table, v, 0)
				if err != nil {
					return err
				}
				def = item(def, typ, e.bytes())
			case nftaSetExpressions:
				b, err := d.list(k.family, k.table, v, 0)
				if err != nil {
					return err
				}
				def = item(def, typ, b)
			case unix.NFTA_SET_FLAGS:
				flags = be32(v)
				fallthrough
			default:
				def = item(def, typ, v)
			}
		}
		parts, err := c.elements(d, m.Data[0], k)
		if err != nil {
			return err
		}
		elems := make([]string, len(parts))
		for i := range parts {
			elems[i] = parts[i].whole
		}
		slices.Sort(elems)
		o := objObject{kind: "set", name: k.name, raw: m.Data[4:], flags: flags, parts: parts}
		if flags&nftSetAnonymous != 0 {
			for _, e := range elems {
				def = item(def, unix.NFTA_SET_ELEM_LIST_ELEMENTS|0x100, []byte(e))
			}
			d.anonymous[k] = def
			if t := at(k.family, k.table); t != nil {
				t.anonymous[k.name] = &o
			}
			continue
		}
		if t := at(k.family, k.table); t != nil {
			o.def, o.elems = def, elems
			t.objects = append(t.objects, o)
		}
	}
	return nil
}

// elements returns a set's elements, in the kernel's order.
func (c *conn) elements(d *decoder, family byte, k owned) ([]setElement, error) {
	req := attr(nil, unix.NFTA_SET_ELEM_LIST_TABLE, append([]byte(k.table), 0))
	req = attr(req, unix.NFTA_SET_ELEM_LIST_SET, append([]byte(k.name), 0))
	msgs, err := c.dump(unix.NFT_MSG_GETSETELEM, family, req)
	if err != nil {
		return nil, err
	}
	var elems []setElement
	for _, m := range msgs {
		for typ, v := range attributes(m.Data[4:]) {
			if typ != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
				continue
			}
			for _, v := range attributes(v) {
				e, err := d.element(k, v)
				if err != nil {
					return nil, err
				}
				elems = append(elems, setElement{string(e), v})
			}
		}
	}
	return elems, nil
}

func (d *decoder) element(k owned, b []byte) ([]byte, error) {
	var out []byte
	for typ, v := range attributes(b) {
		switch typ {
		case unix.NFTA_SET_ELEM_EXPIRATION, unix.NFTA_SET_ELEM_PAD:
		case unix.NFTA_SET_ELEM_EXPR:
			e, err := d.expression(k.family, k.table, v, 0)
			if err != nil {
				return nil, err
			}
			out = item(out, typ, e.bytes())
		case nftaSetElemExpressions:
			l, err := d.list(k.family, k.table, v, 0)
			if err != nil {
				return nil, err
			}
			out = item(out, typ, l)
		default:
			out = item(out, typ, v)
		}
	}
	return out, nil
}
