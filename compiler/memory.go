package compiler

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// memoryPause is how often the processes' memory is looked at. A control group
// would bound it exactly, but an ordinary user has none to give. The number of
// processes is looked at as well: the resource limit does not hold for root
// without a user namespace.
const memoryPause = 100 * time.Millisecond

// watchMemory ends all processes of the script when they hold more memory
// together than the limit, or are too many, until stop is closed. It returns whether it did.
func watchMemory(l limits, stop <-chan struct{}) bool {
	tick := time.NewTicker(memoryPause)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return false
		case <-tick.C:
		}
		if bytes, processes := residentMemory(); bytes > l.Memory || processes > l.Processes {
			_ = unix.Kill(-1, unix.SIGKILL)
			return true
		}
	}
}

// residentMemory sums what the processes but this one hold that is no file's:
// RssAnon and RssShmem of proc_pid_status(5), in kB. Shared memory counts for
// each that shares it. It counts the processes too.
func residentMemory() (bytes, processes uint64) {
	paths, _ := filepath.Glob("/proc/[0-9]*/status")
	var kilobytes uint64
	for _, path := range paths {
		if path == "/proc/1/status" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, field := range []string{"\nRssAnon:", "\nRssShmem:", "\nVmSwap:"} {
			_, rest, _ := strings.Cut(string(text), field)
			if f := strings.Fields(rest); len(f) > 0 {
				n, _ := strconv.ParseUint(f[0], 10, 64)
				kilobytes += n
			}
		}
	}
	return kilobytes << 10, uint64(len(paths))
}
