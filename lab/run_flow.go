package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// flow is one probe under way.
type flow struct {
	probe    Probe
	id       uint16
	node     *node // the sender's
	src, dst netip.AddrPort
	proto    uint8
	flags    uint8
	kind     uint8 // of ICMP
	// seq is a TCP segment's, by which it is known wherever it arrives.
	seq   uint32
	known bool
	raw   bool

	fd        int
	sendErr   error
	connected bool
	answer    []byte
}

// Two names that package unix lacks, of linux/in6.h.
const (
	ipv6Transparent = 75
	ipv6Freebind    = 78
)

// begin sends a probe.
func (b *rig) begin(p Probe) (*flow, error) {
	f := &flow{probe: p, node: b.top.node(p.From), fd: -1}
	var port uint16
	f.id, port = b.next()
	if p.FromPort != 0 {
		port = p.FromPort
	}
	f.dst = netip.AddrPortFrom(p.Dst, p.Port)
	switch p.Proto {
	case "tcp", "http":
		f.proto, f.flags = TCP, synFlag
		f.raw = len(p.Flags) > 0
	case "udp":
		f.proto = UDP
	case "ping", "icmp":
		f.proto, f.kind, f.raw = ICMP, p.Type, true
		if p.V6 {
			f.proto = ICMPv6
		}
		if p.Proto == "ping" {
			f.kind = echoRequest
			if p.V6 {
				f.kind = echoRequestV6
			}
		}
	case "sctp":
		f.proto, f.raw = SCTP, true
	default:
		var n int
		_, _ = fmt.Sscan(p.Proto, &n)
		f.proto, f.raw = uint8(n), true
	}
	if f.raw && f.proto == TCP {
		f.flags = 0
		for i, name := range tcpFlags {
			if slices.Contains(p.Flags, name) {
				f.flags |= 1 << i
			}
		}
		f.seq, f.known = uint32(f.id)<<16, true
	}
	if !Ports(f.proto) {
		port = 0
	}
	err := b.top.in(f.node, func() error {
		src := p.FromAddress
		if !src.IsValid() {
			var err error
			if src, err = sourceFor(p.Dst); err != nil {
				f.sendErr = err
				return nil
			}
		}
		f.src = netip.AddrPortFrom(src, port)
		if f.raw {
			return f.sendRaw()
		}
		return b.sendSocket(f)
	})
	return f, err
}

// sourceFor is the address that the kernel takes to reach another from here.
func sourceFor(dst netip.Addr) (netip.Addr, error) {
	fd, err := unix.Socket(domain(dst), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return netip.Addr{}, err
	}
	defer unix.Close(fd)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	if err := unix.Connect(fd, sockaddr(netip.AddrPortFrom(dst, 9))); err != nil {
		return netip.Addr{}, err
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.Addr{}, err
	}
	if a, ok := sa.(*unix.SockaddrInet4); ok {
		return netip.AddrFrom4(a.Addr), nil
	}
	return netip.AddrFrom16(sa.(*unix.SockaddrInet6).Addr), nil
}

func domain(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

// socket opens the flow's socket, bound to its source.
func (f *flow) socket(kind, proto int) error {
	v6 := f.dst.Addr().Is6()
	fd, err := unix.Socket(domain(f.dst.Addr()), kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	f.fd = fd
	set := func(value, level4, opt4, level6, opt6 int) {
		if v6 {
			level4, opt4 = level6, opt6
		}
		if err == nil {
			err = unix.SetsockoptInt(fd, level4, opt4, value)
		}
	}
	if f.probe.FromAddress.IsValid() && !f.node.local[f.probe.FromAddress] {
		set(1, unix.SOL_IP, unix.IP_TRANSPARENT, unix.SOL_IPV6, ipv6Transparent)
	}
	if f.probe.TTL > 0 {
		set(f.probe.TTL, unix.SOL_IP, unix.IP_TTL, unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS)
	}
	if f.probe.TOS > 0 {
		set(f.probe.TOS, unix.SOL_IP, unix.IP_TOS, unix.SOL_IPV6, unix.IPV6_TCLASS)
	}
	if kind != unix.SOCK_STREAM {
		// No DF: what is too long goes in fragments.
		set(unix.IP_PMTUDISC_DONT, unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	}
	if kind != unix.SOCK_RAW {
		sharePort(fd)
	}
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	from := f.src
	if kind == unix.SOCK_RAW {
		from = netip.AddrPortFrom(from.Addr(), 0)
	}
	if err := unix.Bind(fd, sockaddr(from)); err != nil {
		return fmt.Errorf("bind to %s: %w", f.src, err)
	}
	return nil
}

// sendRaw sends one packet whose transport header the lab writes.
func (f *flow) sendRaw() error {
	if err := f.socket(unix.SOCK_RAW, int(f.proto)); err != nil {
		return err
	}
	p := &Packet{Src: f.src.Addr(), Dst: f.dst.Addr(), Proto: f.proto, SPort: f.src.Port(), DPort: f.dst.Port(),
		ICMPType: f.kind, ICMPCode: f.probe.Code, Flags: f.flags, ID: f.id}
	b, err := p.transport(f.payload())
	if err != nil {
		return err
	}
	f.sent(unix.Sendto(f.fd, b, 0, sockaddr(netip.AddrPortFrom(f.dst.Addr(), 0))))
	return nil
}

// payload tells the flow wherever it arrives.
func (f *flow) payload() []byte {
	b := append([]byte(f.probe.Send), magic...)
	b = append(b, byte(f.id>>8), byte(f.id))
	if n := f.probe.Size - len(b); n > 0 {
		b = append(b, make([]byte, n)...)
	}
	return b
}

// sent takes down why something could not be sent. What the router's own rules
// drop on the way out is EPERM.
func (f *flow) sent(err error) {
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		f.sendErr = err
	}
}
