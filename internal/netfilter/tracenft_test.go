package netfilter

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// Kernels tell of the end of a chain and of a rule that returns in different
// ways: __nft_trace_packet and nft_do_chain of net/netfilter.
func TestTraceReturns(t *testing.T) {
	verdict := func(code int32) []byte { return number(nil, unix.NFTA_VERDICT_CODE, uint32(code)) }
	message := func(kind uint32, handle uint64, code int32) []byte {
		b := text([]byte{unix.NFPROTO_IPV4, 0, 0, 0}, unix.NFTA_TRACE_TABLE, "filter")
		b = text(b, unix.NFTA_TRACE_CHAIN, "user")
		b = number(b, unix.NFTA_TRACE_TYPE, kind)
		if handle != 0 {
			b = attr(b, unix.NFTA_TRACE_RULE_HANDLE, binary.BigEndian.AppendUint64(nil, handle))
		}
		return nest(b, unix.NFTA_TRACE_VERDICT, verdict(code))
	}
	tr := &Tracer{words: map[string]string{}, handles: map[owned]map[uint64]int{{ruleset.IPv4, "filter", "user"}: {7: 1, 9: 2}}}
	for _, m := range [][]byte{
		message(unix.NFT_TRACETYPE_RULE, 7, unix.NFT_CONTINUE),
		message(unix.NFT_TRACETYPE_RULE, 9, unix.NFT_RETURN),     // Linux 6.18
		message(unix.NFT_TRACETYPE_RETURN, 9, unix.NFT_RETURN),   // Linux 5.10
		message(unix.NFT_TRACETYPE_RULE, 0, unix.NFT_CONTINUE),   // the end, 6.18
		message(unix.NFT_TRACETYPE_RETURN, 0, unix.NFT_CONTINUE), // the end, 5.10
		message(unix.NFT_TRACETYPE_RULE, 11, unix.NFT_CONTINUE),  // a rule that came later
		message(unix.NFT_TRACETYPE_UNSPEC, 0, unix.NFT_CONTINUE),
		{unix.NFPROTO_IPV4, 0, 0, 0, 1},
	} {
		tr.nfTables(m)
	}
	type told struct {
		Kind    TraceKind
		Rule    int
		Verdict string
	}
	var got []told
	for _, e := range tr.pending {
		got = append(got, told{e.Kind, e.Rule, e.Verdict})
	}
	want := []told{{TraceRule, 1, "continue"}, {TraceRule, 2, "return"}, {TraceRule, 2, "return"}, {TraceReturn, 0, ""}, {TraceReturn, 0, ""},
		{TraceRule, 0, "continue"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
