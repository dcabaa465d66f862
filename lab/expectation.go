package lab

import (
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Of enum ctattr_expect and enum ctattr_help, linux/netfilter/nfnetlink_conntrack.h.
const (
	expectMaster, expectTuple, expectMask, expectTimeout = 1, 2, 3, 4
	ctHelp, helpName                                     = 5, 1
	// expectingPort is where FTP's control connections go, whose helper the
	// kernel has under this name.
	expectingPort   = 21
	expectingHelper = "ftp"
)

// Expect makes connection tracking expect a packet: it will be RELATED, and go
// by the nat tables, as the first one of a connection that the helper of an
// FTP control connection announced. The kernel must have that helper,
// nf_conntrack_ftp. The connection has the mark, from that which announced it.
func (r *Router) Expect(p *Packet, mark uint32) error {
	master := Connection{First: Packet{Src: p.Src, Dst: p.Dst, Proto: TCP, SPort: 1021, DPort: expectingPort}, Replied: true, Mark: mark, helper: expectingHelper}
	if err := r.Connect(&master); err != nil {
		return err
	}
	of, _ := tupleOf(&master.First)
	expected, _ := tupleOf(p)
	mask := expected
	mask.sport, mask.dport = 0xffff, 0xffff
	var ones [16]byte
	for i := range ones {
		ones[i] = 255
	}
	mask.src, _ = netip.AddrFromSlice(ones[:p.Src.BitLen()/8])
	mask.dst = mask.src
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	ae.Nested(expectMaster, of.encode)
	ae.Nested(expectTuple, expected.encode)
	ae.Nested(expectMask, mask.encode)
	ae.Uint32(expectTimeout, connectionSeconds)
	b, err := ae.Encode()
	if err != nil {
		return err
	}
	return r.conns.request(unix.NFNL_SUBSYS_CTNETLINK_EXP, ctNewMessage, family(p.V6()), netlink.Create|netlink.Excl, b)
}
