//go:build !amd64

package compiler

import "golang.org/x/sys/unix"

// archDenied are calls of this architecture alone that a script must not make.
var archDenied []uint32

// isSelect says whether a number is one of select(2).
func isSelect(number int) bool { return number == unix.SYS_PSELECT6 }
