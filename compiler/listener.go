package compiler

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// While calls are recorded, staging's first process is asked before a process of
// the script's opens a socket to netfilter: a program that the shims do not stand
// for, such as a copy of iptables, a library of another language, or tc with its
// ematch on sets, then finds all loaded that was queued. The kernel asks by
// seccomp_unotify(2), since Linux 5.0, with answers that let a call go on since
// 5.5.

// Values of linux/seccomp.h and linux/capability.h.
const (
	sizeNotif     = 80 // struct seccomp_notif
	sizeNotifResp = 24 // struct seccomp_notif_resp
)

// askFirst is a filter that asks about sockets to netfilter, which the legacy
// tools and ipset's users reach by raw sockets, and about what takes the
// capabilities for them from programs that are run later: those calls fail.
func askFirst() ([]bpf.RawInstruction, error) {
	load := func(arg int) bpf.Instruction { return bpf.LoadAbsolute{Off: uint32(dataArgs + 8*arg), Size: 4} }
	is := func(v uint32, yes, no uint8) bpf.Instruction {
		return bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: yes, SkipFalse: no}
	}
	return bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: dataNumber, Size: 4},
		is(unix.SYS_SOCKET, 0, 9),
		load(0),
		is(unix.AF_NETLINK, 0, 2),
		load(2),
		is(unix.NETLINK_NETFILTER, 13, 12),
		is(unix.AF_INET, 1, 0),
		is(unix.AF_INET6, 0, 10),
		load(1),
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf}, // without SOCK_CLOEXEC and its kin
		is(unix.SOCK_RAW, 8, 7),
		is(unix.SYS_PRCTL, 0, 6),
		load(0),
		is(unix.PR_SET_SECUREBITS, 5, 0),
		is(unix.PR_CAPBSET_DROP, 0, 3),
		load(1),
		is(unix.CAP_NET_ADMIN, 2, 0),
		is(unix.CAP_NET_RAW, 1, 0),
		bpf.RetConstant{Val: uint32(allow)},
		bpf.RetConstant{Val: unix.SECCOMP_RET_USER_NOTIF},
	})
}

// offerListener installs the filter for the calling thread and passes the
// descriptor that its questions come from through a socket.
func offerListener(socket int) error {
	raw, err := askFirst()
	if err != nil {
		return err
	}
	fd, err := installFilter(raw, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	if err != nil {
		return fmt.Errorf("listen for system calls: %w", err)
	}
	return unix.Sendmsg(socket, []byte{0}, unix.UnixRights(fd), nil, 0)
}

// takeListener returns what offerListener passed.
func takeListener(socket *os.File) (*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(socket.Fd()), make([]byte, 1), oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		return nil, errors.New("no descriptor was passed")
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("no descriptor was passed")
	}
	return os.NewFile(uintptr(fds[0]), "listener"), nil
}

// answerCalls asks allow for each system call that waits, by its number, and
// lets it go on. It returns when no process is left that has the filter.
func answerCalls(listener *os.File, allow func(number int32)) {
	defer listener.Close()
	fd := int(listener.Fd())
	for {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents != 0 {
				return
			}
			continue
		}
		var notif [sizeNotif / 8]uint64 // id, pid and flags, number and architecture, …
		if errno := ioctlPointer(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&notif)); errno != 0 {
			continue // the process is gone
		}
		allow(int32(notif[2]))
		resp := [sizeNotifResp / 8]uint64{notif[0], 0, unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE << 32}
		_ = ioctlPointer(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&resp))
	}
}

func ioctlPointer(fd int, request uintptr, arg unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	return errno
}
