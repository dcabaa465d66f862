package compiler

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// logKeeper sees to it that the record of the calls only grows. The script is
// root in its namespace and may empty the file; then what it did is not known,
// and nothing is built. inotify(7) tells of each change.
type logKeeper struct {
	path   string
	file   *os.File
	events *os.File
	done   sync.WaitGroup
	size   int64
	why    string
}

// keepLog begins to watch a file.
func keepLog(path string) (*logKeeper, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("inotify: %w", err)
	}
	k := &logKeeper{path: path, file: f, events: os.NewFile(uintptr(fd), "inotify")}
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY|unix.IN_ATTRIB|unix.IN_MOVE_SELF|unix.IN_DELETE_SELF); err != nil {
		f.Close()
		k.events.Close()
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	k.done.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			if _, err := k.events.Read(buf); err != nil {
				return
			}
			k.look()
		}
	})
	return k, nil
}

// look compares the file with what it was.
func (k *logKeeper) look() {
	fi, err := k.file.Stat()
	switch {
	case err != nil:
		k.why = err.Error()
	case fi.Size() < k.size:
		k.why = "it became shorter"
	default:
		k.size = fi.Size()
	}
}

// close ends the watch and returns what was wrong, or "".
func (k *logKeeper) close() string {
	// Not closed: see sysctlWatch.close.
	if err := k.events.SetReadDeadline(time.Now()); err != nil {
		return err.Error()
	}
	k.done.Wait()
	defer k.file.Close()
	k.look()
	open, err := k.file.Stat()
	now, err2 := os.Lstat(k.path)
	if k.why == "" && (err != nil || err2 != nil || !os.SameFile(open, now)) {
		k.why = "it is another file"
	}
	return k.why
}
