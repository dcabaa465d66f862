package compiler

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Two roots are made, both on file systems that end with the namespace:
//
//   - the base, where fwc's own tools run: the host's system directories, read
//     only. What the script does to its files does not reach the tools that
//     read its firewall back.
//   - the staging root below it at stagingRoot, for the script.
const (
	stagingTree = "/staging"
	stagingRoot = stagingTree + "/root"
	toolDir     = "/.fwc" // in the staging root: the real tools, and the log
)

// roots builds both in the calling process's private mount namespace.
type roots struct {
	base string // where the base is before the pivot
	// host is the directory that holds the system to show; "" is the root.
	host     string
	identity identity
	limit    limits
	// noOverlay does without overlays, as on a kernel that has none.
	noOverlay bool
	// privileged is without a user namespace.
	privileged bool
	overlays   int
	// closed are the directories below the top that is being shown which
	// this user may not enter and the script may.
	closed []string
}

// systemTops are the directories at the top that programs need.
var systemTops = []string{"/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"}

func (r *roots) path(elem ...string) string {
	return filepath.Join(append([]string{r.base}, elem...)...)
}

// prepare mounts the base, with its system directories and the staging tree,
// over a directory that staging does not need from the host.
func (r *roots) prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, dir := range []string{"/tmp", "/mnt", "/srv", "/run"} {
		if fi, err := os.Stat(dir); err == nil && fi.IsDir() && !strings.HasPrefix(r.host+"/", dir+"/") {
			r.base = dir
			break
		}
	}
	if r.base == "" {
		return errors.New("the host has none of /tmp, /mnt, /srv and /run to spare")
	}
	if err := mountTmpfs(r.base, 64<<20, 10_000); err != nil {
		return err
	}
	for _, d := range []string{"proc", "dev", "run", "run/lock", "tmp", "var/lib/ebtables", "var/lib/arptables", "var/tmp", "root", stagingTree} {
		if err := os.MkdirAll(r.path(d), 0o755); err != nil {
			return err
		}
	}
	for link, to := range map[string]string{"var/run": "/run", "var/lock": "/run/lock"} {
		if err := os.Symlink(to, r.path(link)); err != nil {
			return err
		}
	}
	for _, top := range systemTops {
		if err := showTop(r.host+top, r.path(top), bindReadOnly); err != nil {
			return err
		}
	}
	if err := unix.Mount("proc", r.path("proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := devices(r.path("dev")); err != nil {
		return err
	}
	return mountTmpfs(r.path(stagingTree), r.limit.Disk, r.limit.Inodes)
}

// enter makes the base this process's root.
func (r *roots) enter() error {
	if err := pivot(r.base, "old"); err != nil {
		return err
	}
	r.base = "/"
	return nil
}

// showTop recreates a top-level entry of the host below a new root: a symbolic
// link as such, a directory through show. What the host has not is left out.
func showTop(host, to string, show func(from, to string) error) error {
	fi, err := os.Lstat(host)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case fi.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(host)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case !fi.IsDir():
		return nil
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	return show(host, to)
}

func mountTmpfs(path string, bytes, inodes uint64) error {
	opts := fmt.Sprintf("mode=755,size=%d,nr_inodes=%d", bytes, inodes)
	if err := unix.Mount("tmpfs", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, opts); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	return nil
}

// devices gives a root the devices that scripts use and that do no harm.
func devices(dev string) error {
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		path := filepath.Join(dev, name)
		host := "/dev/" + name
		if fi, err := os.Stat(host); err != nil || fi.Mode()&fs.ModeCharDevice == 0 {
			continue
		}
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			return err
		}
		if err := unix.Mount(host, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", host, err)
		}
		// Writing to a device is not writing to its mount; changing its mode is.
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC}
		if err := unix.MountSetattr(unix.AT_FDCWD, path, 0, &attr); err != nil && !errors.Is(err, unix.ENOSYS) {
			return fmt.Errorf("make %s read-only: %w", path, err)
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	return nil
}
