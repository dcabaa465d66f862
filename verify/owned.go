package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// What decides which firewall root loads must be writable by root alone. Run by
// another user, fwc takes that user's files too: they decide nothing that the
// user could not do anyway.

// openOwned opens a file or directory that nobody but root and the effective
// user can write, itself and not through a symlink. It does not block on a fifo.
func openOwned(name string) (*os.File, fs.FileInfo, error) {
	if err := checkParents(name); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, nil, fmt.Errorf("%s is a symlink", name)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = checkOwner(name, info)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func checkOwner(name string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() && !info.IsDir() {
		return fmt.Errorf("%s is neither a file nor a directory", name)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is writable by others than its owner (mode %04o)", name, info.Mode().Perm())
	}
	return checkUser(name, info)
}

func checkUser(name string, info fs.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is owned by user %d, not by root", name, st.Uid)
	}
	return nil
}

// checkParents holds the directories above a name to the same: who can write to
// one can put another file there, or take it away. In a directory with the
// sticky bit, such as /tmp, only a file's owner can. It asks when root runs fwc:
// others decide for themselves alone.
func checkParents(name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	dir := filepath.Dir(abs)
	if err := checkWay(dir); err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || real == dir {
		return nil // what is missing, opening the file says
	}
	return checkWay(real)
}

func checkWay(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case info.IsDir() && info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
			return fmt.Errorf("the directory %s is writable by others than its owner (mode %04o)", dir, info.Mode().Perm())
		default:
			if err := checkUser(dir, info); err != nil {
				return err
			}
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

var errTooLong = errors.New("is too long")

// readOwned reads such a file, of at most limit bytes, or errTooLong.
func readOwned(name string, limit int64) ([]byte, error) {
	f, info, err := openOwned(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s %w, more than %d bytes", name, errTooLong, limit)
	}
	return data, nil
}
