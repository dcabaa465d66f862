package lab

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// loop is everything that happens in a lab, on one thread: sockets of all
// namespaces with what is to be done when one is ready. Whether anything is
// still under way can be told, because nothing happens beside it.
type loop struct {
	epoll int
	act   map[int32]func(events uint32) error
	// echo is a socket that hears itself, for the barriers.
	echo    int
	barrier uint32
	events  []unix.EpollEvent
}

func newLoop() (l *loop, err error) {
	l = &loop{act: map[int32]func(uint32) error{}, events: make([]unix.EpollEvent, 64)}
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	l.echo, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("barrier: %w", err)
	}
	if err := unix.Bind(l.echo, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, fmt.Errorf("barrier: %w", err)
	}
	self, err := unix.Getsockname(l.echo)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(l.echo, self); err != nil {
		return nil, fmt.Errorf("barrier: %w", err)
	}
	limit := unix.NsecToTimeval(int64(20 * time.Second))
	return l, unix.SetsockoptTimeval(l.echo, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
}

// watch calls act whenever the socket is ready for what events ask.
func (l *loop) watch(fd int, events uint32, act func(events uint32) error) error {
	l.act[int32(fd)] = act
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// change asks for other events of a watched socket.
func (l *loop) change(fd int, events uint32) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// close closes a watched socket.
func (l *loop) close(fd int) {
	delete(l.act, int32(fd))
	unix.Close(fd)
}

// turn does what is to be done now, or within millis (-1 is no limit), and
// says how much that was.
func (l *loop) turn(millis int) (int, error) {
	n, err := unix.EpollWait(l.epoll, l.events, millis)
	if err != nil {
		if errors.Is(err, unix.EINTR) {
			return 0, nil
		}
		return 0, fmt.Errorf("epoll: %w", err)
	}
	for _, e := range l.events[:n] {
		if act := l.act[e.Fd]; act != nil {
			if err := act(e.Events); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// maxTurns is more than any exchange of a test takes.
const maxTurns = 100_000

// settle returns when everything that was sent has come where it goes, and all
// that this caused too. Packets between namespaces wait in the queue of the one
// processor that the lab runs on; so does a datagram that the lab sends to
// itself, and when that is back, those before it have gone on. When it comes
// back twice and nothing was seen or done meanwhile, nothing is under way: a
// packet passes one bridge at most between two interfaces that are watched.
func (l *loop) settle() error {
	quiet := 0
	for range maxTurns {
		done, err := l.turn(0)
		if err != nil {
			return err
		}
		if done > 0 {
			quiet = 0
			continue
		}
		if quiet == 2 {
			return nil
		}
		if err := l.wait(); err != nil {
			return err
		}
		quiet++
	}
	return errors.New("the network does not come to rest: something sends without end")
}

// wait sends a barrier and waits for it.
func (l *loop) wait() error {
	l.barrier++
	b := []byte{byte(l.barrier), byte(l.barrier >> 8), byte(l.barrier >> 16), byte(l.barrier >> 24)}
	if _, err := unix.Write(l.echo, b); err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	var got [8]byte
	for {
		n, err := unix.Read(l.echo, got[:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("barrier: %w", err)
		}
		if n == 4 && [4]byte(got[:4]) == [4]byte(b) {
			return nil
		}
	}
}
