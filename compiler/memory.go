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

// residentMemory sums what the processes but this one hold alone: the second
// field of proc_pid_statm(5) without the third, in pages. It counts them too.
func residentMemory() (bytes, processes uint64) {
	paths, _ := filepath.Glob("/proc/[0-9]*/statm")
	var pages uint64
	for _, path := range paths {
		if path == "/proc/1/statm" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if f := strings.Fields(string(text)); len(f) > 2 {
			resident, _ := strconv.ParseUint(f[1], 10, 64)
			shared, _ := strconv.ParseUint(f[2], 10, 64)
			pages += resident - min(shared, resident)
		}
	}
	return pages * uint64(os.Getpagesize()), uint64(len(paths))
}
