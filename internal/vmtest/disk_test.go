//go:build vm

package vmtest

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestDiskCutPower: what was flushed stays; of what was not, each block stays
// whole or goes whole.
func TestDiskCutPower(t *testing.T) {
	const blocks = 64
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, bytes.Repeat([]byte("a"), blocks*blockSize), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := openDisk(image)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string, off int64) {
		if _, err := d.WriteAt([]byte(text), off); err != nil {
			t.Fatal(err)
		}
	}
	read := func(d *disk) []byte {
		all := make([]byte, blocks*blockSize)
		if _, err := d.ReadAt(all, 0); err != nil {
			t.Fatal(err)
		}
		return all
	}
	write("flushed", blockSize-3) // in two blocks
	d.flush()
	twin := d.fork()
	for n := range int64(blocks) {
		write("cached", n*blockSize+100)
	}
	if n := bytes.Count(read(d), []byte("cached")); n != blocks {
		t.Errorf("%d of %d blocks read back from the cache", n, blocks)
	}
	lost, kept := d.cutPower(rand.New(rand.NewPCG(1, 0)))
	all := read(d)
	if n := bytes.Count(all, []byte("cached")); n != kept || lost+kept != blocks || lost == 0 || kept == 0 {
		t.Errorf("%d lost, %d kept, %d there", lost, kept, n)
	}
	if bytes.Count(all, []byte("flushed")) != 1 {
		t.Error("what was flushed is lost")
	}
	if all = read(twin); bytes.Contains(all, []byte("cached")) || bytes.Count(all, []byte("flushed")) != 1 {
		t.Error("a fork is not what was flushed when it was made")
	}
}
