package compiler

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// openRootFS makes a root directory's path absolute and free of links, and
// refuses one that staging cannot show.
func openRootFS(path, dir string) (string, error) {
	fail := func(err error, hint, format string, args ...any) (string, error) {
		return "", &SourceError{Path: path, Msg: fmt.Sprintf(format, args...), Hint: hint, Err: err}
	}
	abs := path
	if !filepath.IsAbs(abs) {
		abs = filepath.Join(dir, abs)
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return fail(err, "give the root directory of a system, as debootstrap makes it", "cannot be read: %v", reason(err))
	}
	if real == "/" {
		return "", nil
	}
	if err := inRoot(real, "/bin/sh"); err != nil {
		return fail(err, "give the root directory of a system, as debootstrap makes it", "has no /bin/sh")
	}
	// The ids of staging are strangers to the caller's closed directories.
	for d := real; d != "/"; d = filepath.Dir(d) {
		if fi, err := os.Stat(d); err == nil && fi.Mode()&0o001 == 0 && os.Geteuid() == 0 {
			return fail(nil, "move it, or chmod o+x "+d, "lies below %s, which is closed to others", d)
		}
	}
	if dynamic() {
		return fail(nil, "build it with CGO_ENABLED=0", "cannot be staged by this fwc, which needs libraries that may not be there")
	}
	if strings.ContainsAny(real, ":,\\") {
		return fail(nil, "rename it", "has a colon, a comma or a backslash in its path")
	}
	return real, nil
}

// dynamic says whether this program is linked against libraries: the last step
// before a script runs in the other system.
func dynamic() bool {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return false
	}
	defer f.Close()
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// inRoot looks for a program in a root directory, whose links lead nowhere
// else. An empty root is the host's.
func inRoot(root, path string) error {
	if root == "" {
		fi, err := os.Stat(path)
		if err == nil && fi.IsDir() {
			err = unix.EISDIR
		}
		return err
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	file, err := unix.Openat2(fd, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if errors.Is(err, unix.ENOSYS) {
		return nil // before Linux 5.6; the script will tell
	}
	if err != nil {
		return err
	}
	return unix.Close(file)
}
