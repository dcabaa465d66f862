package apply

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holder names the process that holds the lock of a file, as its user knows it:
// "fwc apply fw.artifact (process 4711)"; "" where that cannot be known. The
// kernel lists the locks in /proc/locks, see proc(5): the process that took it,
// which may have died and left it to one that it started.
func holder(f *os.File) string {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return ""
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return ""
	}
	defer locks.Close()
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino)
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		// 1: FLOCK  ADVISORY  WRITE 4711 fe:00:131 0 EOF
		w := strings.Fields(lines.Text())
		if len(w) < 6 || w[1] != "FLOCK" || w[5] != file {
			continue
		}
		pid, err := strconv.Atoi(w[4])
		if err != nil || pid <= 0 {
			continue // of another pid namespace
		}
		if name := commandOf(pid); name != "" {
			return fmt.Sprintf("%s (process %d)", name, pid)
		}
		return fmt.Sprintf("what process %d, which has ended, started", pid)
	}
	return ""
}

// mostCommand bounds how much of a command line is told.
const mostCommand = 80

// commandOf returns the command line of a process, "" for none.
func commandOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	words := strings.Split(string(bytes.TrimRight(text, "\x00")), "\x00")
	if i := strings.LastIndexByte(words[0], '/'); i >= 0 {
		words[0] = words[0][i+1:]
	}
	s := strings.ToValidUTF8(strings.Join(words, " "), "?")
	if r := []rune(s); len(r) > mostCommand {
		s = string(r[:mostCommand]) + "…"
	}
	return s
}
