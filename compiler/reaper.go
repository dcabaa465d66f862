package compiler

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// reaper waits for the processes that staging's first process starts beside the
// script. It is the parent of all that ends, and so must tell them apart.
type reaper struct {
	mu   sync.Mutex
	ends map[int]chan unix.WaitStatus
}

// end returns a channel that gets the status of a process when it ends.
func (c *reaper) end(pid int) chan unix.WaitStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	if end := c.ends[pid]; end != nil {
		return end
	}
	gone := make(chan unix.WaitStatus, 1)
	gone <- unix.WaitStatus(unix.SIGKILL)
	return gone
}

// ended passes on the status of a process.
func (c *reaper) ended(pid int, ws unix.WaitStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if end := c.ends[pid]; end != nil {
		end <- ws
		delete(c.ends, pid)
	}
}

// pids are those that have not ended.
func (c *reaper) pids() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var pids []int
	for pid := range c.ends {
		pids = append(pids, pid)
	}
	return pids
}

// reap waits for a child, and for whatever orphans end meanwhile; for pid -1
// it waits until no child is left.
func (c *reaper) reap(pid int) (unix.WaitStatus, error) {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD) && pid == -1:
			return ws, nil
		case err != nil:
			return ws, fmt.Errorf("wait for the script: %w", err)
		case got == pid:
			return ws, nil
		}
		c.ended(got, ws)
	}
}

// poll reaps what has ended.
func (c *reaper) poll() {
	var ws unix.WaitStatus
	for {
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if pid <= 0 || err != nil {
			return
		}
		c.ended(pid, ws)
	}
}

// linger waits until no process of the script's is left, and returns the names of those
// that are at the end of the time.
func (c *reaper) linger(limit time.Duration) []string {
	end := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		left := others(c.pids())
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
		time.Sleep(pause)
		c.poll()
	}
}

// others returns the names of the living processes but this one and some.
func others(but []int) []string {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var names []string
	for _, path := range stats {
		text, err := os.ReadFile(path)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == 1 || slices.Contains(but, pid) {
			continue
		}
		// pid (comm) state: the name may hold anything, even a parenthesis.
		open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
		if open < 0 || end < open || end+2 >= len(text) || text[end+2] == 'Z' {
			continue
		}
		names = append(names, string(text[open+1:end]))
	}
	return names
}
