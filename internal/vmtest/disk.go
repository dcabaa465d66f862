//go:build vm

package vmtest

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
)

// blockSize is what a power cut writes whole or not at all.
const blockSize = 4096

type block [blockSize]byte

// disk is a disk with a write cache of its own, which is lost with the power. An
// emulator's own caches are the machine's, and outlive it: they would keep what a
// guest never flushed.
type disk struct {
	image *os.File // what it began with, never written
	size  int64

	mu      sync.Mutex
	durable map[int64]*block // flushed
	cached  map[int64]*block // written since
}

// openDisk returns a disk whose content is an image's, which stays as it is.
func openDisk(image string) (*disk, error) {
	f, err := os.Open(image)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if fi.Size()%blockSize != 0 {
		return nil, errors.New("the size of " + image + " is not one of whole blocks")
	}
	return &disk{image: f, size: fi.Size(), durable: map[int64]*block{}, cached: map[int64]*block{}}, nil
}

// fork returns a disk with the content of what is flushed.
func (d *disk) fork() *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := &disk{image: d.image, size: d.size, durable: map[int64]*block{}, cached: map[int64]*block{}}
	for n, b := range d.durable {
		out.durable[n] = b // never written in place
	}
	return out
}

// load returns a block, nil if it is the image's.
func (d *disk) load(n int64) *block {
	if b := d.cached[n]; b != nil {
		return b
	}
	return d.durable[n]
}

// ReadAt is io.ReaderAt's.
func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for done := 0; done < len(p); {
		n, at := (off+int64(done))/blockSize, (off+int64(done))%blockSize
		part := p[done:min(len(p), done+int(blockSize-at))]
		if b := d.load(n); b != nil {
			copy(part, b[at:])
		} else if _, err := d.image.ReadAt(part, n*blockSize+at); err != nil && !errors.Is(err, io.EOF) {
			return done, err
		}
		done += len(part)
	}
	return len(p), nil
}

// WriteAt is io.WriterAt's: into the cache.
func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for done := 0; done < len(p); {
		n, at := (off+int64(done))/blockSize, (off+int64(done))%blockSize
		part := p[done:min(len(p), done+int(blockSize-at))]
		b := d.cached[n]
		if b == nil {
			b = &block{}
			if len(part) < blockSize {
				if old := d.durable[n]; old != nil {
					*b = *old
				} else if _, err := d.image.ReadAt(b[:], n*blockSize); err != nil {
					return done, err
				}
			}
			d.cached[n] = b
		}
		copy(b[at:], part)
		done += len(part)
	}
	return len(p), nil
}

// flush empties the cache onto the disk.
func (d *disk) flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, b := range d.cached {
		d.durable[n] = b
	}
	clear(d.cached)
}

// cutPower loses what is in the cache, but for blocks that were written in time,
// whichever: a cache knows no order. It returns how many were lost and kept.
func (d *disk) cutPower(r *rand.Rand) (lost, kept int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, b := range d.cached {
		if r.IntN(2) == 0 {
			lost++
			continue
		}
		d.durable[n] = b
		kept++
	}
	clear(d.cached)
	return lost, kept
}
