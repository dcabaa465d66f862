package compiler

import (
	"slices"

	"golang.org/x/sys/unix"
)

// lastCall is the highest system call number that this list was made for. The
// architectures have the same numbers from 424 on.
const lastCall = unix.SYS_RSEQ_SLICE_YIELD

// newNamespaces are the flags of clone(2) and unshare(2) that make namespaces.
// A namespace of its own gives a script every capability in it, and with that
// the parts of the kernel that only root used to reach.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// deniedCalls fail with EPERM whatever their arguments are. Most want a
// capability that a script has not; the filter keeps it from the code that
// asks, and holds with --privileged too.
var deniedCalls = []uint32{
	// Mounts: none lasts, none uncovers what is under one.
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_ACCT,
	// Other processes and namespaces.
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_PROCESS_MRELEASE,
	unix.SYS_PIDFD_GETFD, unix.SYS_KCMP, unix.SYS_SETNS, unix.SYS_LISTNS,
	unix.SYS_MOVE_PAGES, unix.SYS_MIGRATE_PAGES, unix.SYS_MBIND, unix.SYS_SET_MEMPOLICY, unix.SYS_SET_MEMPOLICY_HOME_NODE,
	// Files past their paths.
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_FANOTIFY_INIT, unix.SYS_FANOTIFY_MARK,
	// The kernel's programs, keys, modules, log, clock and power.
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_REBOOT, unix.SYS_SYSLOG, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_VHANGUP, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_NFSSERVCTL,
}

// absentCalls do not exist for a script. Programs have another way where these
// are missing. What they make is memory that no limit counts, or they are
// large pieces of the kernel that no firewall script needs.
var absentCalls = []uint32{
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_USERFAULTFD,
	unix.SYS_MEMFD_CREATE, unix.SYS_MEMFD_SECRET, unix.SYS_SHMGET, unix.SYS_SEMGET, unix.SYS_MSGGET,
	// Its flags are in memory, out of the filter's sight: C libraries take
	// clone(2) instead.
	unix.SYS_CLONE3,
}

// Values of linux/personality.h, asm-generic/ioctls.h and linux/sched.h that
// are not in package unix.
const (
	perLinux32   = 0x0008
	perUname26   = 0x0020000
	perQuery     = 0xffffffff
	tiocLinux    = 0x541c
	cloneNewTime = 0x80
)

// packetTypes are SOCK_PACKET with all flags: socket(2) makes a packet socket
// of it in the family of the internet.
var packetTypes = []uint32{
	unix.SOCK_PACKET, unix.SOCK_PACKET | unix.SOCK_CLOEXEC, unix.SOCK_PACKET | unix.SOCK_NONBLOCK,
	unix.SOCK_PACKET | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK,
}

// callRules is the filter of a script.
func callRules() []callRule {
	var rules []callRule
	for _, n := range slices.Concat(archDenied, deniedCalls) {
		rules = append(rules, callRule{number: n, errno: unix.EPERM})
	}
	for _, n := range absentCalls {
		rules = append(rules, callRule{number: n, errno: unix.ENOSYS})
	}
	return append(rules,
		callRule{unix.SYS_CLONE, []argTest{{arg: 0, mask: newNamespaces}}, unix.EPERM},
		callRule{unix.SYS_UNSHARE, []argTest{{arg: 0, mask: newNamespaces | cloneNewTime}}, unix.EPERM},
		// Sockets of the families that firewalls and look-ups use. Of netlink:
		// routes, sockets, XFRM, netfilter, generic.
		callRule{unix.SYS_SOCKET, []argTest{
			{arg: 1, not: packetTypes},
			{arg: 0, pass: []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6}, only: []uint32{unix.AF_NETLINK}},
			{arg: 2, only: []uint32{unix.NETLINK_ROUTE, unix.NETLINK_SOCK_DIAG, unix.NETLINK_XFRM, unix.NETLINK_NETFILTER, unix.NETLINK_GENERIC}},
		}, unix.EAFNOSUPPORT},
		callRule{unix.SYS_SOCKETPAIR, []argTest{{arg: 0, only: []uint32{unix.AF_UNIX}}}, unix.EAFNOSUPPORT},
		// What types into a terminal.
		callRule{unix.SYS_IOCTL, []argTest{{arg: 1, not: []uint32{unix.TIOCSTI, tiocLinux}}}, unix.EPERM},
		callRule{unix.SYS_PERSONALITY, []argTest{{arg: 0, only: []uint32{0, perLinux32, perUname26, perUname26 | perLinux32, perQuery}}}, unix.EPERM},
		// Limits of oneself only: those of the first process are fwc's.
		callRule{unix.SYS_PRLIMIT64, []argTest{{arg: 0, only: []uint32{0}}}, unix.EPERM},
	)
}
