package artifact

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ReadFile reads an artifact, or another file that may be compared with one. A
// file that is larger than MaxSize is refused before it is read.
func ReadFile(name string) ([]byte, error) {
	// Without O_NONBLOCK, the open of a FIFO that nobody writes never returns.
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory", name)
	}
	if info.Size() > MaxSize {
		return nil, errorf(ErrTooLarge, "%s has %d bytes, more than %d", name, info.Size(), MaxSize)
	}
	data, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// Read reads r to its end, and no further than MaxSize.
func Read(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxSize {
		return nil, errorf(ErrTooLarge, "more than %d bytes", MaxSize)
	}
	return data, nil
}
