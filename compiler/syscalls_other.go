//go:build !amd64

package compiler

// archDenied are calls of this architecture alone that a script must not make.
var archDenied []uint32
