package netfilter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// TraceKind says what of a chain a packet met.
type TraceKind string

// The kinds. A legacy table calls a rule without a match a policy or a return
// where its target is a verdict: TraceEvent.Rule is then within the chain.
const (
	TraceRule   TraceKind = "rule"
	TracePolicy TraceKind = "policy"
	TraceReturn TraceKind = "return" // the end of a user chain
)

// TraceEvent is one thing that a packet met.
type TraceEvent struct {
	Backend ruleset.Backend
	Family  ruleset.Family // of the table
	Table   string
	Chain   string
	Kind    TraceKind
	// Rule is the place of the rule in its chain, from 1; 0 for none, and for
	// a rule of nf_tables that was not there when the trace began.
	Rule int
	// Verdict is what nf_tables says came of it, in nft's words: accept, drop,
	// continue, return, queue, stolen, jump, goto. Legacy tables do not say.
	Verdict string
	To      string // the chain of a jump or goto

	// Packet is the same number for all that nf_tables tells of one packet. It
	// is a hash: two packets may share one. Legacy tables give none.
	Packet uint32
	Hook   int // NF_INET_PRE_ROUTING and on; -1 where it is not told: by nf_tables
	// In and Out are names of interfaces, "" for none.
	In, Out string
	Mark    uint32
	State   string // what conntrack says: new, established, …; "" before Linux 6.16
	// Header is the packet from its network header on, cut short. nf_tables
	// tells it with the first event of a packet in each chain that hangs on a
	// hook, and has none in the others.
	Header []byte
}

// TraceTable is the name of the native table, of family inet, that a Tracer
// adds. Its own events are left out.
const TraceTable = "fwc_trace"

// ErrTraceLost says that packets met more than there was room for.
var ErrTraceLost = errors.New("the kernel told more of the packets' ways than there was room for")

// Tracer hears from the kernel which rules packets meet, in one network
// namespace: from nf_tables by NFNL_SUBSYS_NFTABLES' NFT_MSG_TRACE, and from
// the legacy tables of IPv4 and IPv6 by nfnetlink_log. Both come through one
// socket, so in the order in which the packets met them. Arptables, ebtables
// and their like are not heard of.
type Tracer struct {
	fd      int
	handles map[owned]map[uint64]int
	names   map[uint32]string // of interfaces
	words   map[string]string // each kept once: events name few
	buf     []byte
	pending []TraceEvent
	lost    bool
}

// Trace begins to trace every packet that comes in or goes out in the calling
// thread's namespace, one that nobody else uses: it adds a table of its own,
// TraceTable, that marks packets ahead of all other tables, and takes what LOG
// and group 0 of NFLOG have to say. Rules must not change until Close; those
// that are added later have no Rule. One Tracer of a namespace hears of legacy
// tables.
//
// The namespace's kernel must have nf_tables, and nfnetlink_log where there are
// legacy tables.
func Trace(ctx context.Context) (*Tracer, error) {
	t := &Tracer{names: map[uint32]string{}, words: map[string]string{}, buf: make([]byte, 1<<16)}
	var err error
	if t.handles, err = ruleHandles(ctx); err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	t.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("trace: open netlink socket: %w", err)
	}
	if err := t.open(ctx); err != nil {
		unix.Close(t.fd)
		return nil, fmt.Errorf("trace: %w", err)
	}
	return t, nil
}

func (t *Tracer) open(ctx context.Context) error {
	const room = 16 << 20
	if unix.SetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) != nil {
		// Within a user namespace: as much as net.core.rmem_max allows.
		_ = unix.SetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room)
	}
	if err := unix.Bind(t.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	if err := t.hearLegacy(); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(t.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.NFNLGRP_NFTRACE); err != nil {
		return fmt.Errorf("join NFNLGRP_NFTRACE: %w", err)
	}
	return addTraceTable(ctx)
}

// Events returns what has been told since the last call, and does not wait: the
// kernel tells of a rule before the packet goes on from it, so what a packet
// met that has come out, or is known to be gone, is there. Call it from any
// thread, one at a time. The error wraps ErrTraceLost if something is missing,
// beside the events that there are.
func (t *Tracer) Events() ([]TraceEvent, error) {
	if err := t.Hear(); err != nil {
		return nil, err
	}
	events, lost := t.pending, t.lost
	t.pending, t.lost = nil, false
	if lost {
		return events, ErrTraceLost
	}
	return events, nil
}

// Fd returns the socket, to poll for reading: there is room for some 20,000
// events, and for 300 in a user namespace, until Hear takes them.
func (t *Tracer) Fd() int { return t.fd }

// Hear takes what has been told and keeps it for Events. It does not wait.
func (t *Tracer) Hear() error {
	for {
		n, from, err := unix.Recvfrom(t.fd, t.buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			t.lost = true
			continue
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return fmt.Errorf("trace: %w", err)
		}
		if sa, ok := from.(*unix.SockaddrNetlink); !ok || sa.Pid != 0 {
			continue // another process
		}
		msgs, err := syscall.ParseNetlinkMessage(t.buf[:n])
		if err != nil {
			return fmt.Errorf("trace: %w", err)
		}
		for _, m := range msgs {
			if len(m.Data) < 4 {
				continue
			}
			switch m.Header.Type {
			case unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_TRACE:
				t.nfTables(m.Data)
			case unix.NFNL_SUBSYS_ULOG << 8: // NFULNL_MSG_PACKET
				t.legacy(m.Data)
			}
		}
	}
}

// Close ends the trace. The table stays, for other Tracers of the namespace; it
// goes with that, or by EndTrace.
func (t *Tracer) Close() error { return unix.Close(t.fd) }

// word is cstring without a copy for each time.
func (t *Tracer) word(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	if w, ok := t.words[string(b)]; ok {
		return w
	}
	w := string(b)
	t.words[w] = w
	return w
}

// iface returns the name of an interface of the trace's namespace.
func (t *Tracer) iface(index uint32) string {
	if index == 0 {
		return ""
	}
	if name, ok := t.names[index]; ok {
		return name
	}
	name := "#" + fmt.Sprint(index)
	// SIOCGIFNAME asks the namespace of the socket, see netdevice(7).
	var ifr struct {
		name  [unix.IFNAMSIZ]byte
		index int32
		_     [20]byte
	}
	ifr.index = int32(index)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.fd), unix.SIOCGIFNAME, uintptr(unsafe.Pointer(&ifr))); errno == 0 {
		name = cstring(ifr.name[:])
	}
	t.names[index] = name
	return name
}
