package lab

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// place says where a packet was seen.
type place uint8

const (
	left    place = iota // a host's interface, on its way out
	arrived              // a host's interface, on its way in and for that host
	passing              // the same, for somebody else
	came                 // the router's interface, on its way in
	// In the router, by what its hooks tell: behind the rules of PREROUTING,
	// ahead of those of INPUT and FORWARD, ahead of those of OUTPUT, behind
	// those of INPUT, and behind those of POSTROUTING.
	through
	met
	made
	taken
	gone
)

// sight is a packet that was seen somewhere.
type sight struct {
	Seen
	node  *node
	place place
	mark  uint32 // of taken and gone
}

// listenFrames watches what comes to and leaves a node, and only what comes to
// the router, whose rules are between its interfaces and itself.
func (b *rig) listenFrames(n *node) error {
	return b.top.in(n, func() error {
		const all = unix.ETH_P_ALL
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(all<<8&0xff00|all>>8))
		if err != nil {
			return err
		}
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20)
		}
		n.frames = fd
		buf := make([]byte, 128<<10)
		return b.loop.watch(fd, unix.EPOLLIN, func(uint32) error { return b.frames(n, fd, buf) })
	})
}

func (b *rig) frames(n *node, fd int, buf []byte) error {
	for {
		size, from, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENETDOWN), errors.Is(err, unix.ENOBUFS):
			continue
		case err != nil:
			return err
		}
		ll, ok := from.(*unix.SockaddrLinklayer)
		if !ok || size < ether {
			continue
		}
		proto := binary.BigEndian.Uint16(buf[12:])
		if proto == barrierType && ll.Pkttype != unix.PACKET_OUTGOING && size >= ether+2 {
			b.greeted[greeting{n, binary.BigEndian.Uint16(buf[ether:])}] = true
		}
		if proto != unix.ETH_P_IP && proto != unix.ETH_P_IPV6 {
			continue
		}
		where := passing
		switch ll.Pkttype {
		case unix.PACKET_OUTGOING:
			where = left
		case unix.PACKET_BROADCAST, unix.PACKET_MULTICAST:
			where = arrived // for everybody
		case unix.PACKET_OTHERHOST:
			continue // flooded by a bridge
		}
		if n == b.router {
			if where == left {
				continue
			}
			where = came
		}
		b.saw(n, where, 0, buf[ether:size])
	}
}

// saw takes a packet down, once it is whole.
func (b *rig) saw(n *node, where place, mark uint32, packet []byte) {
	packet, whole := b.defragment(n, where, packet)
	if !whole {
		return
	}
	seen, ok := ParseFrame(packet)
	if !ok {
		return
	}
	if where == passing && (n.local[seen.Dst] || seen.Dst.IsLoopback()) {
		where = arrived
	}
	b.sights = append(b.sights, sight{Seen: seen, node: n, place: where, mark: mark})
}

// fragmentKey tells the fragments of one packet at one place (RFC 791, 8200).
type fragmentKey struct {
	node     *node
	where    place
	src, dst netip.Addr
	id       uint32
	proto    uint8
}

type fragments struct {
	head  []byte // the first one's header, without that of fragments
	parts map[int][]byte
	total int // -1 until the last is there
}

// defragment returns the packet that a fragment completes.
func (b *rig) defragment(n *node, where place, p []byte) ([]byte, bool) {
	k := fragmentKey{node: n, where: where}
	var head, body []byte
	var offset int
	var more bool
	switch {
	case len(p) >= ipv4Header && p[0]>>4 == 4:
		bits := binary.BigEndian.Uint16(p[6:])
		offset, more = int(bits&0x1fff)*8, bits&0x2000 != 0
		size, length := int(p[0]&15)*4, int(binary.BigEndian.Uint16(p[2:]))
		if offset == 0 && !more || length > len(p) || size < ipv4Header || size > length {
			return p, true
		}
		head, body = slices.Clone(p[:size]), p[size:length]
		head[6], head[7] = 0, 0
		k.src, k.dst = netip.AddrFrom4([4]byte(p[12:])), netip.AddrFrom4([4]byte(p[16:]))
		k.id, k.proto = uint32(binary.BigEndian.Uint16(p[4:])), p[9]
	case len(p) >= ipv6Header+8 && p[0]>>4 == 6 && p[6] == unix.IPPROTO_FRAGMENT:
		f := p[ipv6Header:]
		bits := binary.BigEndian.Uint16(f[2:])
		offset, more = int(bits&^7), bits&1 != 0
		head, body = slices.Clone(p[:ipv6Header]), f[8:]
		head[6] = f[0]
		k.src, k.dst = netip.AddrFrom16([16]byte(p[8:])), netip.AddrFrom16([16]byte(p[24:]))
		k.id, k.proto = binary.BigEndian.Uint32(f[4:]), f[0]
	default:
		return p, true
	}
	f := b.frags[k]
	if f == nil {
		f = &fragments{parts: map[int][]byte{}, total: -1}
		b.frags[k] = f
	}
	f.parts[offset] = slices.Clone(body)
	if offset == 0 {
		f.head = head
	}
	if !more {
		f.total = offset + len(body)
	}
	out := f.head
	for at := 0; f.head != nil && f.total >= 0; {
		part, ok := f.parts[at]
		if !ok {
			break
		}
		out = append(out, part...)
		if at += len(part); at >= f.total || len(part) == 0 {
			delete(b.frags, k)
			if out[0]>>4 == 4 {
				binary.BigEndian.PutUint16(out[2:], uint16(len(out)))
			} else {
				binary.BigEndian.PutUint16(out[4:], uint16(len(out)-ipv6Header))
			}
			return out, true
		}
	}
	return nil, false
}
