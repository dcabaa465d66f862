package packets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lab is a router in the calling thread's namespace with four links, and
// whoever is at their other ends: a namespace that only sends frames and hears
// them.
type lab struct {
	v6      bool
	links   []*link
	raw     map[uint8]int // sockets of the router that hear what comes in
	send    int           // the one that sends
	own     map[netip.Addr]bool
	local   map[netip.Addr]bool // those that packets are for
	barrier uint32
	heard   []arrival
}

type link struct {
	name    string
	index   int
	mac     [6]byte
	far     int // socket at the far end
	near    int // of the router, for barriers
	address netip.Addr
}

// arrival is a packet that came out: at the far end of a link, or, where that
// is nil, in the router itself.
type arrival struct {
	heard
	link *link
}

const barrierType = 0x88b5 // IEEE 802 local experimental

var labNames = []string{"a0", "a1", "b0", "b10"}

// routes are where the router sends what is not its own.
func labRoutes(v6 bool) map[string]string {
	if v6 {
		return map[string]string{"fd00:1::/48": "b0", "fd00:1::/32": "a1", "fd00:2::/32": "b10", "fd00:3::/32": "a0", "::/0": "b0"}
	}
	return map[string]string{"10.1.0.0/24": "b0", "10.1.0.0/16": "a1", "10.2.0.0/16": "b10", "10.3.0.0/16": "a0", "0.0.0.0/0": "b0"}
}

// route returns the link that the router sends an address to, "" for itself.
func (l *lab) route(a netip.Addr) string {
	if l.own[a] {
		return ""
	}
	best, name := -1, ""
	for text, to := range labRoutes(l.v6) {
		p := netip.MustParsePrefix(text)
		if p.Contains(a) && p.Bits() > best {
			best, name = p.Bits(), to
		}
	}
	return name
}

// newLab makes the links. The calling thread must be in a throwaway namespace
// of its own, with a private /run (netns.Do).
func newLab(v6 bool) (*lab, error) {
	l := &lab{v6: v6, raw: map[uint8]int{}, own: map[netip.Addr]bool{}, local: map[netip.Addr]bool{}}
	var cpus unix.CPUSet
	cpus.Set(runtime.NumCPU() - 1)
	if err := unix.SchedSetaffinity(0, &cpus); err != nil { // one queue for all packets: their order is kept
		return nil, err
	}
	var s strings.Builder
	s.WriteString("ip netns add far\nsysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 " +
		"net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0 " +
		"net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_ratelimit=0 " +
		"net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.addr_gen_mode=1\n" +
		"ip netns exec far sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1\n")
	for i, name := range labNames {
		address, gateway, bits := fmt.Sprintf("198.18.%d.1", i), fmt.Sprintf("198.18.%d.2", i), 30
		if v6 {
			address, gateway, bits = fmt.Sprintf("fd99:%d::1", i), fmt.Sprintf("fd99:%d::2", i), 64
		}
		fmt.Fprintf(&s, "ip link add %[1]s address 02:00:00:00:01:0%[2]d type veth peer name f%[1]s address 02:00:00:00:02:0%[2]d netns far\n"+
			"ip link set %[1]s up arp off\nip -n far link set f%[1]s up\nip addr add %[3]s/%[5]d dev %[1]s %[6]s\n"+
			"ip neigh replace %[4]s lladdr 02:00:00:00:02:0%[2]d dev %[1]s nud permanent\n", name, i, address, gateway, bits, map[bool]string{true: "nodad"}[v6])
		l.own[netip.MustParseAddr(address)] = true
		l.links = append(l.links, &link{name: name, mac: [6]byte{2, 0, 0, 0, 1, byte(i)}, address: netip.MustParseAddr(gateway)})
	}
	for net, name := range labRoutes(v6) {
		for _, k := range l.links {
			if k.name == name {
				fmt.Fprintf(&s, "ip route replace %s via %s dev %s onlink\n", net, k.address, name)
			}
		}
	}
	locals, bits := []string{"10.1.0.2", "10.2.128.1"}, "32"
	if v6 {
		locals, bits = []string{"fd00:1:0:2::2", "fd00:2:128:1::1"}, "128"
	}
	for _, a := range locals {
		fmt.Fprintf(&s, "ip addr add %s/%s dev lo\n", a, bits)
		l.own[netip.MustParseAddr(a)], l.local[netip.MustParseAddr(a)] = true, true
	}
	// Connection tracking stays on whatever the rulesets ask for.
	s.WriteString("nft add table inet keep\nnft add chain inet keep c '{ type filter hook prerouting priority 400; }'\nnft add rule inet keep c ct state invalid counter\n" +
		"sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=1\n")
	if err := script(s.String()); err != nil {
		return nil, err
	}
	return l, l.open()
}

func script(text string) error {
	cmd := exec.Command("sh", "-e")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func htons(n uint16) uint16 { return n<<8 | n>>8 }

// open opens the sockets at both ends.
func (l *lab) open() error {
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer here.Close()
	there, err := os.Open("/run/netns/far")
	if err != nil {
		return err
	}
	defer there.Close()
	for _, k := range l.links {
		if k.near, k.index, err = packetSocket(k.name, barrierType); err != nil {
			return err
		}
	}
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	for _, k := range l.links {
		if k.far, _, err = packetSocket("f"+k.name, unix.ETH_P_ALL); err != nil {
			return err
		}
	}
	if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	domain := unix.AF_INET
	if l.v6 {
		domain = unix.AF_INET6
	}
	for _, proto := range []uint8{protoTCP, protoUDP, protoICMP, protoICMPv6, protoSCTP, protoDCCP, protoUDPLite, 47} {
		fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(proto))
		if err != nil {
			return fmt.Errorf("raw socket of %d: %w", proto, err)
		}
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
		l.raw[proto] = fd
	}
	if l.send, err = unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
		return err
	}
	if l.v6 {
		return unix.SetsockoptInt(l.send, unix.IPPROTO_IPV6, 36 /* IPV6_HDRINCL */, 1)
	}
	return nil
}

func packetSocket(name string, proto uint16) (fd, index int, err error) {
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", name, err)
	}
	index = int(ifr.Uint32())
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	return fd, index, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(proto), Ifindex: index})
}

func (l *lab) close() {
	for _, k := range l.links {
		unix.Close(k.far)
		unix.Close(k.near)
	}
	for _, fd := range l.raw {
		unix.Close(fd)
	}
	unix.Close(l.send)
}

func (l *lab) link(name string) *link {
	for _, k := range l.links {
		if k.name == name {
			return k
		}
	}
	return nil
}

// arrive sends a packet to the router.
func (l *lab) arrive(p *Packet, b []byte) error {
	k := l.link(p.In)
	dst := k.mac
	switch p.Type {
	case 1:
		dst = [6]byte{255, 255, 255, 255, 255, 255}
	case 2:
		dst = [6]byte{1, 0, 0x5e, 0, 0, 1}
	}
	out := make([]byte, 0, 14+len(b))
	out = append(append(out, dst[:]...), p.MAC[:]...)
	kind := uint16(unix.ETH_P_IP)
	if l.v6 {
		kind = unix.ETH_P_IPV6
	}
	out = append(binary.BigEndian.AppendUint16(out, kind), b...)
	return l.write(k.far, out)
}

func (l *lab) write(fd int, b []byte) error {
	for range 1000 {
		_, err := unix.Write(fd, b)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return unix.ENOBUFS
}

// leave sends a packet from the router.
func (l *lab) leave(p *Packet, b []byte) error {
	if err := unix.SetsockoptInt(l.send, unix.SOL_SOCKET, unix.SO_MARK, int(p.Mark)); err != nil {
		return err
	}
	var to unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte(p.Dst.AsSlice()[:4])}
	if l.v6 {
		to = &unix.SockaddrInet6{Addr: p.Dst.As16()}
	}
	err := unix.Sendto(l.send, b, 0, to)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EACCES) {
		return nil // dropped or rejected on the way out
	}
	return err
}

// settle waits until all that was sent has come where it goes: a frame that no
// rule sees follows it on every link, in and then out.
func (l *lab) settle() error {
	l.barrier++
	mark := make([]byte, 60)
	binary.BigEndian.PutUint16(mark[12:], barrierType)
	binary.BigEndian.PutUint32(mark[14:], l.barrier)
	for _, k := range l.links {
		copy(mark, k.mac[:])
		if err := l.write(k.far, mark); err != nil {
			return err
		}
	}
	for _, inward := range []bool{true, false} {
		if !inward {
			for _, k := range l.links {
				copy(mark, []byte{2, 0, 0, 0, 2, k.mac[5]})
				if err := l.write(k.near, mark); err != nil {
					return err
				}
			}
		}
		for _, k := range l.links {
			fd := k.near
			if !inward {
				fd = k.far
			}
			if err := l.await(k, fd, inward); err != nil {
				return err
			}
		}
	}
	for proto, fd := range l.raw {
		l.drainRaw(proto, fd)
	}
	return nil
}

// await reads a link until its barrier.
func (l *lab) await(k *link, fd int, inward bool) error {
	buf := make([]byte, 2048)
	for deadline := time.Now().Add(20 * time.Second); ; {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EAGAIN) {
			if time.Now().After(deadline) {
				return fmt.Errorf("%s: the packets do not come through", k.name)
			}
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
			continue
		}
		if err != nil {
			return err
		}
		if a, ok := from.(*unix.SockaddrLinklayer); n < 18 || ok && a.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if binary.BigEndian.Uint16(buf[12:]) == barrierType {
			if binary.BigEndian.Uint32(buf[14:]) == l.barrier {
				return nil
			}
			continue
		}
		if !inward {
			if h, ok := listen(buf[14:n]); ok {
				l.heard = append(l.heard, arrival{h, k})
			}
		}
	}
}

func (l *lab) drainRaw(proto uint8, fd int) {
	buf := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return
		}
		b := buf[:n]
		for i := 0; i+8 <= len(b); i++ {
			if binary.BigEndian.Uint32(b[i:]) == probeMagic {
				h := heard{id: binary.BigEndian.Uint32(b[i+4:]), proto: proto}
				l4 := b
				if !l.v6 && n >= 28 {
					l4 = b[20:]
					h.src, h.dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
				}
				if proto == protoICMP || proto == protoICMPv6 {
					h.icmp(l4)
				}
				l.heard = append(l.heard, arrival{h, nil})
				break
			}
		}
	}
}
