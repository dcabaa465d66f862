package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"golang.org/x/sys/unix"
)

// Verdict is what became of a packet.
type Verdict string

// The verdicts.
const (
	Accepted Verdict = "accepted"
	Dropped  Verdict = "dropped"
	Rejected Verdict = "rejected"
)

// Outcome is what became of a packet that a router was sent.
type Outcome struct {
	Verdict Verdict
	// With is the answer to a rejected packet, as REJECT names it.
	With string
	// End is the packet as it left or was delivered, and Place where: nil and ""
	// of one that did not get through.
	End *Sighting
	// Seen are all packets that were met, the router's own answers among them.
	Seen []Sighting
}

// String returns the outcome in words: "accepted by eth1", "rejected with
// tcp-reset".
func (o Outcome) String() string {
	switch {
	case o.End != nil && o.End.Place == Left:
		return string(o.Verdict) + ", left by " + o.End.Out
	case o.End != nil:
		return string(o.Verdict) + ", delivered"
	case o.With != "":
		return string(o.Verdict) + " with " + o.With
	}
	return string(o.Verdict)
}

// NextID returns a number that no packet of the router has had lately.
func (r *Router) NextID() uint16 {
	if r.ids++; r.ids == 0 {
		r.ids++
	}
	return r.ids
}

// Send sends one packet, into the wire that it comes in by or from the router
// itself, and returns what became of it. A packet without an ID gets one.
//
// A packet is accepted when it was delivered to the router, or left it. One
// that the router answered itself, by an ICMP error or a reset before it was
// delivered, is rejected; what a router answers that has no route counts too,
// so that a packet which is to be dropped needs its routes.
func (r *Router) Send(ctx context.Context, p Packet) (Outcome, error) {
	if p.ID == 0 {
		p.ID = r.NextID()
	}
	var out Outcome
	err := r.Do(func() error {
		if err := r.mark(ctx, &p); err != nil {
			return err
		}
		if _, err := r.eye.sightings(r.nameOf); err != nil { // of former packets
			return err
		}
		if err := r.inject(&p); err != nil {
			return err
		}
		var err error
		if out.Seen, err = r.eye.sightings(r.nameOf); err != nil {
			return err
		}
		out.judge(&p)
		return nil
	})
	return out, err
}

// nameOf returns an interface's name.
func (r *Router) nameOf(index uint32) string {
	if w := r.byID[int(index)]; w != nil {
		return w.name
	}
	return fmt.Sprint("#", index)
}

// judge reads the outcome from what was seen.
func (o *Outcome) judge(p *Packet) {
	o.Verdict = Dropped
	for i := range o.Seen {
		s := &o.Seen[i]
		switch {
		case s.Packet.Is(p) && s.Place == Sent:
		case s.Packet.Is(p):
			// What leaves by lo comes in there again: that is another journey.
			if o.End == nil {
				o.Verdict, o.With, o.End = Accepted, "", s
			}
		case s.Place == Sent && o.End == nil && o.With == "":
			if with := s.Packet.Refusal(p); with != "" {
				o.Verdict, o.With = Rejected, with
			}
		}
	}
}

// inject sends the packet and returns when the router is done with it.
func (r *Router) inject(p *Packet) error {
	b, err := Frame(p)
	if err != nil {
		return err
	}
	if p.In == "" {
		return r.leave(p, b)
	}
	w := r.wires[p.In]
	if w == nil {
		return errNoWire(p.In)
	}
	dst := w.mac
	switch p.Cast {
	case Broadcast:
		dst = [6]byte{255, 255, 255, 255, 255, 255}
	case Multicast:
		dst = [6]byte{1, 0, 0x5e, 0, 0, 1}
	}
	src := p.MAC
	if src == ([6]byte{}) {
		src = [6]byte{2, 0, 0, 0, 0, 1}
	}
	kind := uint16(unix.ETH_P_IP)
	if p.V6() {
		kind = unix.ETH_P_IPV6
	}
	frame := make([]byte, 0, ether+len(b))
	frame = append(append(frame, dst[:]...), src[:]...)
	frame = append(binary.BigEndian.AppendUint16(frame, kind), b...)
	if err := writeFrame(w.far, frame); err != nil {
		return err
	}
	return r.settle(w)
}

// leave sends a packet from the router: raw(7) passes OUTPUT and POSTROUTING
// before it returns.
func (r *Router) leave(p *Packet, b []byte) error {
	fd, to := r.send4, unix.Sockaddr(nil)
	if p.V6() {
		fd, to = r.send6, &unix.SockaddrInet6{Addr: p.Dst.As16()}
	} else {
		to = &unix.SockaddrInet4{Addr: p.Dst.As4()}
	}
	if fd < 0 {
		return unix.EAFNOSUPPORT
	}
	if p.UID != 0 || p.GID != 0 {
		other, err := ownedSocket(p)
		if err != nil {
			return err
		}
		defer unix.Close(other)
		fd = other
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(p.Mark)); err != nil {
		return err
	}
	switch err := unix.Sendto(fd, b, 0, to); {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EHOSTUNREACH),
		errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOPROTOOPT):
		return nil // dropped or rejected on its way out
	default:
		return err
	}
}

// ownedSocket opens a socket that belongs to a packet's user and group: those
// that the thread has for files then (xt_owner.c asks for the socket's file).
func ownedSocket(p *Packet) (int, error) {
	defer func() {
		_, _ = unix.SetfsuidRetUid(0)
		_, _ = unix.SetfsgidRetGid(0)
	}()
	for _, err := range []error{unix.Setfsgid(int(p.GID)), unix.Setfsuid(int(p.UID))} {
		if err != nil {
			return -1, err
		}
	}
	uid, _ := unix.SetfsuidRetUid(-1)
	gid, _ := unix.SetfsgidRetGid(-1)
	if uid != int(p.UID) || gid != int(p.GID) {
		return -1, fmt.Errorf("user %d or group %d is nobody here: %w", p.UID, p.GID, unix.EINVAL)
	}
	return openSender(p.V6())
}

// markRules are the marks that arriving packets get before any rule.
type markRules struct{ packet, connection uint32 }

// mark makes the packets that arrive have the mark of p. Those that the router
// sends have their socket's.
func (r *Router) mark(ctx context.Context, p *Packet) error {
	want := markRules{packet: p.Mark, connection: p.Connmark}
	if p.In == "" {
		want.packet = 0
	}
	if want == r.marks {
		return nil
	}
	script := fmt.Sprintf("flush chain inet %[1]s arriving\nflush chain inet %[1]s tracked_in\nflush chain inet %[1]s tracked_out\n"+
		"add rule inet %[1]s tracked_in ct state invalid counter\n", eyeTable)
	if want.packet != 0 {
		script += fmt.Sprintf("add rule inet %s arriving meta mark set 0x%x\n", eyeTable, want.packet)
	}
	if want.connection != 0 {
		for _, chain := range []string{"tracked_in", "tracked_out"} {
			script += fmt.Sprintf("add rule inet %s %s ct state new ct mark set 0x%x\n", eyeTable, chain, want.connection)
		}
	}
	if err := netfilter.RunNFT(ctx, []byte(script)); err != nil {
		return err
	}
	r.marks = want
	return nil
}

// Destination returns where the packet went in the end, and Source where it
// seems to come from; ports are 0 of protocols that have none.
func (s *Sighting) Destination() netip.AddrPort {
	return netip.AddrPortFrom(s.Packet.Dst, s.Packet.DPort)
}

// Source is Destination of the other end.
func (s *Sighting) Source() netip.AddrPort { return netip.AddrPortFrom(s.Packet.Src, s.Packet.SPort) }
