package compiler

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/ruleset"
)

// stdinFile is the script's standard input: a pipe that nobody writes to. It
// ends as soon as somebody reads it, which tells that the script asks for
// something; a script that reads /dev/null would ask unheard.
const stdinFile = toolDir + "/stdin"

// stdinPause is how often the watch looks, and so how long a first read waits.
const stdinPause = 20 * time.Millisecond

// stdin is the writing end.
type stdin struct {
	end  *os.File
	stat unix.Stat_t
}

// openStdin makes the pipe. Where the kernel does not tell what processes wait
// for (proc_pid_syscall(5)), there is none, and the script reads /dev/null.
func openStdin(root string) (*stdin, error) {
	if _, err := os.ReadFile("/proc/self/syscall"); err != nil {
		return nil, nil
	}
	path := filepath.Join(root, stdinFile)
	if err := unix.Mkfifo(path, 0o444); err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	end, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	s := &stdin{end: end}
	if err := unix.Fstat(int(end.Fd()), &s.stat); err != nil {
		end.Close()
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return s, nil
}

// watch ends the input when somebody reads it, or when stop is closed. It
// returns whether somebody did.
func (s *stdin) watch(stop <-chan struct{}) bool {
	if s == nil {
		return false
	}
	defer s.end.Close()
	tick := time.NewTicker(stdinPause)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return false
		case <-tick.C:
		}
		paths, _ := filepath.Glob("/proc/[0-9]*/syscall")
		for _, path := range paths {
			if path != "/proc/1/syscall" && s.reads(filepath.Dir(path)) {
				return true
			}
		}
	}
}

// reads says whether a process waits for the input: in a read of descriptor
// 0, or in a select that has only that.
func (s *stdin) reads(proc string) bool {
	text, err := os.ReadFile(proc + "/syscall")
	if err != nil {
		return false
	}
	f := strings.Fields(string(text))
	if len(f) < 2 {
		return false // "running"
	}
	number, err := strconv.Atoi(f[0])
	if err != nil || !(number == unix.SYS_READ && f[1] == "0x0" || isSelect(number) && f[1] == "0x1") {
		return false
	}
	var st unix.Stat_t
	return unix.Stat(proc+"/fd/0", &st) == nil && st.Dev == s.stat.Dev && st.Ino == s.stat.Ino
}

// openInput makes a file the calling process's standard input.
func openInput(path string) error {
	if path == "" {
		path = "/dev/null"
	}
	// Without it the open of a pipe waits.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return err
	}
	return unix.Dup3(fd, 0, 0)
}

// asksFor is a line of a script that reads an answer, in words that most do it
// with.
var asksFor = regexp.MustCompile(`(?:^|[;&|({!]|\b(?:do|then|while|until|if|else)\s)\s*(?:read(?:\s[^<|]*)?|select\s[^<|]*)(?:;|$)`)

// prompted warns of a script that reads its standard input.
func (b *build) prompted() {
	if !b.rep.Asked {
		return
	}
	pos := b.question(false)
	if pos.Line == 0 {
		pos = b.question(true)
	}
	b.warn(pos, "the script asks for input, and got end of file: give the answer as an argument, or with --env")
}

// question finds the first line that reads an answer, or in a loop. What reads
// a file or a pipe does not.
func (b *build) question(loop bool) ruleset.Position {
	num := 0
	for line := range strings.Lines(string(b.src.text)) {
		num++
		body, _, _ := strings.Cut(line, " #")
		if body = strings.TrimSpace(body); strings.HasPrefix(body, "#") || strings.ContainsAny(body, "<|") && !strings.Contains(body, "||") {
			continue
		}
		loops := strings.Contains(body, "while") || strings.Contains(body, "until")
		if loops == loop && asksFor.MatchString(body) {
			return ruleset.Position{File: b.src.path, Line: num}
		}
	}
	return ruleset.Position{}
}
