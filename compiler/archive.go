package compiler

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What goes into staging of the script's own directory is bounded: a script
// may lie in a home directory.
const (
	maxFiles     = 4000
	maxFileBytes = 32 << 20
)

// systemDirs are visible in staging by themselves, or must not be.
var systemDirs = []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/proc",
	"/run", "/sbin", "/sys", "/usr", "/var"}

// shallowDirs hold the files of many purposes: their own files may belong to
// the script, their subdirectories hardly do.
var shallowDirs = []string{"/", "/home", "/root", "/tmp", "/srv", "/mnt", "/media"}

// system says whether a directory belongs to the system.
func system(dir string) bool {
	return slices.ContainsFunc(systemDirs, func(s string) bool { return dir == s || strings.HasPrefix(dir, s+"/") })
}

// shallow says whether only the files of a directory are the script's, not
// its subdirectories.
func shallow(dir string) bool {
	home, err := os.UserHomeDir()
	return slices.Contains(shallowDirs, dir) || err == nil && dir == filepath.Clean(home)
}

// projectDirs are the directories whose content the script may read: its own,
// the one behind a symbolic link, and the caller's if the script lies below
// it. Those of the system are left out: staging has them anyway.
func (s *source) projectDirs(cwd string) []string {
	var dirs []string
	add := func(d string) {
		if !system(d) && !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	add(filepath.Dir(s.abs))
	if real, err := filepath.EvalSymlinks(s.abs); err == nil {
		add(filepath.Dir(real))
	}
	if strings.HasPrefix(s.abs, cwd+"/") && !shallow(cwd) {
		add(cwd)
	}
	return dirs
}

// packer writes files into a tar stream up to a bound.
type packer struct {
	tw    *tar.Writer
	seen  map[string]bool
	files int
	bytes int64
	left  leftOut
}

// leftOut counts the files that a script does not get to see.
type leftOut struct {
	room int // for want of room
	keys int // private keys, such as the one that will sign the artifact
}

// pack writes the script and the project's directories, nearest first.
func (s *source) pack(w io.Writer, dirs []string) (left leftOut, err error) {
	p := &packer{tw: tar.NewWriter(w), seen: map[string]bool{}}
	if err := p.script(s); err != nil {
		return leftOut{}, err
	}
	for _, d := range dirs {
		if err := p.dir(d); err != nil {
			return leftOut{}, err
		}
	}
	return p.left, p.tw.Close()
}

func (p *packer) script(s *source) error {
	p.seen[s.abs] = true
	hdr := &tar.Header{Typeflag: tar.TypeReg, Name: s.abs[1:], Mode: 0o755, Size: int64(len(s.text))}
	if fi, err := os.Stat(s.abs); err == nil {
		hdr.ModTime = fi.ModTime()
		hdr.Mode = int64(fi.Mode().Perm() | 0o555)
	}
	if err := p.tw.WriteHeader(hdr); err != nil {
		return err
	}
	_, err := p.tw.Write(s.text)
	return err
}

// dir writes a directory breadth first, so that a bound cuts what is far away.
func (p *packer) dir(root string) error {
	queue := []string{root}
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		if p.seen[dir] {
			continue
		}
		p.seen[dir] = true
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // what the caller cannot read the script need not either
		}
		if err := p.add(dir, nil); err != nil {
			return err
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if e.IsDir() {
				// .git, .ssh, .cache: large, or private, or both.
				if !strings.HasPrefix(e.Name(), ".") && !shallow(dir) {
					queue = append(queue, path)
				}
				continue
			}
			if shallow(dir) && strings.HasPrefix(e.Name(), ".") {
				continue
			}
			if err := p.add(path, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// add writes one file, directory or symbolic link; anything else is left out.
func (p *packer) add(path string, e fs.DirEntry) error {
	if e != nil && p.seen[path] {
		return nil
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	hdr := &tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: int64(fi.Mode().Perm()), ModTime: fi.ModTime()}
	var content *os.File
	switch {
	case fi.IsDir():
		hdr.Typeflag, hdr.Name = tar.TypeDir, hdr.Name+"/"
	case fi.Mode()&fs.ModeSymlink != 0:
		hdr.Typeflag = tar.TypeSymlink
		if hdr.Linkname, err = os.Readlink(path); err != nil {
			return nil
		}
	case fi.Mode().IsRegular():
		if p.bytes+fi.Size() > maxFileBytes {
			p.left.room++
			return nil
		}
		if content, err = os.Open(path); err != nil {
			return nil
		}
		defer content.Close()
		if privateKey(content) {
			p.left.keys++
			return nil
		}
		hdr.Typeflag, hdr.Size = tar.TypeReg, fi.Size()
		p.bytes += fi.Size()
	default:
		return nil
	}
	if p.files++; p.files > maxFiles {
		p.left.room++
		return nil
	}
	if err := p.tw.WriteHeader(hdr); err != nil || content == nil {
		return err
	}
	// A file that changes its size while it is read is padded or cut: the tar
	// stream has promised a length.
	n, err := io.Copy(p.tw, io.LimitReader(content, hdr.Size))
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_, err = io.CopyN(p.tw, zeros{}, hdr.Size-n)
	return err
}

// privateKey says whether a file begins as a PEM private key does (RFC 7468).
func privateKey(f io.ReaderAt) bool {
	head := make([]byte, 4096)
	n, _ := f.ReadAt(head, 0)
	_, after, ok := bytes.Cut(head[:n], []byte("-----BEGIN "))
	label, _, ended := bytes.Cut(after, []byte("-----"))
	return ok && ended && bytes.HasSuffix(label, []byte("PRIVATE KEY"))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// unpack extracts a stream of pack below root. It runs in staging, before any
// process of the script exists.
func unpack(r io.Reader, root string) error {
	tr := tar.NewReader(r)
	for {
		hdr, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(root, filepath.Clean("/"+hdr.Name))
		// What cannot be written, say below a read-only system directory, is
		// there already or is not needed.
		switch hdr.Typeflag {
		case tar.TypeDir:
			_ = os.MkdirAll(path, 0o755)
			_ = os.Chmod(path, fs.FileMode(hdr.Mode)|0o700)
		case tar.TypeSymlink:
			_ = os.MkdirAll(filepath.Dir(path), 0o755)
			_ = os.Symlink(hdr.Linkname, path)
		case tar.TypeReg:
			_ = os.MkdirAll(filepath.Dir(path), 0o755)
			if err := writeFile(path, tr, fs.FileMode(hdr.Mode)); err != nil {
				return err
			}
			_ = os.Chtimes(path, hdr.ModTime, hdr.ModTime)
		}
	}
}

func writeFile(path string, r io.Reader, mode fs.FileMode) error {
	_ = os.Remove(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		_, err = io.Copy(io.Discard, r)
		return err
	}
	_, err = io.Copy(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
