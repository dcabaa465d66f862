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

// skeletonDepth is how deep directories are made the script's own beforehand.
// An overlay's directory that exists in the lower layer alone belongs to the
// host's root, who is nobody in the user namespace, and takes no new files.
var skeletonDepth = map[string]int{"/etc": 8, "/var": 3, "/usr": 2, "/opt": 1}

// maxCopy bounds a file of /etc that is copied, so that the script may write
// into it: the overlay cannot copy up a file of an owner without an id.
const maxCopy = 1 << 20

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

// depth is how deep the skeleton of a directory goes.
func (r *roots) depth(dir string) int {
	dir = strings.TrimPrefix(dir, r.host)
	for top, n := range skeletonDepth {
		if dir == top {
			return n
		}
		if rest, ok := strings.CutPrefix(dir, top+"/"); ok {
			return max(n-1-strings.Count(rest, "/"), 0)
		}
	}
	return 1
}

// skeleton makes the directories of from below to, and below /etc copies the
// files. What cannot be read is left to the overlay, but for directories of
// /var: there programs keep state that only root may see, and where they find
// none they make it. They are listed in r.closed, to become empty ones.
func (r *roots) skeleton(from, to string, depth int) {
	r.closed = nil
	r.branches(from, from, to, depth)
}

func (r *roots) branches(top, from, to string, depth int) {
	if depth == 0 {
		return
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return
	}
	copies := from == r.host+"/etc" || strings.HasPrefix(from, r.host+"/etc/")
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		fi, err := e.Info()
		if err != nil {
			continue
		}
		switch {
		case fi.IsDir():
			// A directory that is closed to this user stays as it is.
			switch {
			case unix.Access(src, unix.R_OK|unix.X_OK) != nil:
				if strings.HasPrefix(src, r.host+"/var/") {
					r.closed = append(r.closed, strings.TrimPrefix(src, top))
				}
			case os.Mkdir(dst, fi.Mode().Perm()|0o700) == nil:
				_ = os.Chmod(dst, fi.Mode().Perm()|0o700|fi.Mode()&fs.ModeSticky)
				r.branches(top, src, dst, depth-1)
			}
		case copies && fi.Mode().IsRegular() && r.privileged && fi.Mode()&0o004 == 0:
			// Without a user namespace the script may read what root may:
			// password hashes and keys are not among what it needs.
			_ = os.WriteFile(dst, nil, fi.Mode().Perm())
		case copies && fi.Mode().IsRegular() && fi.Size() <= maxCopy:
			if text, err := os.ReadFile(src); err == nil {
				_ = os.WriteFile(dst, text, fi.Mode().Perm())
				_ = os.Chtimes(dst, fi.ModTime(), fi.ModTime())
			}
		}
	}
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
