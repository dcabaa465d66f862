package netfilter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A picture that changed while it was taken is taken anew: dumpTries times at
// least, and for as long as patience.
const (
	dumpTries = 10
	patience  = 3 * time.Second
)

// again yields until the tries are used up.
func again(ctx context.Context) iter.Seq[int] {
	return func(yield func(int) bool) {
		start := time.Now()
		for i := 0; i < dumpTries || time.Since(start) < patience; i++ {
			if !yield(i) || ctx.Err() != nil {
				return
			}
		}
	}
}

// unsettled is what again ends in.
func unsettled(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return ErrChanging
}

// messageBuffer is the size of the buffer that messages are read into. The
// kernel fills each message of a dump up to the largest buffer it saw, 32 KiB
// at most, and walks the whole list anew for each.
const messageBuffer = 1 << 15

// conn is a netlink socket of the calling thread's network namespace.
type conn struct{ *netlink.Conn }

// dial opens a netfilter netlink socket.
func dial() (*conn, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{MessageBufferSize: messageBuffer})
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	return &conn{c}, nil
}

// request makes a message to nf_tables: struct nfgenmsg (family, version 0,
// res_id 0) and attributes. See linux/netfilter/nfnetlink.h.
func request(msg uint16, flags netlink.HeaderFlags, family byte, attrs []byte) netlink.Message {
	return netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | msg),
			Flags: netlink.Request | flags,
		},
		Data: append([]byte{family, unix.NFNETLINK_V0, 0, 0}, attrs...),
	}
}

// errInterrupted says that objects changed during a dump.
var errInterrupted = errors.New("dump interrupted")

// dump sends one dump request and returns the answers, each beginning with
// its nfgenmsg. A kernel without nf_tables has no objects.
func (c *conn) dump(msg uint16, family byte, attrs []byte) ([]netlink.Message, error) {
	msgs, err := c.Execute(request(msg, netlink.Dump, family, attrs))
	if err != nil {
		if errors.Is(err, unix.EINTR) {
			return nil, errInterrupted
		}
		return nil, err
	}
	for _, m := range msgs {
		if m.Header.Flags&netlink.HeaderFlags(unix.NLM_F_DUMP_INTR) != 0 {
			return nil, errInterrupted
		}
		if len(m.Data) < 4 {
			return nil, fmt.Errorf("netlink message of %d bytes", len(m.Data))
		}
	}
	return msgs, nil
}

// generation returns the ruleset's generation id, which every change of an
// nf_tables object increments. The error wraps errAbsent on a kernel without
// nf_tables.
func (c *conn) generation() (uint32, error) {
	msgs, err := c.Execute(request(unix.NFT_MSG_GETGEN, 0, unix.AF_UNSPEC, nil))
	if err != nil {
		return 0, asAbsent(err)
	}
	for _, m := range msgs {
		if len(m.Data) < 4 {
			continue
		}
		for typ, v := range attributes(m.Data[4:]) {
			if typ == unix.NFTA_GEN_ID && len(v) == 4 {
				return be32(v), nil
			}
		}
	}
	return 0, errors.New("the kernel gives no ruleset generation")
}

// errAbsent says that this kernel lacks a subsystem.
var errAbsent = errors.New("not in this kernel")

// asAbsent makes errAbsent of what netlink answers for a subsystem that it
// does not have: EINVAL too, so it is for a first, well-formed request only.
func asAbsent(err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) ||
		errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%w: %w", errAbsent, err)
	}
	return err
}
