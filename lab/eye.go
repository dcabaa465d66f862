package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"golang.org/x/sys/unix"
)

// eye sees what passes the ends of the router's hooks: rules of a table of its
// own log each packet there to nfnetlink_log.
type eye struct{ fd int }

const (
	eyeTable = "fwc_lab"
	eyeGroup = 4141
)

// eyeRules stand behind all rules of a snapshot, and before conntrack confirms
// (NF_IP_PRI_CONNTRACK_CONFIRM of linux/netfilter_ipv4.h, the highest number);
// what the router sends is logged before any rule can drop it. Asking for a
// state makes connection tracking work whatever the snapshot has. The empty
// chains are where marks are given.
//
// What is said of a packet beside is a log entry of its own behind it. The
// kernel can put a connection into the first one, if it is built so
// (CONFIG_NETFILTER_NETLINK_GLUE_CT); this works everywhere.
var eyeRules = func() string {
	var b strings.Builder
	fmt.Fprintf(&b, `add table inet %[1]s
add chain inet %[1]s arriving { type filter hook prerouting priority -2147483000; }
add chain inet %[1]s tracked_in { type filter hook prerouting priority -199; }
add chain inet %[1]s tracked_out { type filter hook output priority -199; }
add chain inet %[1]s sent { type filter hook output priority -2147483000; }
add chain inet %[1]s delivered { type filter hook input priority 2147483000; }
add chain inet %[1]s left { type filter hook postrouting priority 2147483000; }
add rule inet %[1]s tracked_in ct state invalid counter
`, eyeTable)
	for _, p := range []Place{Sent, Delivered, Left} {
		fmt.Fprintf(&b, "add rule inet %s %s log prefix %q group %d queue-threshold 1\n", eyeTable, p, p, eyeGroup)
		if p == Sent {
			continue
		}
		for _, fact := range eyeFacts {
			fmt.Fprintf(&b, "add rule inet %s %s %s log prefix %q group %d snaplen 1 queue-threshold 1\n", eyeTable, p, fact.match, fact.name, eyeGroup)
		}
	}
	return b.String()
}()

// eyeFacts are what is said of a packet beside. Behind all rules the mark can
// carry the connection's.
var eyeFacts = []struct{ match, name string }{
	{"ct state new", "NEW"}, {"ct state established", "ESTABLISHED"}, {"ct state related", "RELATED"},
	{"ct state invalid", "INVALID"}, {"ct state untracked", "UNTRACKED"},
	{"ct direction reply", "reply"}, {"ct status snat", "SNAT"}, {"ct status dnat", "DNAT"},
	{"ct mark != 0 meta mark set ct mark", "connmark"},
}

// Of linux/netfilter/nfnetlink_log.h.
const (
	logConfig                                     = 1 // NFULNL_MSG_CONFIG
	logCommand, logMode, logThreshold             = 1, 2, 5
	logMark, logIn, logOut, logPayload, logPrefix = 2, 4, 5, 9, 10
	logBind, logCopyPacket                        = 1, 2
	messageHeader, netfilterHeader                = 16, 4
)

// openEye makes the table and the socket. It runs on the router's thread.
func openEye(ctx context.Context) (*eye, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	e := &eye{fd}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	mode := binary.BigEndian.AppendUint32(nil, 0xffff)
	attrs := attribute(nil, logCommand, []byte{logBind})
	attrs = attribute(attrs, logMode, append(mode, logCopyPacket, 0))
	attrs = attribute(attrs, logThreshold, binary.BigEndian.AppendUint32(nil, 1))
	if err := e.configure(attrs); err != nil {
		e.close()
		return nil, fmt.Errorf("nfnetlink_log: %w", err)
	}
	if err := netfilter.RunNFT(ctx, []byte(eyeRules)); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *eye) close() { unix.Close(e.fd) }

// configure sends one request and reads its answer.
func (e *eye) configure(attrs []byte) error {
	b := make([]byte, messageHeader, messageHeader+netfilterHeader+len(attrs))
	binary.NativeEndian.PutUint32(b, uint32(cap(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NFNL_SUBSYS_ULOG<<8|logConfig)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = append(b, unix.AF_UNSPEC, unix.NFNETLINK_V0, byte(eyeGroup>>8), byte(eyeGroup&255))
	if err := unix.Sendto(e.fd, append(b, attrs...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	n, _, err := unix.Recvfrom(e.fd, buf, 0)
	if err != nil {
		return err
	}
	if n >= messageHeader+4 && binary.NativeEndian.Uint16(buf[4:]) == unix.NLMSG_ERROR {
		if code := int32(binary.NativeEndian.Uint32(buf[messageHeader:])); code != 0 {
			return unix.Errno(-code)
		}
	}
	return nil
}

func attribute(b []byte, kind uint16, v []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(v)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, v...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func attributesOf(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			n := int(binary.NativeEndian.Uint16(b))
			if n < 4 || n > len(b) || !yield(binary.NativeEndian.Uint16(b[2:])&0x3fff, b[4:n]) {
				return
			}
			b = b[min((n+3)&^3, len(b)):]
		}
	}
}

// Place is where the router met a packet.
type Place string

// The places.
const (
	Sent      Place = "sent"      // by the router, before any rule
	Delivered Place = "delivered" // to the router, behind all rules
	Left      Place = "left"      // by an interface, behind all rules
)

// Sighting is a packet at a place.
type Sighting struct {
	Place    Place
	In, Out  string // interfaces, as far as there are
	Packet   Seen
	Mark     uint32
	Connmark uint32
	// State is the connection's as iptables writes it, of Delivered and Left.
	// Reply says that the packet goes against its direction; SNAT and DNAT that
	// its addresses are translated.
	State             string
	Reply, SNAT, DNAT bool
}

// sightings returns what was seen since the last time.
func (e *eye) sightings(name func(uint32) string) ([]Sighting, error) {
	var out []Sighting
	buf := make([]byte, 1<<18)
	for {
		n, _, err := unix.Recvfrom(e.fd, buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return out, nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, fmt.Errorf("nfnetlink_log: %w", err)
		}
		for b := buf[:n]; len(b) >= messageHeader+netfilterHeader; {
			size := int(binary.NativeEndian.Uint32(b))
			if size < messageHeader+netfilterHeader || size > len(b) {
				break
			}
			if binary.NativeEndian.Uint16(b[4:]) == unix.NFNL_SUBSYS_ULOG<<8 {
				out = look(out, b[messageHeader+netfilterHeader:size], name)
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}

// look adds one log entry: a packet, or what is said of the last one.
func look(out []Sighting, b []byte, name func(uint32) string) []Sighting {
	var s Sighting
	var load []byte
	number := func(v []byte) uint32 {
		if len(v) < 4 {
			return 0
		}
		return binary.BigEndian.Uint32(v)
	}
	prefix := ""
	for kind, v := range attributesOf(b) {
		switch kind {
		case logMark:
			s.Mark = number(v)
		case logIn:
			s.In = name(number(v))
		case logOut:
			s.Out = name(number(v))
		case logPrefix:
			prefix = unix.ByteSliceToString(v)
		case logPayload:
			load = v
		}
	}
	switch s.Place = Place(prefix); s.Place {
	case Sent, Delivered, Left:
		var ok bool
		if s.Packet, ok = ParseFrame(load); ok {
			out = append(out, s)
		}
		return out
	}
	if len(out) == 0 {
		return out
	}
	switch last := &out[len(out)-1]; prefix {
	case "reply":
		last.Reply = true
	case "SNAT":
		last.SNAT = true
	case "DNAT":
		last.DNAT = true
	case "connmark":
		last.Connmark = s.Mark
	default:
		last.State = prefix
	}
	return out
}
