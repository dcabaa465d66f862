package compiler

import (
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// limits bound what a script can take from the build server.
type limits struct {
	Processes uint64 // of the user inside staging
	Address   uint64 // address space of one process, bytes
	Memory    uint64 // of all processes together, bytes
	File      uint64 // largest file, bytes
	Files     uint64 // open files of one process
	Disk      uint64 // bytes of the staging's file system, which is memory
	Inodes    uint64
	// CallLog bounds the record of the firewall calls, bytes.
	CallLog uint64
}

// defaultLimits hold scripts of 100,000 calls with room.
var defaultLimits = limits{
	Processes: 1000,
	Address:   2 << 30,
	Memory:    2 << 30,
	File:      256 << 20,
	Files:     4096,
	Disk:      512 << 20,
	Inodes:    200_000,
	CallLog:   128 << 20,
}

// set applies the limits to the calling process, for its children to inherit.
func (l limits) set() error {
	for _, r := range []struct {
		name string
		what int
		max  uint64
	}{
		{"processes", unix.RLIMIT_NPROC, l.Processes},
		{"memory", unix.RLIMIT_AS, l.Address},
		{"file size", unix.RLIMIT_FSIZE, l.File},
		{"open files", unix.RLIMIT_NOFILE, l.Files},
		{"core", unix.RLIMIT_CORE, 0},
		// Keys of a user namespace and locked memory are the kernel's.
		{"locked memory", unix.RLIMIT_MEMLOCK, 8 << 20},
		{"message queues", unix.RLIMIT_MSGQUEUE, 1 << 20},
		{"pending signals", unix.RLIMIT_SIGPENDING, 4096},
	} {
		var old unix.Rlimit
		if err := unix.Getrlimit(r.what, &old); err != nil {
			return fmt.Errorf("limit of %s: %w", r.name, err)
		}
		if r.max > old.Max {
			r.max = old.Max
		}
		if err := unix.Setrlimit(r.what, &unix.Rlimit{Cur: r.max, Max: r.max}); err != nil {
			return fmt.Errorf("limit of %s: %w", r.name, err)
		}
	}
	return nil
}

// closeOnExec keeps a descriptor and all above it from programs that this
// process starts.
func closeOnExec(first int) {
	if unix.CloseRange(uint(first), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	// Before Linux 5.11: one by one.
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
}
