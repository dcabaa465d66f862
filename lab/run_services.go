package lab

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// serve makes the listeners of a host's service, of both families, on the loop.
func (b *rig) serve(n *node, v Service) error {
	return b.top.in(n, func() error {
		for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
			if err := b.listen(n, v, family); err != nil {
				if family == unix.AF_INET6 && errors.Is(err, unix.EAFNOSUPPORT) {
					continue
				}
				return fmt.Errorf("%s listens on %s %d: %w", n.name, v.transport(), v.Port, err)
			}
		}
		return nil
	})
}

// sharePort lets a test's socket be bound to the port that a service of its host has.
func sharePort(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

func anyAddress(family int, port uint16) unix.Sockaddr {
	if family == unix.AF_INET6 {
		return &unix.SockaddrInet6{Port: int(port)}
	}
	return &unix.SockaddrInet4{Port: int(port)}
}

func (b *rig) listen(n *node, v Service, family int) error {
	kind := unix.SOCK_STREAM
	if v.Proto == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	sharePort(fd)
	if err := unix.Bind(fd, anyAddress(family, v.Port)); err != nil {
		unix.Close(fd)
		return err
	}
	if kind == unix.SOCK_DGRAM {
		level, opt := unix.IPPROTO_IP, unix.IP_PKTINFO
		if family == unix.AF_INET6 {
			level, opt = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
		}
		if err := unix.SetsockoptInt(fd, level, opt, 1); err != nil {
			return err
		}
		return b.loop.watch(fd, unix.EPOLLIN, func(uint32) error { return answerDatagrams(fd, family, v) })
	}
	if err := unix.Listen(fd, 1024); err != nil {
		unix.Close(fd)
		return err
	}
	return b.loop.watch(fd, unix.EPOLLIN, func(uint32) error { return b.accept(n, fd, v) })
}

// answerDatagrams answers from the address that the question was for: a socket
// of all addresses would answer from the nearest.
func answerDatagrams(fd, family int, v Service) error {
	buf, oob := make([]byte, 65536), make([]byte, 256)
	for {
		n, on, _, from, err := unix.Recvmsg(fd, buf, oob, 0)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			continue // an ICMP error of an earlier answer
		}
		if v.Silent {
			continue
		}
		answer := []byte(v.Answer)
		if v.Echo {
			answer = buf[:n]
		}
		// The control message of the question is that of the answer: with it
		// goes the address that it came to. The interface is left to routing.
		control := oob[:on]
		if msgs, err := unix.ParseSocketControlMessage(control); err == nil && len(msgs) == 1 {
			d := msgs[0].Data
			switch {
			case family == unix.AF_INET && len(d) >= 12: // struct in_pktinfo
				clear(d[:4])
			case family == unix.AF_INET6 && len(d) >= 20: // struct in6_pktinfo
				clear(d[16:20])
			}
		}
		_ = unix.Sendmsg(fd, answer, control, from, 0)
	}
}

func (b *rig) accept(n *node, fd int, v Service) error {
	for {
		conn, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			continue // the client is gone again
		}
		c := &served{node: n, v: v, fd: conn}
		b.open = append(b.open, c)
		if err := b.loop.watch(conn, unix.EPOLLIN, func(uint32) error { return c.ready(b.loop) }); err != nil {
			return err
		}
	}
}

// served is one connection to a service.
type served struct {
	node *node
	v    Service
	fd   int // -1 when closed
	got  []byte
	out  []byte // still to be said
	done bool   // nothing more is to be said after out
	// heard is how many bytes it was told, and answer how many it says to that.
	heard, answer int
}

func (c *served) close(l *loop) {
	if c.fd >= 0 {
		l.close(c.fd)
		c.fd = -1
	}
}

func (c *served) ready(l *loop) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Read(c.fd, buf)
		if errors.Is(err, unix.EAGAIN) {
			return c.flush(l)
		}
		if err != nil || n <= 0 {
			c.close(l)
			return nil
		}
		c.heard += n
		if c.v.Silent || c.done {
			continue
		}
		before := len(c.out)
		switch {
		case c.v.Proto == "http":
			if c.got = append(c.got, buf[:n]...); len(c.got) > 64<<10 {
				c.close(l)
				return nil
			}
			if bytes.Contains(c.got, []byte("\r\n\r\n")) {
				c.done = true
				c.out = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(c.v.Answer), c.v.Answer)
			}
		case c.v.Echo:
			c.out = append(c.out, buf[:n]...)
		default:
			c.done = true
			c.out = []byte(c.v.Answer)
		}
		c.answer += len(c.out) - before
	}
}

// flush says what there is to say, as far as there is room, and asks to be
// called again for the rest.
func (c *served) flush(l *loop) error {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		if errors.Is(err, unix.EAGAIN) {
			return l.change(c.fd, unix.EPOLLIN|unix.EPOLLOUT)
		}
		if err != nil {
			c.close(l)
			return nil
		}
		if c.out = c.out[n:]; len(c.out) > 0 {
			continue
		}
		if c.done {
			_ = unix.Shutdown(c.fd, unix.SHUT_WR)
		}
		return l.change(c.fd, unix.EPOLLIN)
	}
	return nil
}
