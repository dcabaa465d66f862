package compiler

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// pivot makes root the root of the calling thread's mount namespace and takes
// the old one out of reach. root must have an empty directory oldDir.
func pivot(root, oldDir string) error {
	// pivot_root(2) wants a mount point.
	if err := unix.Mount(root, root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", root, err)
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	// pivot_root(".", ".") stacks the old root on the new one, and the umount
	// takes it from there: pivot_root(2), NOTES.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach the old root: %w", err)
	}
	return os.Chdir("/")
}

// bindReadOnly shows a host's file or directory, with all mounts below it, at
// another place, where nobody can write through it.
func bindReadOnly(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", from, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	err := unix.MountSetattr(unix.AT_FDCWD, to, unix.AT_RECURSIVE, &attr)
	if errors.Is(err, unix.ENOSYS) {
		// Before Linux 5.12: mount by mount.
		for _, m := range append([]string{to}, mountsBelow(to)...) {
			if err := remountReadOnly(m); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("make %s read-only: %w", to, err)
	}
	return nil
}

// remountReadOnly keeps the flags that a user namespace may not change.
func remountReadOnly(path string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return fmt.Errorf("statfs %s: %w", path, err)
	}
	flags := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV)
	// ST_* of statfs and MS_* of mount have the same values for these.
	flags |= uintptr(st.Flags) & (unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME)
	if err := unix.Mount("", path, "", flags, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", path, err)
	}
	return nil
}

// mountPoints returns the mount points of this mount namespace: the fifth
// field of each line of proc_pid_mountinfo(5), which escapes spaces in octal.
func mountPoints() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var points []string
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for sc.Scan() {
		if fields := strings.Fields(sc.Text()); len(fields) > 4 {
			points = append(points, unescape.Replace(fields[4]))
		}
	}
	return points, sc.Err()
}

// mountsBelow returns the mount points strictly below a directory, sorted.
func mountsBelow(dir string) []string {
	all, err := mountPoints()
	if err != nil {
		return nil
	}
	var below []string
	for _, p := range all {
		if p != dir && strings.HasPrefix(p, filepath.Clean(dir)+"/") {
			below = append(below, p)
		}
	}
	slices.Sort(below)
	return slices.Compact(below)
}
