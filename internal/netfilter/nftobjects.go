package netfilter

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// Attributes of linux/netfilter/nf_tables.h that golang.org/x/sys lacks.
const (
	nftaTableUserdata = 6
	nftaChainFlags    = 10
	nftaChainUserdata = 12
	nftaObjUserdata   = 8

	nftChainBinding = 4 // enum nft_chain_flags: an anonymous chain
	nftSetAnonymous = 1 // enum nft_set_flags
)

// objects returns the nf_tables tables with all they hold, and the generation
// that they are of.
func (c *conn) objects(ctx context.Context, names *setNames) ([]objTable, uint32, error) {
	for range again(ctx) {
		before, err := c.generation()
		if err != nil {
			if errors.Is(err, errAbsent) {
				return nil, 0, nil
			}
			return nil, 0, err
		}
		ts, err := c.objectsOnce(ctx, names)
		if errors.Is(err, errInterrupted) || errors.Is(err, unix.ENOENT) {
			continue // ENOENT: a set went between its listing and its elements
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read nf_tables objects: %w", err)
		}
		after, err := c.generation()
		if err != nil {
			return nil, 0, err
		}
		if after == before {
			return ts, after, nil
		}
	}
	return nil, 0, unsettled(ctx)
}

// owned names an object by family, table and name.
type owned struct {
	family      ruleset.Family
	table, name string
}

func (c *conn) objectsOnce(ctx context.Context, names *setNames) ([]objTable, error) {
	d := &decoder{names: names, anonymous: map[owned][]byte{}, rules: map[owned][][]byte{}, hidden: map[owned]bool{},
		words: map[string]string{}}
	var ts []objTable
	msgs, err := c.dump(unix.NFT_MSG_GETTABLE, unix.AF_UNSPEC, nil)
	if err != nil {
		return nil, err
	}
	for _, m := range msgs {
		t := objTable{backend: ruleset.NFT, family: families[m.Data[0]], raw: m.Data[4:],
			anonymous: map[string]*objObject{}, bound: map[string]bool{}}
		for typ, v := range attributes(m.Data[4:]) {
			switch typ {
			case unix.NFTA_TABLE_NAME:
				t.name = cstring(v)
			case unix.NFTA_TABLE_FLAGS, nftaTableUserdata:
				if typ == unix.NFTA_TABLE_FLAGS {
					t.flags = be32(v)
				}
				t.def = item(t.def, typ, v)
			}
		}
		ts = append(ts, t)
	}
	if len(ts) == 0 {
		return nil, nil
	}
	at := func(f ruleset.Family, name string) *objTable {
		i := slices.IndexFunc(ts, func(t objTable) bool { return t.family == f && t.name == name })
		if i < 0 {
			return nil
		}
		return &ts[i]
	}
	if err := c.readSets(ctx, d, at); err != nil {
		return nil, err
	}
	if err := c.readObjects(d, at); err != nil {
		return nil, err
	}
	if err := c.readChains(d, at); err != nil {
		return nil, err
	}
	return ts, nil
}

// readChains adds the chains and their rules. Anonymous chains become part of
// the rule that jumps to them.
func (c *conn) readChains(d *decoder, at func(ruleset.Family, string) *objTable) error {
	chains, err := c.dump(unix.NFT_MSG_GETCHAIN, unix.AF_UNSPEC, nil)
	if err != nil {
		return err
	}
	rules, err := c.dump(unix.NFT_MSG_GETRULE, unix.AF_UNSPEC, nil)
	if err != nil {
		return err
	}
	var last owned
	var run [][]byte // rules of last: they come chain by chain
	for _, m := range rules {
		k := owned{family: families[m.Data[0]]}
		for typ, v := range attributes(m.Data[4:]) {
			switch typ {
			case unix.NFTA_RULE_TABLE:
				k.table = d.word(v)
			case unix.NFTA_RULE_CHAIN:
				k.name = d.word(v)
			}
		}
		if k != last {
			d.rules[last] = append(d.rules[last], run...)
			last, run = k, run[:0]
		}
		run = append(run, m.Data[4:])
	}
	d.rules[last] = append(d.rules[last], run...)
	type place struct {
		t *objTable
		c objChain
	}
	var all []place
	for _, m := range chains {
		f := families[m.Data[0]]
		table, ch, anonymous := decodeChain(families[m.Data[0]], m.Data[4:])
		if anonymous {
			d.hidden[owned{f, table, ch.name}] = true
			if t := at(f, table); t != nil {
				t.bound[ch.name] = true
			}
			continue
		}
		if t := at(f, table); t != nil {
			all = append(all, place{t, ch})
		}
	}
	for _, p := range all {
		for _, r := range d.rules[owned{p.t.family, p.t.name, p.c.name}] {
			rule, err := d.rule(p.t.family, p.t.name, r, 0)
			if err != nil {
				return err
			}
			p.c.rules = append(p.c.rules, rule)
		}
		p.t.chains = append(p.t.chains, p.c)
	}
	return nil
}

// decodeChain reads a chain message.
func decodeChain(f ruleset.Family, b []byte) (table string, c objChain, anonymous bool) {
	table, name, base, ok := decodeBase(f, b)
	c.name, c.raw = name, b
	if ok {
		c.base = base.String()
	}
	for typ, v := range attributes(b) {
		switch typ {
		case unix.NFTA_CHAIN_POLICY:
			c.pol = map[uint32]string{0: "drop", 1: "accept"}[be32(v)]
		case unix.NFTA_CHAIN_HOOK:
			for typ, v := range attributes(v) {
				if typ != unix.NFTA_HOOK_HOOKNUM && typ != unix.NFTA_HOOK_PRIORITY {
					c.def = item(c.def, typ, v) // devices
				}
			}
		case nftaChainFlags:
			anonymous = be32(v)&nftChainBinding != 0
			c.def = item(c.def, typ|0x100, v)
		case nftaChainUserdata:
			c.def = item(c.def, typ|0x100, v)
		}
	}
	return table, c, anonymous
}

// readObjects adds stateful objects and flowtables.
func (c *conn) readObjects(d *decoder, at func(ruleset.Family, string) *objTable) error {
	msgs, err := c.dump(unix.NFT_MSG_GETOBJ, unix.AF_UNSPEC, nil)
	if err != nil {
		return err
	}
	for _, m := range msgs {
		o := objObject{raw: m.Data[4:]}
		var table string
		var kind uint32
		var data []byte
		for typ, v := range attributes(m.Data[4:]) {
			switch typ {
			case unix.NFTA_OBJ_TABLE:
				table = cstring(v)
			case unix.NFTA_OBJ_NAME:
				o.name = cstring(v)
			case unix.NFTA_OBJ_TYPE:
				kind = be32(v)
			case unix.NFTA_OBJ_DATA:
				data = v
			case nftaObjUserdata:
				o.def = item(o.def, typ, v)
			}
		}
		o.kind = objectKinds[kind]
		if o.kind == "" {
			o.kind = fmt.Sprintf("object type %d", kind)
		}
		o.def = item(o.def, unix.NFTA_OBJ_DATA, stateless(o.kind, data))
		if t := at(families[m.Data[0]], table); t != nil {
			t.objects = append(t.objects, o)
		}
	}
	msgs, err = c.dump(unix.NFT_MSG_GETFLOWTABLE, unix.AF_UNSPEC, nil)
	if err != nil {
		if errors.Is(asAbsent(err), errAbsent) {
			return nil // before Linux 4.16
		}
		return err
	}
	for _, m := range msgs {
		o := objObject{kind: "flowtable", raw: m.Data[4:]}
		var table string
		for typ, v := range attributes(m.Data[4:]) {
			switch typ { // enum nft_flowtable_attributes
			case 1:
				table = cstring(v)
			case 2:
				o.name = cstring(v)
			case 4, 5, 6: // use, handle, pad
			default:
				o.def = item(o.def, typ, v)
			}
		}
		if t := at(families[m.Data[0]], table); t != nil {
			t.objects = append(t.objects, o)
		}
	}
	return nil
}

// objectKinds are the NFT_OBJECT_* of linux/netfilter/nf_tables.h, in the
// words of nft.
var objectKinds = map[uint32]string{1: "counter", 2: "quota", 3: "ct helper", 4: "limit", 5: "connlimit",
	6: "tunnel", 7: "ct timeout", 8: "secmark", 9: "ct expectation", 10: "synproxy"}
