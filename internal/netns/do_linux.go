package netns

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Do runs fn in a new network namespace with lo up, and in a new mount
// namespace whose /run is private and empty: the xtables lock lives there, and
// a namespace of its own must not wait for the host's. Both namespaces end
// with fn, if every process that fn started has ended.
//
// fn runs on a thread of its own that Do locks: processes that fn starts and
// sockets that it opens belong to the namespace; goroutines that fn starts do
// not. Do needs CAP_SYS_ADMIN in the caller's user namespace and returns an
// error that wraps ErrNotPermitted without it.
func Do(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and the
		// namespaces with the thread.
		runtime.LockOSThread()
		if err := isolate(); err != nil {
			done <- err
			return
		}
		done <- fn()
	}()
	return <-done
}

func isolate() error {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("unshare: %w: %w", ErrNotPermitted, err)
		}
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount private /run: %w", err)
	}
	return LoopbackUp()
}

// LoopbackUp brings lo of the calling thread's network namespace up.
func LoopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}
