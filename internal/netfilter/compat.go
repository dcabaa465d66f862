package netfilter

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// Of linux/netfilter/nf_tables.h and nf_tables_compat.h.
const (
	nftaRuleCompatProto = 1
	nftaRuleCompatFlags = 2
	ruleCompatInvert    = 1 << 1 // NFT_RULE_COMPAT_F_INV
)

// compat returns the attribute that a rule with xt matches or targets must come
// with and that the kernel does not tell again: the protocol which the rule asks
// for, as the extensions check that it is theirs. iptables-nft sets it from its
// options; here it is read from the comparison that these became. ok is false
// for a rule without such expressions.
func compat(f ruleset.Family, exprs []byte) (attribute []byte, ok bool) {
	const none = 0
	reg := uint32(none) // that holds the protocol
	var proto uint32
	var flags uint32
	found := false
	for _, e := range attributes(exprs) {
		name, data := nameAndData(e)
		switch name {
		case "match", "target":
			ok = true
		case "meta", "payload":
			if r, is := loadsProtocol(f, name, data); is {
				reg = r
			} else if r == reg {
				reg = none
			}
		case "cmp":
			if found || reg == none {
				continue
			}
			if v, inverted, is := comparison(data, reg); is {
				found, proto = true, v
				if inverted {
					flags = ruleCompatInvert
				}
			}
		}
	}
	if !ok {
		return nil, false
	}
	attribute = attr(nil, nftaRuleCompatProto, binary.BigEndian.AppendUint32(nil, proto))
	return attr(attribute, nftaRuleCompatFlags, binary.BigEndian.AppendUint32(nil, flags)), true
}

// nameAndData reads an expression of a list.
func nameAndData(b []byte) (name string, data []byte) {
	for typ, v := range attributes(b) {
		switch typ {
		case unix.NFTA_EXPR_NAME:
			name = cstring(v)
		case unix.NFTA_EXPR_DATA:
			data = v
		}
	}
	return name, data
}

// loadsProtocol says which register an expression loads, and whether with what
// the family's extensions mean by a protocol: that of layer 4, of a frame the
// ethertype.
func loadsProtocol(f ruleset.Family, name string, data []byte) (reg uint32, is bool) {
	var key, base, offset, length uint32
	for typ, v := range attributes(data) {
		switch {
		case name == "meta" && typ == unix.NFTA_META_DREG, name == "payload" && typ == unix.NFTA_PAYLOAD_DREG:
			reg = be32(v)
		case name == "meta" && typ == unix.NFTA_META_KEY:
			key = be32(v)
		case typ == unix.NFTA_PAYLOAD_BASE:
			base = be32(v)
		case typ == unix.NFTA_PAYLOAD_OFFSET:
			offset = be32(v)
		case typ == unix.NFTA_PAYLOAD_LEN:
			length = be32(v)
		}
	}
	switch {
	case f == ruleset.Bridge && name == "meta":
		return reg, key == unix.NFT_META_PROTOCOL
	case f == ruleset.Bridge:
		return reg, base == unix.NFT_PAYLOAD_LL_HEADER && offset == 12 && length == 2
	case name == "meta":
		return reg, key == unix.NFT_META_L4PROTO
	case f == ruleset.IPv4:
		return reg, base == unix.NFT_PAYLOAD_NETWORK_HEADER && offset == 9 && length == 1
	case f == ruleset.IPv6:
		return reg, base == unix.NFT_PAYLOAD_NETWORK_HEADER && offset == 6 && length == 1
	}
	return reg, false
}

// comparison reads a comparison of a register for equality. The value is as the
// kernel takes it: one byte, or an ethertype in network byte order as a number.
func comparison(data []byte, reg uint32) (value uint32, inverted, ok bool) {
	var v []byte
	op := ^uint32(0)
	for typ, a := range attributes(data) {
		switch typ {
		case unix.NFTA_CMP_SREG:
			if be32(a) != reg {
				return 0, false, false
			}
		case unix.NFTA_CMP_OP:
			op = be32(a)
		case unix.NFTA_CMP_DATA:
			for typ, a := range attributes(a) {
				if typ == unix.NFTA_DATA_VALUE {
					v = a
				}
			}
		}
	}
	if op != unix.NFT_CMP_EQ && op != unix.NFT_CMP_NEQ {
		return 0, false, false
	}
	switch len(v) {
	case 1:
		return uint32(v[0]), op == unix.NFT_CMP_NEQ, true
	case 2:
		return uint32(binary.NativeEndian.Uint16(v)), op == unix.NFT_CMP_NEQ, true
	}
	return 0, false, false
}
