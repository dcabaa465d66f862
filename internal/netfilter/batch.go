package netfilter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrGeneration says that the ruleset has changed since it was read, so that
// the kernel refused a transaction which starts from what was read. Nothing was
// changed.
var ErrGeneration = errors.New("the ruleset has changed since it was read")

// BatchError says that the kernel refused a transaction, whole.
type BatchError struct {
	What  string // what the refused message is about; "" for the transaction
	Errno unix.Errno
}

// Error names the thing and the kernel's reason.
func (e *BatchError) Error() string {
	if e.What == "" {
		return "the kernel refuses the transaction: " + e.Errno.Error()
	}
	return fmt.Sprintf("the kernel refuses %s: %v", e.What, e.Errno)
}

// Unwrap returns the errno.
func (e *BatchError) Unwrap() error { return e.Errno }

// Of linux/netfilter/nfnetlink.h.
const (
	nfnlBatchBegin = 0x10 // NFNL_MSG_BATCH_BEGIN
	nfnlBatchEnd   = 0x11
	nfnlBatchGenID = 1 // NFNL_BATCH_GENID
)

// Send makes the change in the calling thread's network namespace, as one
// transaction: all of it or nothing. The error is ErrGeneration if the ruleset
// is no longer the one that the script starts from, and a *BatchError if the
// kernel refuses something. After any other error it is not known whether the
// change was made.
func (s *Script) Send(ctx context.Context) error {
	if s.Empty() {
		return nil
	}
	nl, err := dial()
	if err != nil {
		return err
	}
	defer nl.Close()
	if err := s.resolve(nl); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	batch := s.marshal()
	// The kernel takes the whole of it in one call, and queues an answer for
	// each message that it refuses.
	if err := nl.SetWriteBuffer(len(batch) + 1<<16); err != nil {
		return fmt.Errorf("size the netlink socket: %w", err)
	}
	_ = nl.SetReadBuffer(min(len(batch)+1<<16, 1<<25))
	return s.exchange(nl, batch)
}

// resolve puts the indices of ipsets into the messages.
func (s *Script) resolve(nl *conn) error {
	known := map[string]uint16{}
	for i := range s.ops {
		for _, f := range s.ops[i].fix {
			index, ok := known[f.set]
			if !ok {
				var err error
				if index, err = nl.setIndex(f.set); err != nil {
					return err
				}
				known[f.set] = index
			}
			binary.NativeEndian.PutUint16(s.ops[i].attrs[f.at:], index)
		}
	}
	return nil
}

// marshal returns the messages in one piece. Their sequence numbers count from
// 1, which the batch's begin has. Only the last of them asks for an answer: the
// end of a batch gives none before Linux 6.10.
func (s *Script) marshal() []byte {
	size := 1 << 8
	for i := range s.ops {
		size += len(s.ops[i].attrs) + 32
	}
	b := make([]byte, 0, size)
	message := func(typ uint16, flags uint16, seq int, family byte, res uint16, attrs []byte) {
		start := len(b)
		b = binary.NativeEndian.AppendUint32(b, 0)
		b = binary.NativeEndian.AppendUint16(b, typ)
		b = binary.NativeEndian.AppendUint16(b, flags)
		b = binary.NativeEndian.AppendUint32(b, uint32(seq))
		b = binary.NativeEndian.AppendUint32(b, 0)
		b = append(b, family, unix.NFNETLINK_V0)
		b = binary.BigEndian.AppendUint16(b, res)
		b = append(b, attrs...)
		binary.NativeEndian.PutUint32(b[start:], uint32(len(b)-start))
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	genid := attr(nil, nfnlBatchGenID, binary.BigEndian.AppendUint32(nil, s.generation))
	message(nfnlBatchBegin, unix.NLM_F_REQUEST, 1, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, genid)
	for i, o := range s.ops {
		flags := unix.NLM_F_REQUEST | uint16(o.flags)
		if i == len(s.ops)-1 {
			flags |= unix.NLM_F_ACK
		}
		message(unix.NFNL_SUBSYS_NFTABLES<<8|o.msg, flags, 2+i, o.family, 0, o.attrs)
	}
	message(nfnlBatchEnd, unix.NLM_F_REQUEST, 2+len(s.ops), unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	return b
}

// exchange sends the batch and reads what the kernel says to it. All of that is
// there when the send returns.
func (s *Script) exchange(nl *conn, batch []byte) error {
	raw, err := nl.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(fd uintptr) {
		if err := unix.Sendto(int(fd), batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
				err = &BatchError{Errno: err.(unix.Errno)} // too large, and so not looked at
			}
			result = fmt.Errorf("send to nf_tables: %w", err)
			return
		}
		result = s.answers(int(fd))
	})
	if err != nil {
		return err
	}
	return result
}

// answers reads the kernel's answers: an acknowledgement of the last message and
// nothing else if all is well.
func (s *Script) answers(fd int) error {
	buf := make([]byte, 1<<16)
	done := false
	var refused error
	for {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS): // more answers than fit: none is the one
			continue
		case errors.Is(err, unix.EAGAIN):
			if refused == nil && !done {
				refused = errors.New("nf_tables did not answer")
			}
			return refused
		case err != nil:
			return fmt.Errorf("receive from nf_tables: %w", err)
		}
		msgs, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return fmt.Errorf("receive from nf_tables: %w", err)
		}
		for _, m := range msgs {
			if m.Header.Type != unix.NLMSG_ERROR || len(m.Data) < 4 {
				continue
			}
			errno := unix.Errno(-int32(binary.NativeEndian.Uint32(m.Data)))
			switch {
			case errno == 0:
				done = true
			case refused != nil: // the first counts
			case errno == unix.ERESTART:
				refused = ErrGeneration
			default:
				be := &BatchError{Errno: errno}
				if i := int(m.Header.Seq) - 2; i >= 0 && i < len(s.ops) {
					be.What = s.ops[i].String()
				}
				refused = be
			}
		}
	}
}

// verbs are what messages do.
var verbs = map[uint16]string{
	unix.NFT_MSG_NEWTABLE: "a new", unix.NFT_MSG_NEWCHAIN: "the", unix.NFT_MSG_NEWRULE: "a new rule in",
	unix.NFT_MSG_DELRULE: "to delete a rule of", unix.NFT_MSG_NEWSET: "the new", unix.NFT_MSG_NEWSETELEM: "new elements of",
	unix.NFT_MSG_DELSETELEM: "to delete elements of", unix.NFT_MSG_NEWOBJ: "the new", unix.NFT_MSG_NEWFLOWTABLE: "the new",
}

// String says what the message asks for.
func (o *op) String() string {
	verb, ok := verbs[o.msg]
	if !ok {
		verb = "to delete"
	}
	table := ""
	for typ, v := range attributes(o.attrs) {
		if typ == 1 { // the table's name, in messages of every kind
			table = cstring(v)
		}
	}
	return fmt.Sprintf("%s %s (table %s %s)", verb, o.what, families[o.family], table)
}

// setIndex returns the index of an ipset.
func (c *conn) setIndex(name string) (uint16, error) {
	const (
		byName    = 14 // IPSET_CMD_GET_BYNAME
		attrIndex = 11 // IPSET_ATTR_INDEX
	)
	req := ipsetRequest(byName, 0, 0, nil)
	req.Data = text(req.Data, ipsetAttrSetName, name)
	msgs, err := c.Execute(req)
	if err != nil {
		return 0, fmt.Errorf("index of ipset %s: %w", name, err)
	}
	for _, m := range msgs {
		if len(m.Data) < 4 {
			continue
		}
		for typ, v := range attributes(m.Data[4:]) {
			if typ == attrIndex && len(v) >= 2 {
				return binary.BigEndian.Uint16(v), nil
			}
		}
	}
	return 0, fmt.Errorf("the kernel gives no index for ipset %s", name)
}
