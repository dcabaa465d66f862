package lab

import (
	"bytes"
	"strings"

	"golang.org/x/sys/unix"
)

// sendSocket begins a flow of an ordinary socket.
func (b *rig) sendSocket(f *flow) error {
	if f.proto == UDP {
		if err := f.socket(unix.SOCK_DGRAM, 0); err != nil {
			return err
		}
		f.sent(unix.Sendto(f.fd, f.payload(), 0, sockaddr(f.dst)))
		return b.loop.watch(f.fd, unix.EPOLLIN, func(uint32) error { return f.hear() })
	}
	if err := f.socket(unix.SOCK_STREAM, 0); err != nil {
		return err
	}
	f.sent(unix.Connect(f.fd, sockaddr(f.dst)))
	return b.loop.watch(f.fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP, func(e uint32) error { return b.talk(f, e) })
}

// hear reads what is there of the answer.
func (f *flow) hear() error {
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(f.fd, buf)
		if n > 0 && len(f.answer) < 2<<20 {
			f.answer = append(f.answer, buf[:n]...)
		}
		if err != nil || n <= 0 {
			return nil
		}
	}
}

// talk is a TCP client: it says its text when it is connected, and hears.
func (b *rig) talk(f *flow, events uint32) error {
	if !f.connected {
		if errno, err := unix.GetsockoptInt(f.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno != 0 || events&unix.EPOLLOUT == 0 || events&unix.EPOLLHUP != 0 {
			b.end(f)
			return nil
		}
		f.connected = true
		text := f.probe.Send
		switch {
		case f.probe.Proto == "http":
			if text == "" {
				text = "/"
			}
			text = "GET " + text + " HTTP/1.1\r\nHost: " + strings.TrimSuffix(f.dst.String(), ":80") + "\r\nUser-Agent: fwc\r\nConnection: close\r\n\r\n"
		case text == "":
			text = "fwc\n"
		}
		_, _ = unix.Write(f.fd, []byte(text))
		return b.loop.change(f.fd, unix.EPOLLIN|unix.EPOLLRDHUP)
	}
	_ = f.hear()
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		b.end(f)
	}
	return nil
}

// end closes the flow's socket. A connection ends with a reset, so that nothing
// of it stays.
func (b *rig) end(f *flow) {
	if f.fd < 0 {
		return
	}
	if f.proto == TCP && !f.raw {
		_ = unix.SetsockoptLinger(f.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	b.loop.close(f.fd)
	f.fd = -1
}

// text is the answer without what http puts before it.
func (f *flow) text() string {
	if f.probe.Proto == "http" {
		if _, body, ok := bytes.Cut(f.answer, []byte("\r\n\r\n")); ok {
			return string(body)
		}
	}
	// An echo has the lab's own bytes in it.
	return string(bytes.ReplaceAll(f.answer, append([]byte(magic), byte(f.id>>8), byte(f.id)), nil))
}
