package compiler

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets into struct seccomp_data of linux/seccomp.h, in the byte order of
// the architectures that archOf knows: the low half of an argument is first.
const (
	dataNumber = 0
	dataArch   = 4
	dataArgs   = 16
)

// archOf are the architectures of the system calls that a build for GOARCH
// makes: linux/audit.h.
var archOf = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// verdict is what a filter returns for a system call.
type verdict uint32

const (
	allow verdict = unix.SECCOMP_RET_ALLOW
	kill  verdict = unix.SECCOMP_RET_KILL_PROCESS
)

// refuse makes a call fail with an errno: a script then goes on as it does
// where it lacks a permission, and the build says so.
func refuse(errno unix.Errno) verdict {
	return unix.SECCOMP_RET_ERRNO | verdict(errno)&unix.SECCOMP_RET_DATA
}

// argTest decides a call by the low half of one of its arguments, which is
// all that the kernel looks at in those that are tested here.
type argTest struct {
	arg  int
	mask uint32   // refused if any of these bits is set; 0: none
	pass []uint32 // allowed at once if it is one of these
	not  []uint32 // refused if it is one of these
	only []uint32 // refused unless it is one of these
}

// callRule is what the filter does with one system call.
type callRule struct {
	number uint32
	tests  []argTest // refused if any says so; without tests always
	errno  unix.Errno
}

// assemble makes the filter: calls of another architecture end the process,
// since their numbers mean other things; calls that are younger than this list
// do not exist; what has a rule goes by it; and the rest is allowed.
func assemble(arch uint32, rules []callRule) ([]bpf.RawInstruction, error) {
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: dataArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		bpf.RetConstant{Val: uint32(kill)},
		bpf.LoadAbsolute{Off: dataNumber, Size: 4},
		// Numbers of x32 have bit 30 set, and are among those shut out.
		bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: lastCall, SkipTrue: 1},
		bpf.RetConstant{Val: uint32(refuse(unix.ENOSYS))},
	}
	for _, r := range rules {
		body := r.body()
		if len(body) > 255 {
			return nil, fmt.Errorf("the rule of system call %d is too long", r.number)
		}
		prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: r.number, SkipFalse: uint8(len(body))})
		prog = append(prog, body...)
	}
	return bpf.Assemble(append(prog, bpf.RetConstant{Val: uint32(allow)}))
}

// body is what is done once the number fits. It returns in any case.
func (r callRule) body() []bpf.Instruction {
	no := bpf.RetConstant{Val: uint32(refuse(r.errno))}
	if len(r.tests) == 0 {
		return []bpf.Instruction{no}
	}
	var body []bpf.Instruction
	for _, t := range r.tests {
		body = append(body, bpf.LoadAbsolute{Off: uint32(dataArgs + 8*t.arg), Size: 4})
		if t.mask != 0 {
			body = append(body, bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: t.mask, SkipFalse: 1}, no)
		}
		for _, v := range t.pass {
			body = append(body, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipFalse: 1}, bpf.RetConstant{Val: uint32(allow)})
		}
		for _, v := range t.not {
			body = append(body, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipFalse: 1}, no)
		}
		for i, v := range t.only {
			// Over the values that are left, and over the refusal.
			body = append(body, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(t.only) - i)})
		}
		if len(t.only) > 0 {
			body = append(body, no)
		}
	}
	return append(body, bpf.RetConstant{Val: uint32(allow)})
}

// filterSyscalls installs the filter for the calling thread, which must have
// no_new_privs, and for what it executes.
func filterSyscalls() error {
	arch, ok := archOf[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("no system call filter for %s", runtime.GOARCH)
	}
	raw, err := assemble(arch, callRules())
	if err != nil {
		return fmt.Errorf("assemble the system call filter: %w", err)
	}
	if _, err := installFilter(raw, 0); err != nil {
		return fmt.Errorf("system call filter: %w", err)
	}
	return nil
}

// installFilter installs a filter for the calling thread, and returns the
// descriptor that flags ask for.
func installFilter(raw []bpf.RawInstruction, flags uintptr) (int, error) {
	filter := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}
