//go:build vm

package vmtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

var (
	// release is the Debian that the guest is.
	release = "bookworm"
	// cache holds its image.
	cache string
	// files is a disk that every machine has, mounted on /mnt: fwc, its units,
	// scripts, and what was built on this machine.
	files string
)

const passphrase = "of a key that lives for one run"

// filesDir is what files is made of.
var filesDir string

func TestMain(m *testing.M) {
	code, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func prepare(m *testing.M) (int, error) {
	if r := os.Getenv("RELEASE"); r != "" {
		release = r
	}
	caches, err := os.UserCacheDir()
	if err != nil {
		return 0, err
	}
	cache = filepath.Join(caches, "fwc-vm", release)
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return 0, err
	}
	lock, err := os.Create(filepath.Join(filepath.Dir(cache), "lock"))
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return 0, fmt.Errorf("another make test-vm is running: %w", err)
	}
	dir, err := os.MkdirTemp("", "fwc-vm")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	filesDir, files = filepath.Join(dir, "files"), filepath.Join(dir, "files.img")
	if err := os.Setenv("FWC_KEY_PASSPHRASE", passphrase); err != nil {
		return 0, err
	}
	for _, command := range [][]string{
		{"../../packaging/vm/image.sh", release, cache},
		{"mkdir", filesDir},
		{"make", "-s", "-C", "../..", "host", "bin/fwc", "HOST=" + filepath.Join(filesDir, "fwc-host")},
		{"cp", "-a", "../../bin/fwc", "../../packaging/systemd", "testdata/old.sh", "testdata/new.sh", "testdata/skew.sh", "testdata/quick-init", filesDir},
		{"../../bin/fwc", "keygen", "-o", filepath.Join(filesDir, "vm")},
		{"../../bin/fwc", "build", "testdata/old.sh", "--key", filepath.Join(filesDir, "vm.key"), "-o", filepath.Join(filesDir, "machine.artifact")},
		{"../../bin/fwc", "build", "testdata/skew.sh", "--key", filepath.Join(filesDir, "vm.key"), "-o", filepath.Join(filesDir, "skew.artifact")},
		{"mke2fs", "-q", "-t", "ext4", "-d", filesDir, files, "128M"},
	} {
		c := exec.Command(command[0], command[1:]...)
		c.Stdout, c.Stderr = os.Stderr, os.Stderr
		if err := c.Run(); err != nil {
			return 0, fmt.Errorf("%v: %w", command, err)
		}
	}
	return m.Run(), nil
}

// ownKernel is the release's, otherKernel another one that its modules are there
// for.
func ownKernel() kernel {
	return kernel{image: filepath.Join(cache, "vmlinuz"), initrd: filepath.Join(cache, "initrd")}
}
func otherKernel() kernel {
	return kernel{image: filepath.Join(cache, "vmlinuz-2"), initrd: filepath.Join(cache, "initrd-2")}
}
