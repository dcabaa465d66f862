// Package atomicfile is the only code of fwc that replaces files whole: a
// reader, and a host after a power cut, meets the old content or the new one
// and nothing between.
package atomicfile

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Write makes path hold data with exactly the mode perm, whatever the umask
// and whatever mode a former file had. The content is on the disk before the
// name points at it, and the name is when Write returns. On error the former
// file stands and no temporary file is left beside it.
//
// The file is replaced, not written through: a symlink at path is replaced
// too.
func Write(path string, data []byte, perm os.FileMode) error {
	f, err := renameio.NewPendingFile(path,
		renameio.WithTempDir(filepath.Dir(path)), // never $TMPDIR: same file system, no probing
		renameio.WithStaticPermissions(perm))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer f.Cleanup()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir flushes a directory's entries to the disk, so that names made,
// renamed or removed in it outlive a power cut.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}
