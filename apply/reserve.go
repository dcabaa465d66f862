package apply

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// reserved is how much room on the disk a change holds, beside that of two
// journals: for what it has to write once the kernel is changed. That the disk is
// full shows ahead of the kernel then, and not behind it.
const reserved = 64 << 10

func (s *store) reservePath() string { return filepath.Join(s.dir, "reserve") }

// reserve takes the room.
func (s *store) reserve() error {
	f, err := os.OpenFile(s.reservePath(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	size := int64(reserved)
	if fi, err := os.Stat(journalPath(s.dir)); err == nil {
		size += 2 * fi.Size()
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		_, err = f.Write(make([]byte, size))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(s.reservePath())
		return fmt.Errorf("%s: room for what is to be written later: %w", s.dir, err)
	}
	return nil
}

// unreserve gives it back, to what is written now.
func (s *store) unreserve() { _ = os.Remove(s.reservePath()) }
