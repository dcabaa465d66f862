package compiler

import "golang.org/x/sys/unix"

// archDenied are calls of this architecture alone that a script must not make.
var archDenied = []uint32{
	unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT, unix.SYS_USELIB, unix.SYS_SYSFS, unix.SYS__SYSCTL,
	unix.SYS_CREATE_MODULE, unix.SYS_QUERY_MODULE, unix.SYS_GET_KERNEL_SYMS,
}

// isSelect says whether a number is one of select(2).
func isSelect(number int) bool { return number == unix.SYS_SELECT || number == unix.SYS_PSELECT6 }
