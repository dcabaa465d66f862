package compiler

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestFilter runs the filter on system calls in a virtual machine, which reads
// big-endian where the kernel reads its own order.
func TestFilter(t *testing.T) {
	raw, err := assemble(unix.AUDIT_ARCH_X86_64, callRules())
	if err != nil {
		t.Fatal(err)
	}
	prog, whole := bpf.Disassemble(raw)
	if !whole {
		t.Fatal("the program does not disassemble")
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	const i386 = 0x40000003
	no := refuse(unix.EPERM)
	family := refuse(unix.EAFNOSUPPORT)
	for _, tt := range []struct {
		name   string
		arch   uint32
		number uint32
		args   []uint32
		want   verdict
	}{
		{"read", unix.AUDIT_ARCH_X86_64, unix.SYS_READ, nil, allow},
		{"execve", unix.AUDIT_ARCH_X86_64, unix.SYS_EXECVE, nil, allow},
		{"statmount", unix.AUDIT_ARCH_X86_64, unix.SYS_STATMOUNT, nil, allow},
		{"another architecture", i386, unix.SYS_READ, nil, kill},
		{"x32", unix.AUDIT_ARCH_X86_64, unix.SYS_READ | 0x40000000, nil, refuse(unix.ENOSYS)},
		{"younger", unix.AUDIT_ARCH_X86_64, lastCall + 1, nil, refuse(unix.ENOSYS)},
		{"negative", unix.AUDIT_ARCH_X86_64, 1<<32 - 1, nil, refuse(unix.ENOSYS)},
		{"mount", unix.AUDIT_ARCH_X86_64, unix.SYS_MOUNT, nil, no},
		{"bpf", unix.AUDIT_ARCH_X86_64, unix.SYS_BPF, nil, no},
		{"io_uring", unix.AUDIT_ARCH_X86_64, unix.SYS_IO_URING_SETUP, nil, refuse(unix.ENOSYS)},
		{"fork", unix.AUDIT_ARCH_X86_64, unix.SYS_CLONE, []uint32{unix.CLONE_CHILD_SETTID | uint32(unix.SIGCHLD)}, allow},
		{"thread", unix.AUDIT_ARCH_X86_64, unix.SYS_CLONE, []uint32{0x3d0f00}, allow},
		{"clone of a user namespace", unix.AUDIT_ARCH_X86_64, unix.SYS_CLONE, []uint32{unix.CLONE_NEWUSER | uint32(unix.SIGCHLD)}, no},
		{"clone of a network namespace", unix.AUDIT_ARCH_X86_64, unix.SYS_CLONE, []uint32{unix.CLONE_NEWNET}, no},
		{"clone3", unix.AUDIT_ARCH_X86_64, unix.SYS_CLONE3, nil, refuse(unix.ENOSYS)},
		{"unshare of files", unix.AUDIT_ARCH_X86_64, unix.SYS_UNSHARE, []uint32{unix.CLONE_FS | unix.CLONE_FILES}, allow},
		{"unshare of time", unix.AUDIT_ARCH_X86_64, unix.SYS_UNSHARE, []uint32{unix.CLONE_NEWTIME}, no},
		{"unix socket", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{unix.AF_UNIX, unix.SOCK_SEQPACKET, 0}, allow},
		{"raw socket", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{unix.AF_INET, unix.SOCK_RAW, 255}, allow},
		{"raw IPv6 socket", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{unix.AF_INET6, unix.SOCK_RAW, 58}, allow},
		{"route netlink", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, allow},
		{"netfilter netlink", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, allow},
		{"audit netlink", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT}, family},
		{"packet socket", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{unix.AF_PACKET, unix.SOCK_RAW, 3}, family},
		{"packet socket of old", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{unix.AF_INET, unix.SOCK_PACKET | unix.SOCK_CLOEXEC, 3}, family},
		{"vsock", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{unix.AF_VSOCK, unix.SOCK_STREAM, 0}, family},
		{"crypto socket", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{unix.AF_ALG, unix.SOCK_SEQPACKET, 0}, family},
		{"terminal's size", unix.AUDIT_ARCH_X86_64, unix.SYS_IOCTL, []uint32{0, unix.TIOCGWINSZ}, allow},
		{"typing", unix.AUDIT_ARCH_X86_64, unix.SYS_IOCTL, []uint32{0, unix.TIOCSTI}, no},
		{"own limits", unix.AUDIT_ARCH_X86_64, unix.SYS_PRLIMIT64, []uint32{0, 7}, allow},
		{"others' limits", unix.AUDIT_ARCH_X86_64, unix.SYS_PRLIMIT64, []uint32{1, 7}, no},
		{"personality asked", unix.AUDIT_ARCH_X86_64, unix.SYS_PERSONALITY, []uint32{0xffffffff}, allow},
		{"personality without random addresses", unix.AUDIT_ARCH_X86_64, unix.SYS_PERSONALITY, []uint32{0x40000}, no},
	} {
		data := make([]byte, dataArgs+6*8)
		binary.BigEndian.PutUint32(data[dataNumber:], tt.number)
		binary.BigEndian.PutUint32(data[dataArch:], tt.arch)
		for i, a := range tt.args {
			binary.BigEndian.PutUint32(data[dataArgs+8*i:], a)
			// The high half does not count.
			binary.BigEndian.PutUint32(data[dataArgs+8*i+4:], 0xdeadbeef)
		}
		got, err := vm.Run(data)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if verdict(got) != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, got, tt.want)
		}
	}
}

// TestAskFirst runs the filter of the listener as TestFilter does.
func TestAskFirst(t *testing.T) {
	raw, err := askFirst()
	if err != nil {
		t.Fatal(err)
	}
	prog, _ := bpf.Disassemble(raw)
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		call []uint32
		asks bool
	}{
		{"read", []uint32{unix.SYS_READ, 16, 3, 12}, false},
		{"netfilter", []uint32{unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, true},
		{"netfilter, datagrams", []uint32{unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER}, true},
		{"routes", []uint32{unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, false},
		{"raw", []uint32{unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW}, true},
		{"raw, closed on exec", []uint32{unix.SYS_SOCKET, unix.AF_INET6, unix.SOCK_RAW | unix.SOCK_CLOEXEC, unix.IPPROTO_RAW}, true},
		{"stream", []uint32{unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0}, false},
		{"stream of IPv6", []uint32{unix.SYS_SOCKET, unix.AF_INET6, unix.SOCK_STREAM, 12}, false},
		{"unix", []uint32{unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_RAW, 12}, false},
		{"a name", []uint32{unix.SYS_PRCTL, unix.PR_SET_NAME, 12}, false},
		{"drop of the capability", []uint32{unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, unix.CAP_NET_ADMIN}, true},
		{"drop of the other", []uint32{unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, unix.CAP_NET_RAW}, true},
		{"drop of another", []uint32{unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, unix.CAP_SYS_ADMIN}, false},
		{"root without capabilities", []uint32{unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, 3}, true},
	} {
		data := make([]byte, dataArgs+6*8)
		binary.BigEndian.PutUint32(data[dataNumber:], tt.call[0])
		for i, a := range tt.call[1:] {
			binary.BigEndian.PutUint32(data[dataArgs+8*i:], a)
		}
		got, err := vm.Run(data)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		want := int(allow)
		if tt.asks {
			want = unix.SECCOMP_RET_USER_NOTIF
		}
		if got != want {
			t.Errorf("%s: %#x, want %#x", tt.name, got, want)
		}
	}
}
