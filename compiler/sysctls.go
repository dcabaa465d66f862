package compiler

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sysctlWatch notes which kernel parameters a script writes. A comparison of
// before and after would not do: a write may leave a value as it is, and one
// to ip_forward changes a dozen others. The kernel reports each write to a
// file of /proc/sys through inotify(7).
type sysctlWatch struct {
	fd       int
	file     *os.File
	root     string         // …/proc/sys
	dirs     map[int]string // watch descriptor -> directory below root
	keys     map[string]bool
	overflow bool
	done     chan struct{}
}

// watchSysctls watches root/net, which must be seen through the mount that
// the script writes to.
func watchSysctls(root string) (*sysctlWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	w := &sysctlWatch{fd: fd, root: root, dirs: map[int]string{}, keys: map[string]bool{}, done: make(chan struct{})}
	err = filepath.WalkDir(filepath.Join(root, "net"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		wd, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY)
		if err != nil {
			return fmt.Errorf("inotify on %s: %w", path, err)
		}
		w.dirs[wd] = strings.TrimPrefix(path, root+"/")
		return nil
	})
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	w.file = os.NewFile(uintptr(fd), "inotify")
	go w.run()
	return w, nil
}

// run reads events into keys until close, so that the kernel's queue does not
// overflow.
func (w *sysctlWatch) run() {
	defer close(w.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buf)
		if err != nil || n == 0 {
			return
		}
		w.events(buf[:n])
	}
}

// events notes the keys of a piece of the event stream.
func (w *sysctlWatch) events(b []byte) {
	for len(b) >= unix.SizeofInotifyEvent {
		wd := int(int32(binary.NativeEndian.Uint32(b)))
		mask := binary.NativeEndian.Uint32(b[4:])
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if size > len(b) {
			return
		}
		name := unix.ByteSliceToString(b[unix.SizeofInotifyEvent:size])
		b = b[size:]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			w.overflow = true
		}
		if dir, ok := w.dirs[wd]; ok && mask&unix.IN_MODIFY != 0 {
			w.keys[sysctlKey(dir+"/"+name)] = true
		}
	}
}

// close ends the watch, when no process of the script is left, and returns
// the keys written, sorted. Those without a value to read are left out.
func (w *sysctlWatch) close() ([]string, error) {
	// What has happened is in the queue: the reader empties it before it
	// notices that its time is over.
	if err := w.file.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return nil, err
	}
	<-w.done
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(w.fd, buf)
		if err != nil || n == 0 {
			break
		}
		w.events(buf[:n])
	}
	// The file stays open until the process ends: closing it takes the kernel
	// tens of milliseconds.
	if w.overflow {
		return nil, errors.New("the script wrote more sysctls at once than the kernel reports")
	}
	return w.readable(slices.Sorted(maps.Keys(w.keys))), nil
}

// sysctlKey turns a path below /proc/sys into a key as sysctl(8) writes it: a
// slash becomes a dot, and a dot, as in the name of a VLAN, a slash.
func sysctlKey(path string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '/':
			return '.'
		case '.':
			return '/'
		}
		return r
	}, path)
}

// sysctlPath is the reverse of sysctlKey, which swaps the two characters.
func sysctlPath(key string) string { return sysctlKey(key) }

// triggers act when they are written and leave no value behind that a host
// could be given.
var triggers = []string{"net.ipv4.route.flush", "net.ipv6.route.flush"}

// readable drops the keys that have no value to capture.
func (w *sysctlWatch) readable(keys []string) []string {
	return slices.DeleteFunc(keys, func(k string) bool {
		if slices.Contains(triggers, k) {
			return true
		}
		_, err := os.ReadFile(filepath.Join(w.root, sysctlPath(k)))
		return err != nil
	})
}
