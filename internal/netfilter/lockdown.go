package netfilter

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Pass is what a chain of LockDown accepts: packets that have all that is not
// zero here.
type Pass struct {
	State    uint32 // one of the conntrack states, see linux/netfilter/nf_conntrack_common.h
	In       string // the interface
	Family   byte   // unix.NFPROTO_IPV4, _IPV6
	From     netip.Prefix
	Protocol byte   // unix.IPPROTO_*
	ICMPType *uint8 // of Protocol
	Sport    uint16 // of Protocol
	Dport    uint16 // of Protocol
}

// LockDown makes a native table of that name, for IPv4 and IPv6, in the calling
// thread's network namespace, in one transaction and in place of a former one: it
// drops what comes in unless a Pass lets it, ahead of other tables, and what is to
// be forwarded. It needs no program.
func LockDown(ctx context.Context, table string, passes []Pass) error {
	nl, err := dial()
	if err != nil {
		return err
	}
	s := &Script{}
	s.generation, err = nl.generation()
	nl.Close()
	if err != nil {
		return fmt.Errorf("nf_tables: %w", err)
	}
	add := func(msg uint16, flags netlink.HeaderFlags, what string, attrs []byte) {
		s.ops = append(s.ops, op{msg: msg, flags: flags, family: unix.NFPROTO_INET, attrs: attrs, what: what})
	}
	// Made first, so that it is there to be deleted.
	name := text(nil, unix.NFTA_TABLE_NAME, table)
	add(unix.NFT_MSG_NEWTABLE, netlink.Create, "table "+table, name)
	add(unix.NFT_MSG_DELTABLE, 0, "table "+table, name)
	add(unix.NFT_MSG_NEWTABLE, netlink.Create, "table "+table, name)
	for _, chain := range []string{"input", "forward"} {
		hook := map[string]uint32{"input": unix.NF_INET_LOCAL_IN, "forward": unix.NF_INET_FORWARD}[chain]
		b := text(nil, unix.NFTA_CHAIN_TABLE, table)
		b = text(b, unix.NFTA_CHAIN_NAME, chain)
		h := number(nil, unix.NFTA_HOOK_HOOKNUM, hook)
		h = number(h, unix.NFTA_HOOK_PRIORITY, lockDownPriority)
		b = nest(b, unix.NFTA_CHAIN_HOOK, h)
		b = number(b, unix.NFTA_CHAIN_POLICY, 0) // NF_DROP
		add(unix.NFT_MSG_NEWCHAIN, netlink.Create, "chain "+chain, text(b, unix.NFTA_CHAIN_TYPE, "filter"))
	}
	for _, p := range passes {
		b := text(nil, unix.NFTA_RULE_TABLE, table)
		b = text(b, unix.NFTA_RULE_CHAIN, "input")
		b = nest(b, unix.NFTA_RULE_EXPRESSIONS, p.expressions())
		add(unix.NFT_MSG_NEWRULE, netlink.Create|netlink.Append, "chain input", b)
	}
	return s.Send(ctx)
}

// lockDownPriority is that of the raw tables, ahead of all that filters: -300,
// NF_IP_PRI_RAW.
const lockDownPriority = 1<<32 - 300

// expressions returns the rule's list: load, compare, and so on, then accept.
// See linux/netfilter/nf_tables.h.
func (p *Pass) expressions() (b []byte) {
	if p.State != 0 {
		b = expression(b, "ct", number(number(nil, unix.NFTA_CT_DREG, unix.NFT_REG_1), unix.NFTA_CT_KEY, unix.NFT_CT_STATE))
		b = masked(b, binary.NativeEndian.AppendUint32(nil, p.State))
		b = compare(b, unix.NFT_CMP_NEQ, make([]byte, 4))
	}
	if p.In != "" {
		name := make([]byte, unix.IFNAMSIZ) // shorter, it would be a prefix
		copy(name, p.In)
		b = compare(meta(b, unix.NFT_META_IIFNAME), unix.NFT_CMP_EQ, name)
	}
	family := p.Family
	if p.From.IsValid() {
		family = unix.NFPROTO_IPV4
		if p.From.Addr().Is6() {
			family = unix.NFPROTO_IPV6
		}
	}
	if family != 0 {
		b = compare(meta(b, unix.NFT_META_NFPROTO), unix.NFT_CMP_EQ, []byte{family})
	}
	if p.From.IsValid() {
		addr := p.From.Addr().AsSlice()
		offset := map[int]uint32{4: 12, 16: 8}[len(addr)] // of the source address, RFC 791 and 8200
		n, rest := (p.From.Bits()+7)/8, p.From.Bits()%8
		if rest != 0 { // else fewer bytes are compared, as nft does it
			n = len(addr)
		}
		if n > 0 {
			b = payload(b, unix.NFT_PAYLOAD_NETWORK_HEADER, offset, uint32(n))
		}
		if rest != 0 {
			mask := make([]byte, n)
			for i := range p.From.Bits() {
				mask[i/8] |= 0x80 >> (i % 8)
			}
			b = masked(b, mask)
		}
		if n > 0 {
			b = compare(b, unix.NFT_CMP_EQ, addr[:n])
		}
	}
	if p.Protocol != 0 {
		b = compare(meta(b, unix.NFT_META_L4PROTO), unix.NFT_CMP_EQ, []byte{p.Protocol})
	}
	if p.ICMPType != nil {
		b = compare(payload(b, unix.NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1), unix.NFT_CMP_EQ, []byte{*p.ICMPType})
	}
	ports := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, p.Sport), p.Dport)
	switch {
	case p.Sport != 0 && p.Dport != 0:
		b = compare(payload(b, unix.NFT_PAYLOAD_TRANSPORT_HEADER, 0, 4), unix.NFT_CMP_EQ, ports)
	case p.Dport != 0:
		b = compare(payload(b, unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2), unix.NFT_CMP_EQ, ports[2:])
	}
	verdict := nest(nil, unix.NFTA_DATA_VERDICT, number(nil, unix.NFTA_VERDICT_CODE, 1)) // NF_ACCEPT
	return expression(b, "immediate", nest(number(nil, unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT), unix.NFTA_IMMEDIATE_DATA, verdict))
}

func expression(b []byte, name string, data []byte) []byte {
	return nest(b, unix.NFTA_LIST_ELEM, nest(text(nil, unix.NFTA_EXPR_NAME, name), unix.NFTA_EXPR_DATA, data))
}

// meta and payload load the first register, masked and compare work on it.
func meta(b []byte, key uint32) []byte {
	return expression(b, "meta", number(number(nil, unix.NFTA_META_DREG, unix.NFT_REG_1), unix.NFTA_META_KEY, key))
}

func payload(b []byte, base, offset, n uint32) []byte {
	d := number(nil, unix.NFTA_PAYLOAD_DREG, unix.NFT_REG_1)
	d = number(d, unix.NFTA_PAYLOAD_BASE, base)
	d = number(d, unix.NFTA_PAYLOAD_OFFSET, offset)
	return expression(b, "payload", number(d, unix.NFTA_PAYLOAD_LEN, n))
}

func masked(b, mask []byte) []byte {
	d := number(nil, unix.NFTA_BITWISE_SREG, unix.NFT_REG_1)
	d = number(d, unix.NFTA_BITWISE_DREG, unix.NFT_REG_1)
	d = number(d, unix.NFTA_BITWISE_LEN, uint32(len(mask)))
	d = nest(d, unix.NFTA_BITWISE_MASK, attr(nil, unix.NFTA_DATA_VALUE, mask))
	d = nest(d, unix.NFTA_BITWISE_XOR, attr(nil, unix.NFTA_DATA_VALUE, make([]byte, len(mask))))
	return expression(b, "bitwise", d)
}

func compare(b []byte, op uint32, value []byte) []byte {
	d := number(nil, unix.NFTA_CMP_SREG, unix.NFT_REG_1)
	d = number(d, unix.NFTA_CMP_OP, op)
	return expression(b, "cmp", nest(d, unix.NFTA_CMP_DATA, attr(nil, unix.NFTA_DATA_VALUE, value)))
}

// number and nest append an attribute that is a number in network byte order, and
// one that holds others.
func number(b []byte, typ uint16, v uint32) []byte {
	return attr(b, typ, binary.BigEndian.AppendUint32(nil, v))
}

func nest(b []byte, typ uint16, attrs []byte) []byte { return attr(b, typ|unix.NLA_F_NESTED, attrs) }
