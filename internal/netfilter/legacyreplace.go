package netfilter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// counterSize is the size of struct xt_counters: packets and bytes.
const counterSize = 16

// xtablesLock is XT_LOCK_NAME of iptables, which the programs of the legacy
// backend hold while they change a table.
const xtablesLock = "/run/xtables.lock"

// lockPoll is how often a held lock is asked for again.
const lockPoll = 5 * time.Millisecond

// LockLegacy takes the lock of the legacy backend's programs, so that no other
// of them changes a table until the returned function is called. It waits for
// up to wait, 0 for ever, and then returns an error that wraps ErrLocked.
// XTABLES_LOCKFILE in the environment names another file, as for iptables(8).
//
// With a context of HoldLegacy it is taken already.
func LockLegacy(ctx context.Context, wait time.Duration) (unlock func(), err error) {
	if holdsLegacy(ctx) {
		return func() {}, nil
	}
	path := os.Getenv("XTABLES_LOCKFILE")
	if path == "" {
		path = xtablesLock
	}
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("xtables lock: %w", err)
	}
	deadline := time.Now().Add(wait)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { f.Close() }, nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			f.Close()
			return nil, fmt.Errorf("xtables lock: %w", err)
		case wait > 0 && time.Now().After(deadline):
			f.Close()
			return nil, fmt.Errorf("%w for %v", ErrLocked, wait)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(lockPoll):
		}
	}
}

// legacyHeld is the context's key that says who holds the lock.
type legacyHeld struct{}

func holdsLegacy(ctx context.Context) bool { return ctx.Value(legacyHeld{}) != nil }

// HoldLegacy takes the lock for all that is done with the context that it
// returns, programs included.
func HoldLegacy(ctx context.Context, wait time.Duration) (held context.Context, unlock func(), err error) {
	unlock, err = LockLegacy(ctx, wait)
	return context.WithValue(ctx, legacyHeld{}, true), unlock, err
}

// heldLock is a lock of their own for programs that are run by who holds the
// real one.
const heldLock = "/run/fwc-xtables.lock"

// ReplaceOptions say how ReplaceLegacy treats counters.
type ReplaceOptions struct {
	// Carry has rules that the former table has too go on counting from where
	// they stood at the very switch. Other rules start from the counters in the
	// tables given.
	Carry bool
}

// ReplaceLegacy puts tables in the place of the calling thread's namespace's of
// those names. Everything is made ready first, then one call of the kernel
// follows the other: the table with most entries first, since what it takes the
// kernel to check it passes before the switch, and so is no part of the time
// between the first switch and the last. The caller holds the lock. It returns
// the number of tables replaced and the time from the first call to the end of
// the last, which holds that between the switches, and an error that wraps
// ErrGeneration, with none replaced, if a table was changed without the lock.
func ReplaceLegacy(tables []*LegacyTable, opts ReplaceOptions) (replaced int, gap time.Duration, err error) {
	nl, err := dial()
	if err != nil {
		return 0, 0, err
	}
	defer nl.Close()
	names := &setNames{nl: nl, known: map[uint16]string{}}
	indices := map[string]uint16{}
	var calls []*replacement
	for _, t := range bySize(tables) {
		r := &replacement{table: t}
		defer r.close()
		if err := r.prepare(nl, names, indices); err != nil {
			return 0, 0, fmt.Errorf("%v: %w", t, err)
		}
		calls = append(calls, r)
	}
	calm := hurry()
	defer calm()
	var first time.Time
	for i, r := range calls {
		if i == 0 {
			first = time.Now() // the switch is somewhere in the call
		}
		if err := r.send(); err != nil {
			err = fmt.Errorf("replace %v: %w", r.table, err)
			if errors.Is(err, unix.EAGAIN) && replaced == 0 {
				err = fmt.Errorf("%w: %w", ErrGeneration, err)
			}
			return replaced, gap, err
		}
		replaced++
		gap = time.Since(first)
	}
	calm()
	for _, r := range calls {
		if err := r.count(opts); err != nil {
			return replaced, gap, fmt.Errorf("counters of %v: %w", r.table, err)
		}
	}
	return replaced, gap, nil
}

// hurry keeps other processes from running in the place of the calling thread,
// as far as the kernel lets it, until the returned function is called.
func hurry() (calm func()) {
	runtime.LockOSThread()
	was, err := unix.SchedGetAttr(0, 0)
	if err == nil {
		err = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
	}
	return sync.OnceFunc(func() {
		if err == nil {
			_ = unix.SchedSetAttr(0, was, 0)
		}
		runtime.UnlockOSThread()
	})
}

// replacement is the replacement of one table.
type replacement struct {
	table *LegacyTable
	was   *LegacyTable
	fd    int
	open  bool
	old   []byte // counters of was, as the kernel left them at the switch
	msg   []byte // struct ipt_replace
}

func (r *replacement) prepare(nl *conn, names *setNames, indices map[string]uint16) (err error) {
	l := r.table.layout
	if r.fd, err = unix.Socket(l.domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	r.open = true
	if r.was, err = l.table(names, r.table.name); err != nil {
		return err
	}
	entries := slices.Clone(r.table.entries)
	for _, s := range r.table.sets {
		index, ok := indices[s.set]
		if !ok {
			if index, err = nl.setIndex(s.set); err != nil {
				return err
			}
			indices[s.set] = index
		}
		binary.NativeEndian.PutUint16(entries[s.at:], index)
	}
	// struct ipt_replace: name, valid_hooks, num_entries, size, hook_entry and
	// underflow by hook, num_counters, a pointer to counters, the entries. The
	// first and the arrays are as in struct ipt_getinfo.
	info := r.table.info
	arrays := info[tableNameLen+4 : len(info)-8]
	r.old = make([]byte, counterSize*r.was.count())
	b := slices.Clone(info[:tableNameLen+4])
	b = append(b, info[len(info)-8:]...)
	b = append(b, arrays...)
	b = binary.NativeEndian.AppendUint32(b, uint32(r.was.count()))
	for len(b)%int(unsafe.Sizeof(uintptr(0))) != 0 {
		b = append(b, 0)
	}
	r.msg = append(b, make([]byte, unsafe.Sizeof(uintptr(0)))...)
	r.msg = append(r.msg, entries...)
	*(*uintptr)(unsafe.Pointer(&r.msg[len(b)])) = uintptr(unsafe.Pointer(unsafe.SliceData(r.old)))
	return nil
}

// send makes the switch. The kernel gives EAGAIN if the table has another
// number of entries than it had.
func (r *replacement) send() error {
	err := setsockopt(r.fd, r.table.layout.level, r.table.layout.getInfo, r.msg)
	runtime.KeepAlive(r.old)
	return err
}

// count gives the new entries, which start from zero, their counters.
func (r *replacement) count(opts ReplaceOptions) error {
	counters := r.table.counters()
	if opts.Carry {
		counters = r.table.carried(r.was, r.old)
	}
	// struct xt_counters_info: name, num_counters, padding, the counters.
	b := make([]byte, tableNameLen, tableNameLen+8+len(counters))
	copy(b, r.table.name)
	b = binary.NativeEndian.AppendUint32(b, uint32(r.table.count()))
	b = append(append(b, 0, 0, 0, 0), counters...)
	return setsockopt(r.fd, r.table.layout.level, r.table.layout.getInfo+1, b)
}

func (r *replacement) close() {
	if r.open {
		unix.Close(r.fd)
	}
}

// setsockopt is setsockopt(2).
func setsockopt(fd, level, opt int, buf []byte) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0)
	runtime.KeepAlive(buf)
	if errno != 0 {
		return errno
	}
	return nil
}
