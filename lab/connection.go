package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Connection is one that connection tracking is told of, as if its packets had
// passed already.
type Connection struct {
	// First is a packet of its original direction.
	First Packet
	// Replied says that packets went both ways: it is ESTABLISHED.
	Replied bool
	// Master makes the connection RELATED to another, which is made too.
	Master *Connection
	// TCPState is one of enum tcp_conntrack; 0 is that of an established one.
	TCPState uint8
	Mark     uint32
	// To and From are where the destination and the source are translated to;
	// not valid ones are not.
	To, From netip.AddrPort

	helper string
}

// Bits of CTA_STATUS, enum ip_conntrack_status.
const ctSeenReply, ctAssured, ctConfirmed = 2, 4, 8

// connections speaks ctnetlink in the router's namespace.
type connections struct{ *netlink.Conn }

// openConnections runs on the router's thread.
func openConnections() (*connections, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	return &connections{c}, nil
}

func (c *connections) close() { _ = c.Close() }

// Of linux/netfilter/nfnetlink_conntrack.h.
const (
	ctNewMessage, ctDeleteMessage                                  = 0, 2
	ctTupleOrig, ctTupleReply, ctStatus, ctProtoInfo, ctMark       = 1, 2, 3, 4, 8
	ctNATSource, ctTimeout, ctNATDestination, ctTupleMaster        = 6, 7, 13, 14
	ctTupleIP, ctTupleProto                                        = 1, 2
	ctProtoNumber, ctSourcePort, ctDestinationPort                 = 1, 2, 3
	ctICMPID, ctICMPType, ctICMPCode                               = 4, 5, 6
	ctICMPv6ID, ctICMPv6Type, ctICMPv6Code                         = 7, 8, 9
	ctInfoTCP, ctInfoSCTP                                          = 1, 3
	ctTCPState, ctTCPFlagsOriginal, ctTCPFlagsReply                = 1, 4, 5
	ctSCTPState, ctSCTPTagOriginal, ctSCTPTagReply                 = 1, 2, 3
	ctNATProto                                                     = 3
	tcpEstablished, sctpEstablished, liberal                 uint8 = 3, 4, 8
	connectionSeconds                                              = 600
)

// ForgetConnections makes connection tracking forget all.
func (r *Router) ForgetConnections() error {
	return r.conns.send(ctDeleteMessage, unix.AF_UNSPEC, 0, nil)
}

// natRules make translation work where no table nat does.
var natRules = func() string {
	var b strings.Builder
	for hook, priority := range map[string]int{"prerouting": -100, "input": 100, "output": -100, "postrouting": 100} {
		fmt.Fprintf(&b, "add chain inet %s nat_%s { type nat hook %s priority %d; }\n", eyeTable, hook, hook, priority)
	}
	return b.String()
}()

// Connect tells connection tracking of a connection. From the first one on that
// is translated, the router translates whether the snapshot has rules that do
// or not.
func (r *Router) Connect(c *Connection) error {
	if !r.nat && (c.To.IsValid() || c.From.IsValid()) {
		err := r.Do(func() error { return netfilter.RunNFT(context.Background(), []byte(natRules)) })
		if err != nil {
			return err
		}
		r.nat = true
	}
	if c.Master != nil {
		if err := r.Connect(c.Master); err != nil {
			return err
		}
	}
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	there, back := tupleOf(&c.First)
	ae.Nested(ctTupleOrig, there.encode)
	ae.Nested(ctTupleReply, back.encode)
	status := uint32(ctConfirmed)
	if c.Replied {
		status |= ctSeenReply | ctAssured
	}
	ae.Uint32(ctStatus, status)
	ae.Uint32(ctTimeout, connectionSeconds)
	if c.Mark != 0 {
		ae.Uint32(ctMark, c.Mark)
	}
	switch c.First.Proto {
	case TCP:
		ae.Nested(ctProtoInfo, c.tcp)
	case SCTP:
		ae.Nested(ctProtoInfo, c.sctp)
	}
	if c.Master != nil {
		master, _ := tupleOf(&c.Master.First)
		ae.Nested(ctTupleMaster, master.encode)
	}
	nat := func(kind uint16, to netip.AddrPort) {
		if to.IsValid() {
			ae.Nested(kind, func(ae *netlink.AttributeEncoder) error { return encodeNAT(ae, to) })
		}
	}
	nat(ctNATDestination, c.To)
	nat(ctNATSource, c.From)
	if c.helper != "" {
		ae.Nested(ctHelp, func(ae *netlink.AttributeEncoder) error {
			ae.String(helpName, c.helper)
			return nil
		})
	}
	b, err := ae.Encode()
	if err != nil {
		return err
	}
	return r.conns.send(ctNewMessage, family(c.First.V6()), netlink.Create|netlink.Excl, b)
}

func family(v6 bool) byte {
	if v6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

func (c *connections) send(msg uint16, family byte, flags netlink.HeaderFlags, attrs []byte) error {
	return c.request(unix.NFNL_SUBSYS_CTNETLINK, msg, family, flags, attrs)
}

func (c *connections) request(subsystem, msg uint16, family byte, flags netlink.HeaderFlags, attrs []byte) error {
	_, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(subsystem<<8 | msg), Flags: netlink.Request | netlink.Acknowledge | flags},
		Data:   append([]byte{family, unix.NFNETLINK_V0, 0, 0}, attrs...),
	})
	return err
}

func (c *Connection) tcp(ae *netlink.AttributeEncoder) error {
	state := c.TCPState
	if state == 0 {
		state = tcpEstablished
	}
	ae.Nested(ctInfoTCP, func(ae *netlink.AttributeEncoder) error {
		ae.Uint8(ctTCPState, state)
		ae.Bytes(ctTCPFlagsOriginal, []byte{liberal, liberal})
		ae.Bytes(ctTCPFlagsReply, []byte{liberal, liberal})
		return nil
	})
	return nil
}

func (c *Connection) sctp(ae *netlink.AttributeEncoder) error {
	ae.Nested(ctInfoSCTP, func(ae *netlink.AttributeEncoder) error {
		ae.Uint8(ctSCTPState, sctpEstablished)
		ae.Uint32(ctSCTPTagOriginal, 0)
		ae.Uint32(ctSCTPTagReply, 0)
		return nil
	})
	return nil
}

// tuple is one direction of a connection.
type tuple struct {
	src, dst     netip.Addr
	proto        uint8
	sport, dport uint16
	id           uint16
	icmp, code   uint8
}

// tupleOf returns the tuples of a packet's direction and of the other.
func tupleOf(p *Packet) (there, back tuple) {
	there = tuple{src: p.Src, dst: p.Dst, proto: p.Proto, sport: p.SPort, dport: p.DPort, id: p.ID, icmp: p.ICMPType, code: p.ICMPCode}
	back = there
	back.src, back.dst, back.sport, back.dport = p.Dst, p.Src, p.DPort, p.SPort
	back.icmp = answerTo(p.Proto, p.ICMPType)
	return there, back
}

// answerTo is the type of the other direction of an ICMP question or answer:
// invmap of nf_conntrack_proto_icmp.c and of nf_conntrack_proto_icmpv6.c.
func answerTo(proto, kind uint8) uint8 {
	pairs := [][2]uint8{{echoRequest, echoReply}, {13, 14}, {15, 16}, {17, 18}}
	if proto == ICMPv6 {
		pairs = [][2]uint8{{echoRequestV6, echoReplyV6}, {139, 140}}
	}
	for _, p := range pairs {
		switch kind {
		case p[0]:
			return p[1]
		case p[1]:
			return p[0]
		}
	}
	return kind
}

func (t tuple) encode(ae *netlink.AttributeEncoder) error {
	v6 := t.src.Is6()
	at := uint16(1) // CTA_IP_V4_SRC
	if v6 {
		at = 3 // CTA_IP_V6_SRC
	}
	ae.Nested(ctTupleIP, func(ae *netlink.AttributeEncoder) error {
		ae.Bytes(at, t.src.AsSlice())
		ae.Bytes(at+1, t.dst.AsSlice())
		return nil
	})
	ae.Nested(ctTupleProto, func(ae *netlink.AttributeEncoder) error {
		ae.Uint8(ctProtoNumber, t.proto)
		switch {
		case Ports(t.proto), t.proto == GRE:
			ae.Uint16(ctSourcePort, t.sport)
			ae.Uint16(ctDestinationPort, t.dport)
		case t.proto == ICMP:
			ae.Uint16(ctICMPID, t.id)
			ae.Uint8(ctICMPType, t.icmp)
			ae.Uint8(ctICMPCode, t.code)
		case t.proto == ICMPv6:
			ae.Uint16(ctICMPv6ID, t.id)
			ae.Uint8(ctICMPv6Type, t.icmp)
			ae.Uint8(ctICMPv6Code, t.code)
		}
		return nil
	})
	return nil
}

func encodeNAT(ae *netlink.AttributeEncoder, to netip.AddrPort) error {
	low := uint16(1) // CTA_NAT_V4_MINIP
	if to.Addr().Is6() {
		low = 4 // CTA_NAT_V6_MINIP
	}
	ae.Bytes(low, to.Addr().AsSlice())
	ae.Bytes(low+1, to.Addr().AsSlice())
	if to.Port() != 0 {
		ae.Nested(ctNATProto, func(ae *netlink.AttributeEncoder) error {
			ae.Uint16(1, to.Port()) // CTA_PROTONAT_PORT_MIN
			ae.Uint16(2, to.Port())
			return nil
		})
	}
	return nil
}
