package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	vnl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// farNumber tells the routers of a process apart.
var farNumber atomic.Uint32

// wire is an interface of the router and a socket at each end.
type wire struct {
	name  string
	index int
	at    int // number, of which its addresses are made
	near  int // socket at the router's end, for barriers
	far   int // at the other
	mac   [6]byte
	link  vnl.Link
	loop  bool
}

func (w *wire) close() {
	unix.Close(w.near)
	if !w.loop {
		unix.Close(w.far)
	}
}

// address is one of the networks for benchmarks (RFC 2544, RFC 5180), which no
// firewall has to do with.
func (w *wire) address(v6 bool) netip.Addr {
	if w.loop {
		if v6 {
			return netip.IPv6Loopback()
		}
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if v6 {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0, 2, 0, 0, byte(w.at >> 8), byte(w.at), 15: 1})
	}
	return netip.AddrFrom4([4]byte{198, 19, byte(w.at >> 6), byte(w.at<<2) | 1})
}

// largest is the MTU of the wires: a packet of any length goes in one frame.
const largest = 65535

// AddWires makes interfaces of the names that are not there yet. They are veth
// links that need no address resolution: whatever is routed to one leaves by
// it. The error says which name no interface can have.
func (r *Router) AddWires(names ...string) error {
	return r.Do(func() error {
		for _, name := range names {
			if r.wires[name] != nil {
				continue
			}
			if err := r.addWire(name); err != nil {
				return fmt.Errorf("interface %q: %w", name, err)
			}
		}
		return nil
	})
}

func (r *Router) addWire(name string) error {
	w := &wire{name: name, at: len(r.wires)}
	w.mac = [6]byte{2, 0, 1, 0, byte(w.at >> 8), byte(w.at)}
	peer := fmt.Sprintf("far%d", w.at)
	attrs := vnl.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = name, largest, net.HardwareAddr(w.mac[:])
	veth := &vnl.Veth{LinkAttrs: attrs, PeerName: peer, PeerNamespace: vnl.NsFd(r.far)}
	if err := r.here.LinkAdd(veth); err != nil {
		return err
	}
	link, err := r.here.LinkByName(name)
	if err != nil {
		return err
	}
	w.link, w.index = link, link.Attrs().Index
	other, err := r.farOps.LinkByName(peer)
	if err != nil {
		return err
	}
	if err := errors.Join(r.farOps.LinkSetMTU(other, largest), r.farOps.LinkSetARPOff(other), r.farOps.LinkSetUp(other),
		r.here.LinkSetARPOff(link), r.here.LinkSetUp(link)); err != nil {
		return err
	}
	for _, v6 := range []bool{false, true} {
		if v6 && !hasIPv6() {
			continue
		}
		a := w.address(v6)
		if err := r.here.AddrAdd(link, hostAddr(a)); err != nil {
			return fmt.Errorf("address %s: %w", a, err)
		}
	}
	if w.near, err = frameSocket(w.index, barrierType); err != nil {
		return err
	}
	err = r.inFar(func() (err error) {
		w.far, err = frameSocket(other.Attrs().Index, unix.ETH_P_ALL)
		return err
	})
	if err != nil {
		return err
	}
	r.wires[name], r.byID[w.index] = w, w
	return r.ready(w)
}

func hostAddr(a netip.Addr) *vnl.Addr {
	return &vnl.Addr{IPNet: hostNet(a), Flags: unix.IFA_F_NODAD}
}

func hostNet(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

// addLoopback makes a wire of lo: frames that are sent there come in there.
func (r *Router) addLoopback() error {
	link, err := r.here.LinkByName("lo")
	if err != nil {
		return err
	}
	w := &wire{name: "lo", index: link.Attrs().Index, link: link, loop: true}
	if w.near, err = frameSocket(w.index, barrierType); err != nil {
		return err
	}
	w.far = w.near
	r.wires["lo"], r.byID[w.index] = w, w
	return nil
}

// frameSocket opens a packet(7) socket on an interface.
func frameSocket(index int, proto uint16) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto<<8 | proto>>8, Ifindex: index}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// barrierType is IEEE 802's local experimental EtherType: frames of it are no
// rule's business.
const barrierType = 0x88b5

// patience bounds how long a packet may take through the router.
const patience = 10 * time.Second

// settle returns when all that was sent into a wire has been dealt with: a
// frame follows it, and has arrived.
func (r *Router) settle(w *wire) error {
	if err := writeFrame(w.far, r.nextBarrier(w)); err != nil {
		return err
	}
	arrived, err := r.awaitBarrier(w, patience)
	if err == nil && !arrived {
		err = fmt.Errorf("interface %s: packets do not come through", w.name)
	}
	return err
}

// ready returns when frames come through a new wire: a moment after it is up
// the kernel still drops them (linkwatch activates the queue).
func (r *Router) ready(w *wire) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, err := unix.Write(w.far, r.nextBarrier(w)); err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.ENETDOWN) {
			return err
		}
		if arrived, err := r.awaitBarrier(w, time.Millisecond); arrived || err != nil {
			return err
		}
	}
	return fmt.Errorf("interface %s: no frame comes through", w.name)
}

func (r *Router) nextBarrier(w *wire) []byte {
	r.barrier++
	mark := make([]byte, 60)
	copy(mark, w.mac[:])
	binary.BigEndian.PutUint16(mark[12:], barrierType)
	binary.BigEndian.PutUint32(mark[14:], r.barrier)
	return mark
}

// awaitBarrier says whether the last barrier has arrived in time.
func (r *Router) awaitBarrier(w *wire, timeout time.Duration) (bool, error) {
	buf := make([]byte, 128)
	for deadline := time.Now().Add(timeout); ; {
		n, from, err := unix.Recvfrom(w.near, buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			rest := time.Until(deadline)
			if rest <= 0 {
				return false, nil
			}
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(w.near), Events: unix.POLLIN}}, int(rest.Milliseconds()))
			continue
		case err != nil:
			return false, err
		}
		if a, ok := from.(*unix.SockaddrLinklayer); ok && a.Pkttype == unix.PACKET_OUTGOING {
			continue // of lo, on its way out
		}
		if n >= 18 && binary.BigEndian.Uint32(buf[14:]) == r.barrier {
			return true, nil
		}
	}
}

// writeFrame sends a frame, and waits for room in the queue.
func writeFrame(fd int, b []byte) error {
	for range 1000 {
		_, err := unix.Write(fd, b)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return unix.ENOBUFS
}

// IsOwn says whether an address is one that a router gives its wires.
func IsOwn(a netip.Addr) bool {
	if a.Is4() {
		b := a.As4()
		return b[0] == 198 && b[1] == 19
	}
	b := a.As16()
	return b[0] == 0x20 && b[1] == 1 && b[2] == 0 && b[3] == 2
}
