package lab

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// greeting is a frame of the lab's own that a host has heard.
type greeting struct {
	node   *node
	number uint16
}

// greet waits until frames of each host reach all others of its networks: the
// kernel makes a new link ready, and a bridge forward to it, some time after it
// was told to (linkwatch).
func (b *rig) greet() error {
	type sender struct {
		node  *node
		index int
		frame []byte
		heard []greeting
		who   Member
	}
	var all []sender
	for i, net := range b.spec.Networks {
		for j, m := range net.Members {
			number := uint16(len(all))
			n := b.top.node(m.Host)
			s := sender{node: n, index: n.index[m.Interface], who: m}
			s.frame = append([]byte{255, 255, 255, 255, 255, 255}, mac(i, j)...)
			s.frame = binary.BigEndian.AppendUint16(s.frame, barrierType)
			s.frame = append(binary.BigEndian.AppendUint16(s.frame, number), make([]byte, 44)...)
			for _, o := range net.Members {
				if o.Host != m.Host {
					s.heard = append(s.heard, greeting{b.top.node(o.Host), number})
				}
			}
			all = append(all, s)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(500 * time.Microsecond) {
		var missing *sender
		for i := range all {
			s := &all[i]
			for _, g := range s.heard {
				if b.greeted[g] {
					continue
				}
				missing = s
				// Not up yet is ENETDOWN.
				_ = unix.Sendto(s.node.frames, s.frame, 0, &unix.SockaddrLinklayer{Ifindex: s.index, Halen: 6, Addr: [8]byte{255, 255, 255, 255, 255, 255}})
				break
			}
		}
		if missing == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("interface %s of %s does not come up", missing.who.Interface, missing.who.Host)
		}
		if err := b.loop.settle(); err != nil {
			return err
		}
	}
}
