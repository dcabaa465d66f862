package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// Of linux/netfilter/nfnetlink_log.h.
const (
	nfulnlMsgConfig = 1

	nfulaCfgCmd     = 1
	nfulaCfgMode    = 2
	nfulaCfgQThresh = 5

	nfulnlBind   = 1 // NFULNL_CFG_CMD_BIND
	nfulnlPFBind = 3 // NFULNL_CFG_CMD_PF_BIND

	nfulnlCopyPacket = 2

	nfulaPacketHdr     = 1
	nfulaMark          = 2
	nfulaIfindexIndev  = 4
	nfulaIfindexOutdev = 5
	nfulaPayload       = 9
	nfulaPrefix        = 10
)

// traceBytes is how much of a packet legacy tables tell.
const traceBytes = 128

// hearLegacy makes the socket the one that hears what the legacy tables of the
// namespace log: nfnetlink_log, group 0, is what nf_log of IPv4 and IPv6 speaks
// to from now on, and it tells of each packet at once.
func (t *Tracer) hearLegacy() error {
	mode := append(binary.BigEndian.AppendUint32(nil, traceBytes), nfulnlCopyPacket, 0)
	for i, c := range []struct {
		family byte
		attrs  []byte
	}{
		{unix.AF_INET, attr(nil, nfulaCfgCmd, []byte{nfulnlPFBind})},
		{unix.AF_INET6, attr(nil, nfulaCfgCmd, []byte{nfulnlPFBind})},
		{unix.AF_UNSPEC, attr(nil, nfulaCfgCmd, []byte{nfulnlBind})},
		{unix.AF_UNSPEC, number(attr(nil, nfulaCfgMode, mode), nfulaCfgQThresh, 1)},
	} {
		err := t.configure(uint32(i+1), c.family, c.attrs)
		if err == nil {
			continue
		}
		if !hasLegacy() {
			return nil // and so nothing to hear
		}
		return fmt.Errorf("nfnetlink_log: %w", err)
	}
	return nil
}

// configure sends a NFULNL_MSG_CONFIG for group 0 and returns what the kernel
// says to it.
func (t *Tracer) configure(seq uint32, family byte, attrs []byte) error {
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+4+len(attrs)))
	b = binary.NativeEndian.AppendUint16(b, unix.NFNL_SUBSYS_ULOG<<8|nfulnlMsgConfig)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, family, unix.NFNETLINK_V0, 0, 0)
	b = append(b, attrs...)
	if err := unix.Sendto(t.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for {
		n, _, err := unix.Recvfrom(t.fd, t.buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err // the answer is there when the send returns
		}
		h := t.buf[:n]
		if n < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(h[4:]) != unix.NLMSG_ERROR ||
			binary.NativeEndian.Uint32(h[8:]) != seq {
			continue
		}
		if errno := unix.Errno(-int32(binary.NativeEndian.Uint32(h[unix.NLMSG_HDRLEN:]))); errno != 0 {
			return errno
		}
		return nil
	}
}

// hasLegacy says whether the namespace has legacy tables that tell of packets.
func hasLegacy() bool {
	for _, k := range []ruleset.Kind{ruleset.IPTables, ruleset.IP6Tables} {
		if names, err := legacyTables(k); err != nil || len(names) > 0 {
			return true
		}
	}
	return false
}

// legacy reads one NFULNL_MSG_PACKET: nfgenmsg and attributes. Those that do
// not begin as trace_packet of net/ipv4/netfilter/ip_tables.c begins them are
// of a LOG or NFLOG target.
func (t *Tracer) legacy(b []byte) {
	e := TraceEvent{Backend: ruleset.Legacy, Family: families[b[0]], Hook: -1}
	var prefix string
	for typ, v := range attributes(b[4:]) {
		switch typ {
		case nfulaPacketHdr:
			if len(v) >= 3 {
				e.Hook = int(v[2])
			}
		case nfulaMark:
			e.Mark = be32(v)
		case nfulaIfindexIndev:
			e.In = t.iface(be32(v))
		case nfulaIfindexOutdev:
			e.Out = t.iface(be32(v))
		case nfulaPayload:
			e.Header = append([]byte(nil), v...)
		case nfulaPrefix:
			prefix = cstring(v)
		}
	}
	if e.parsePrefix(prefix) {
		t.pending = append(t.pending, e)
	}
}

// parsePrefix reads "TRACE: raw:OUTPUT:rule:1 ". A chain's name may hold colons.
func (e *TraceEvent) parsePrefix(text string) bool {
	text, ok := strings.CutPrefix(strings.TrimSuffix(text, " "), "TRACE: ")
	if !ok {
		return false
	}
	table, rest, _ := strings.Cut(text, ":")
	i := strings.LastIndexByte(rest, ':')
	if i < 0 {
		return false
	}
	n, err := strconv.Atoi(rest[i+1:])
	if err != nil || n < 1 {
		return false
	}
	rest = rest[:i]
	if i = strings.LastIndexByte(rest, ':'); i < 0 {
		return false
	}
	e.Table, e.Chain, e.Rule = table, rest[:i], n
	switch kind := TraceKind(rest[i+1:]); kind {
	case TraceRule, TracePolicy, TraceReturn:
		e.Kind = kind
		return true
	}
	return false
}
