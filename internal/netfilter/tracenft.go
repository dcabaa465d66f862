package netfilter

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// Of linux/netfilter/nf_tables.h, since Linux 6.16.
const nftaTraceCTState = 21

// nfTables reads one NFT_MSG_TRACE: nfgenmsg and attributes.
func (t *Tracer) nfTables(b []byte) {
	e := TraceEvent{Backend: ruleset.NFT, Family: families[b[0]], Hook: -1}
	var handle uint64
	var network, transport []byte
	for typ, v := range attributes(b[4:]) {
		switch typ {
		case unix.NFTA_TRACE_TABLE:
			e.Table = t.word(v)
		case unix.NFTA_TRACE_CHAIN:
			e.Chain = t.word(v)
		case unix.NFTA_TRACE_RULE_HANDLE:
			if len(v) == 8 {
				handle = binary.BigEndian.Uint64(v)
			}
		case unix.NFTA_TRACE_TYPE:
			switch be32(v) {
			case unix.NFT_TRACETYPE_RULE:
				e.Kind = TraceRule
			case unix.NFT_TRACETYPE_POLICY:
				e.Kind = TracePolicy
			case unix.NFT_TRACETYPE_RETURN:
				e.Kind = TraceReturn
			}
		case unix.NFTA_TRACE_VERDICT:
			for typ, v := range attributes(v) {
				switch typ {
				case unix.NFTA_VERDICT_CODE:
					e.Verdict = verdictWord(be32(v))
				case unix.NFTA_VERDICT_CHAIN:
					e.To = t.word(v)
				}
			}
		case unix.NFTA_TRACE_POLICY:
			e.Verdict = verdictWord(be32(v))
		case unix.NFTA_TRACE_ID:
			e.Packet = be32(v)
		case unix.NFTA_TRACE_NETWORK_HEADER:
			network = v
		case unix.NFTA_TRACE_TRANSPORT_HEADER:
			transport = v
		case unix.NFTA_TRACE_IIF:
			e.In = t.iface(be32(v))
		case unix.NFTA_TRACE_OIF:
			e.Out = t.iface(be32(v))
		case unix.NFTA_TRACE_MARK:
			e.Mark = be32(v)
		case nftaTraceCTState:
			e.State = stateWord(be32(v))
		}
	}
	if e.Table == TraceTable && e.Family == ruleset.Inet || e.Kind == "" {
		return
	}
	switch {
	case e.Kind == TraceRule && handle == 0:
		// Some kernels tell so of a chain's end, where no rule decided; a policy
		// follows if it has one.
		e.Kind, e.Verdict = TraceReturn, ""
	case e.Kind == TraceReturn && handle == 0:
		e.Verdict = ""
	case e.Kind == TraceReturn:
		// Kernels before nft_trace_verdict tell so of a rule that returns.
		e.Kind = TraceRule
		fallthrough
	case e.Kind == TraceRule:
		e.Rule = t.handles[owned{e.Family, e.Table, e.Chain}][handle]
	}
	if len(network) > 0 {
		e.Header = append(append(make([]byte, 0, len(network)+len(transport)), network...), transport...)
	}
	t.pending = append(t.pending, e)
}

// verdictWord is a verdict of linux/netfilter.h or enum nft_verdicts of
// linux/netfilter/nf_tables.h.
func verdictWord(code uint32) string {
	if code > math.MaxInt32 {
		switch int32(code) {
		case unix.NFT_CONTINUE:
			return "continue"
		case unix.NFT_BREAK:
			return "break"
		case unix.NFT_JUMP:
			return "jump"
		case unix.NFT_GOTO:
			return "goto"
		case unix.NFT_RETURN:
			return "return"
		}
	}
	switch code & 0xff { // NF_VERDICT_MASK; a queue's number stands above
	case 0:
		return "drop"
	case 1:
		return "accept"
	case 2:
		return "stolen"
	case 3:
		return "queue"
	}
	return fmt.Sprintf("verdict %#x", code)
}

// stateWord is a state of linux/netfilter/nf_conntrack_common.h, as nf_tables
// has it: a bit each.
func stateWord(bits uint32) string {
	for _, s := range []struct {
		bit  uint32
		word string
	}{{1, "invalid"}, {2, "established"}, {4, "related"}, {8, "new"}, {64, "untracked"}} {
		if bits&s.bit != 0 {
			return s.word
		}
	}
	return ""
}

// addTraceTable adds the table that marks packets: what comes in and what goes
// out, ahead of every other table. The kernel has one mark for nf_tables and the
// legacy tables, nf_trace of struct sk_buff.
func addTraceTable(ctx context.Context) error {
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
	name := text(nil, unix.NFTA_TABLE_NAME, TraceTable)
	add(unix.NFT_MSG_NEWTABLE, netlink.Create, "table "+TraceTable, name)
	add(unix.NFT_MSG_DELTABLE, 0, "table "+TraceTable, name)
	add(unix.NFT_MSG_NEWTABLE, netlink.Create, "table "+TraceTable, name)
	for _, chain := range []struct {
		name string
		hook uint32
	}{{"prerouting", unix.NF_INET_PRE_ROUTING}, {"output", unix.NF_INET_LOCAL_OUT}} {
		b := text(nil, unix.NFTA_CHAIN_TABLE, TraceTable)
		b = text(b, unix.NFTA_CHAIN_NAME, chain.name)
		h := number(nil, unix.NFTA_HOOK_HOOKNUM, chain.hook)
		h = number(h, unix.NFTA_HOOK_PRIORITY, 1<<31) // the lowest of 32 bits with a sign
		b = nest(b, unix.NFTA_CHAIN_HOOK, h)
		add(unix.NFT_MSG_NEWCHAIN, netlink.Create, "chain "+chain.name, text(b, unix.NFTA_CHAIN_TYPE, "filter"))
		value := nest(number(nil, unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_1), unix.NFTA_IMMEDIATE_DATA,
			attr(nil, unix.NFTA_DATA_VALUE, []byte{1}))
		set := number(number(nil, unix.NFTA_META_KEY, unix.NFT_META_NFTRACE), unix.NFTA_META_SREG, unix.NFT_REG_1)
		r := text(nil, unix.NFTA_RULE_TABLE, TraceTable)
		r = text(r, unix.NFTA_RULE_CHAIN, chain.name)
		r = nest(r, unix.NFTA_RULE_EXPRESSIONS, expression(expression(nil, "immediate", value), "meta", set))
		add(unix.NFT_MSG_NEWRULE, netlink.Create|netlink.Append, "chain "+chain.name, r)
	}
	return s.Send(ctx)
}

// EndTrace removes the table of the Tracers of the calling thread's namespace,
// which marks packets as long as it is there.
func EndTrace(ctx context.Context) error {
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
	s.ops = []op{{msg: unix.NFT_MSG_DELTABLE, family: unix.NFPROTO_INET, attrs: text(nil, unix.NFTA_TABLE_NAME, TraceTable), what: "table " + TraceTable}}
	return s.Send(ctx)
}
