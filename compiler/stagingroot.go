package compiler

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// staged are the directories of the host that the script sees and may change
// for itself.
var staged = append(slices.Clone(systemTops), "/var")

// staging makes the script's root inside the staging tree.
func (r *roots) staging() error {
	root := r.path(stagingRoot)
	for _, d := range []string{"", "dev", "dev/shm", "proc", "sys", "run", "run/lock", "tmp", "home", "root", "srv", "mnt", "media", "boot", toolDir} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	for _, d := range []string{"tmp", "dev/shm", "run/lock"} {
		if err := os.Chmod(filepath.Join(root, d), 0o1777); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(root, "root"), 0o700); err != nil {
		return err
	}
	// The files of /etc are copied in any case, and containers mount some. The
	// copying takes as long as the rest.
	etc := make(chan error, 1)
	go func() {
		beside := *r
		etc <- showTop(r.host+"/etc", filepath.Join(root, "/etc"), beside.farm)
	}()
	for _, top := range staged {
		if top == "/etc" {
			continue
		}
		if err := showTop(r.host+top, filepath.Join(root, top), r.overlayTree); err != nil {
			return errors.Join(err, <-etc)
		}
	}
	if err := devices(filepath.Join(root, "dev")); err != nil {
		return err
	}
	if err := r.kernelDirs(root); err != nil {
		return err
	}
	if err := <-etc; err != nil {
		return err
	}
	return r.identity.write(root)
}

// overlayTree shows a host's directory with a writable layer of its own on
// top. Overlayfs does not take a directory with mounts below it, which a user
// namespace may not separate from it: such a one is put together from its
// entries.
func (r *roots) overlayTree(from, to string) error {
	inner := mountsBelow(from)
	if len(inner) == 0 {
		return r.overlay(from, to)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return r.farm(from, to)
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if e.IsDir() {
			err = os.Mkdir(dst, 0o755)
			if err == nil {
				err = r.overlayTree(src, dst)
			}
		} else {
			err = r.link(src, dst, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// overlay mounts one overlay, or plants a farm where the kernel refuses: it
// lets user namespaces have overlays since Linux 5.11.
func (r *roots) overlay(from, to string) error {
	r.overlays++
	name := strconv.Itoa(r.overlays)
	upper, work := r.path(stagingTree, "upper", name), r.path(stagingTree, "work", name)
	for _, d := range []string{upper, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if r.noOverlay || strings.ContainsAny(from, `,:\`) {
		return r.farm(from, to)
	}
	r.skeleton(from, upper, r.depth(from))
	opts := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", from, upper, work)
	if err := unix.Mount("overlay", to, "overlay", unix.MS_NOSUID|unix.MS_NODEV, opts); err != nil {
		return r.farm(from, to)
	}
	for i, dir := range r.closed {
		empty := r.path(stagingTree, "closed", name, strconv.Itoa(i))
		if err := os.MkdirAll(empty, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(empty, filepath.Join(to, dir), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind over %s: %w", filepath.Join(from, dir), err)
		}
	}
	return nil
}

// farm shows a host's directory without an overlay: the directories that the
// skeleton would have are the script's own, what is in them are links to the
// host's, which are read-only. Files of /etc are copies.
func (r *roots) farm(from, to string) error {
	host := filepath.Join(stagingRoot, toolDir, "host", from)
	if err := os.MkdirAll(r.path(host), 0o755); err != nil {
		return err
	}
	if err := bindReadOnly(from, r.path(host)); err != nil {
		return err
	}
	r.skeleton(from, to, r.depth(from))
	for _, dir := range r.closed {
		if err := os.Mkdir(filepath.Join(to, dir), 0o755); err != nil {
			return err
		}
	}
	return r.plant(from, to)
}

// plant fills the directories of a skeleton with links.
func (r *roots) plant(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return nil // closed to this user
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if fi, err := os.Lstat(dst); err == nil {
			if fi.IsDir() {
				if err := r.plant(src, dst); err != nil {
					return err
				}
			}
			continue
		}
		if err := r.link(src, dst, e); err != nil {
			return err
		}
	}
	return nil
}

// link makes one entry: a copy of the host's symbolic link, or a link to the
// host's file, which is bound below toolDir.
func (r *roots) link(src, dst string, e fs.DirEntry) error {
	target := filepath.Join(toolDir, "host", src)
	if e.Type()&fs.ModeSymlink != 0 {
		var err error
		if target, err = os.Readlink(src); err != nil {
			return nil
		}
	} else if _, err := os.Lstat(r.path(stagingRoot, target)); err != nil {
		// Beside a directory with mounts in it nothing is bound yet.
		if e.IsDir() || !e.Type().IsRegular() {
			return nil
		}
		if err := os.MkdirAll(filepath.Dir(r.path(stagingRoot, target)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(r.path(stagingRoot, target), nil, 0o644); err != nil {
			return err
		}
		if err := bindReadOnly(src, r.path(stagingRoot, target)); err != nil {
			return err
		}
	}
	return os.Symlink(target, dst)
}

// kernelDirs gives a root /proc and /sys. Of /proc/sys only net is writable.
func (r *roots) kernelDirs(root string) error {
	proc := filepath.Join(root, "proc")
	if err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	net := filepath.Join(proc, "sys/net")
	for _, d := range []string{"sys", "irq", "bus", "fs", "acpi", "scsi", "sysrq-trigger"} {
		path := filepath.Join(proc, d)
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if err := unix.Mount(path, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind /proc/%s: %w", d, err)
		}
		if d == "sys" {
			if err := unix.Mount(net, net, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("bind /proc/sys/net: %w", err)
			}
		}
		if err := remountReadOnly(path); err != nil {
			return err
		}
	}
	for _, f := range []string{"kcore", "keys", "timer_list", "sched_debug", "latency_stats"} {
		if _, err := os.Lstat(filepath.Join(proc, f)); err == nil {
			_ = unix.Mount("/dev/null", filepath.Join(proc, f), "", unix.MS_BIND, "")
		}
	}
	// Scripts look for interfaces in /sys/class/net. A kernel that hides
	// parts of /sys from this mount namespace gives none.
	_ = unix.Mount("sysfs", filepath.Join(root, "sys"), "sysfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	return nil
}
