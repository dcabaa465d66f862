package compiler

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// recorder is staging's side of the recorder. The queue, the lock and the
// flushes are the script's to spoil: then they fail, and exact mode follows.
type recorder struct {
	root        string
	token, redo *os.File
	shims       map[string]os.FileInfo // as they were made

	mu     sync.Mutex
	reason string // why exact mode is needed
}

// recorderTime bounds the last flush.
const recorderTime = 2 * time.Minute

// install puts into place what the preludes, the shims and the flush use. The
// shims are installed.
func (r *recorder) install(s *shims, copy []byte) error {
	r.root = s.root
	for _, d := range []string{recQueue, recDone} {
		path := filepath.Join(r.root, d)
		if err := os.Mkdir(path, 0o777); err != nil {
			return err
		}
		// Scripts may change to another user.
		if err := os.Chmod(path, 0o777); err != nil {
			return err
		}
	}
	// The flush makes more itself: these save it a process each.
	for i := 1; i <= 100; i++ {
		path := filepath.Join(r.root, recDone, strconv.Itoa(i))
		if err := os.Mkdir(path, 0o777); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o777); err != nil {
			return err
		}
	}
	recs := s.recordables()
	for name, text := range map[string]string{
		recCount: "1\n", recFlush: flushText, recShell: shellPrelude(recs), lineFile: bashPrelude(recs, s.tools, true), recCopy: string(copy),
	} {
		if err := os.WriteFile(filepath.Join(r.root, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(r.root, recCount), 0o666); err != nil {
		return err
	}
	var err error
	if r.token, err = r.pipe(recToken); err != nil {
		return err
	}
	if _, err := r.token.WriteString("\n"); err != nil {
		return err
	}
	if r.redo, err = r.pipe(recRedo); err != nil {
		return err
	}
	go r.watch()
	r.shims = r.stat(s)
	return nil
}

// pipe makes a named pipe that stays open.
func (r *recorder) pipe(name string) (*os.File, error) {
	path := filepath.Join(r.root, name)
	if err := unix.Mkfifo(path, 0o666); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
}

// lineOfQueue is what a restore says ahead of a message.
var lineOfQueue = regexp.MustCompile(`^(?:[a-z0-9-]+(?: v[0-9.]+)?(?: \([a-z_]+\))?: )?(?:line [0-9]+ failed: )?`)

// watch ends the script when its calls need exact mode.
func (r *recorder) watch() {
	buf := make([]byte, 1000)
	n, err := r.redo.Read(buf)
	if err != nil {
		return
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	r.fail("the queued calls do not load as one: " + lineOfQueue.ReplaceAllString(line, ""))
	_ = unix.Kill(-1, unix.SIGKILL)
}

func (r *recorder) fail(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason == "" {
		r.reason = strings.ToValidUTF8(reason, "")
	}
}

func (r *recorder) failed() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reason
}

// stat remembers the files that stand for the tools, and those that would be
// found before them.
func (r *recorder) stat(s *shims) map[string]os.FileInfo {
	found := map[string]os.FileInfo{}
	for _, t := range s.tools {
		for _, dir := range programDirs {
			path := filepath.Join(r.root, dir, t.name)
			found[path], _ = os.Lstat(path)
		}
	}
	return found
}

// finish loads what is queued when the script's processes have ended. It
// returns why exact mode is needed, or "".
func (r *recorder) finish(s *stage) string {
	defer r.redo.Close()
	defer r.token.Close()
	// Whoever held the lock is gone, and took it along if it was killed; what
	// it did not finish is found below.
	_ = r.token.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, _ = r.token.Read(make([]byte, 4096))
	_, _ = r.token.WriteString("\n")
	now := r.stat(&s.shims)
	for path, then := range r.shims {
		if fi := now[path]; (fi == nil) != (then == nil) || fi != nil && (!os.SameFile(fi, then) || fi.ModTime() != then.ModTime()) {
			r.fail("the script replaces " + strings.TrimPrefix(path, r.root))
		}
	}
	left, err := os.ReadDir(filepath.Join(r.root, recQueue))
	if err != nil {
		r.fail(err.Error())
	}
	if len(left) > 0 && r.failed() == "" {
		if err := s.runFlush(); err != nil {
			r.fail("the last flush: " + err.Error())
		}
	}
	return r.failed()
}

// runFlush runs the script that flushes in the script's place.
func (s *stage) runFlush() error {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	r, err := tryRunner(null.Fd(), null.Fd())
	if err != nil {
		return err
	}
	defer r.failure.Close()
	c := runConfig{Root: stagingRoot, Path: "/bin/sh", Argv: []string{"/bin/sh", recFlush}, Env: environment(nil), Limits: s.Limits}
	if err := r.configure(c); err != nil {
		return err
	}
	expired := time.AfterFunc(recorderTime, func() { _ = unix.Kill(-1, unix.SIGKILL) })
	defer expired.Stop()
	ws, err := reap(r.pid)
	if err == nil && ws != 0 {
		err = fmt.Errorf("it ended with status %#x", uint32(ws))
	}
	return err
}

// expand returns the record of calls with those that were queued in the place
// of their flush, and why exact mode is needed, or "".
func (r *recorder) expand(log []byte, limit uint64) ([]byte, string) {
	var out bytes.Buffer
	open := ""
	for rest := log; len(rest) > 0; {
		field, after, _ := bytes.Cut(rest, []byte{0})
		number, next, _ := bytes.Cut(after, []byte{0})
		switch string(field) {
		case "flush":
			if open != "" {
				return log, "flush " + open + " was not finished"
			}
			open = string(number)
			if err := r.batch(&out, open, limit); err != nil {
				return log, err.Error()
			}
			rest = next
		case "done":
			if open != string(number) {
				return log, "flush " + open + " was not finished"
			}
			open, rest = "", next
		case "call":
			n := recordLen(rest)
			if n == 0 {
				out.Write(rest)
				return out.Bytes(), "" // is cut, as parseLog will say
			}
			out.Write(rest[:n])
			rest = rest[n:]
		default:
			return log, "the record of the calls is spoilt"
		}
		if uint64(out.Len()) > limit {
			return log, "the record of the calls is too long"
		}
	}
	if open != "" {
		return log, "flush " + open + " was not finished"
	}
	return out.Bytes(), ""
}

// recordLen is the length of the first record of a call, 0 if it is not whole.
func recordLen(log []byte) int {
	at, fields := 0, 9
	for i := 0; i < fields; i++ {
		n := bytes.IndexByte(log[at:], 0)
		if n < 0 {
			return 0
		}
		if i == 7 {
			args, err := strconv.Atoi(string(log[at : at+n]))
			if err != nil || args < 0 || args > len(log) {
				return 0
			}
			fields += args
		}
		at += n + 1
	}
	return at
}

// batch appends the calls of one flush.
func (r *recorder) batch(out *bytes.Buffer, number string, limit uint64) error {
	dir := filepath.Join(r.root, recDone, filepath.Base(number))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("flush %s: %w", number, err)
	}
	for _, e := range entries {
		name := e.Name()
		if strings.Contains(name, ",") || name == "sets" {
			continue
		}
		text, cut, err := readUpTo(filepath.Join(dir, name), limit)
		if err != nil || cut {
			return fmt.Errorf("flush %s: %s cannot be read", number, name)
		}
		// What came into the file after it was loaded is lost.
		loaded, err := os.Lstat(filepath.Join(dir, name+",done"))
		if err != nil {
			return fmt.Errorf("flush %s: %w", number, err)
		}
		extra, table := 0, ""
		if !strings.HasSuffix(name, ".ipset") {
			table = name[strings.LastIndexByte(name, '.')+1:]
			extra = len("*\nCOMMIT\n") + len(table)
		}
		if loaded.Size() != int64(len(text)+extra) {
			return fmt.Errorf("calls at the same time as flush %s", number)
		}
		if !queued(out, table, string(text)) {
			return fmt.Errorf("flush %s: %s is spoilt", number, name)
		}
	}
	return nil
}

// queued appends the records of the calls that a queue file holds. Each has a
// line "#TOOL PLACE" and one as a restore program reads it.
func queued(out *bytes.Buffer, table, text string) bool {
	for len(text) > 0 {
		head, rest, ok := strings.Cut(text, "\n")
		line, after, ok2 := strings.Cut(rest, "\n")
		if !ok || !ok2 || !strings.HasPrefix(head, "#") {
			return false
		}
		text = after
		tool, place, _ := strings.Cut(head[1:], " ")
		args := restoreWords(line)
		tool, moved, ok := strings.Cut(tool, "/")
		switch {
		case ok:
			for _, m := range strings.Split(moved, "/") {
				at, word, _ := strings.Cut(m, ":")
				n, err := strconv.Atoi(at)
				if err != nil || n < 0 || n > len(args) {
					return false
				}
				args = slices.Insert(args, n, word)
			}
		case table != "" && table != "filter":
			args = append([]string{"-t", table}, args...)
		}
		for _, f := range []string{"call", "0", "0", place, "", tool, "", strconv.Itoa(len(args))} {
			out.WriteString(f + "\x00")
		}
		for _, a := range args {
			out.WriteString(a + "\x00")
		}
		out.WriteByte(0)
	}
	return true
}
