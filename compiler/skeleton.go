package compiler

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// skeletonDepth is how deep directories are made the script's own beforehand.
// An overlay's directory that exists in the lower layer alone belongs to the
// host's root, who is nobody in the user namespace, and takes no new files.
var skeletonDepth = map[string]int{"/etc": 8, "/var": 3, "/usr": 2, "/opt": 1}

// maxCopy bounds a file of /etc that is copied, so that the script may write
// into it: the overlay cannot copy up a file of an owner without an id.
const maxCopy = 1 << 20

// depth is how deep the skeleton of a directory goes.
func (r *roots) depth(dir string) int {
	dir = strings.TrimPrefix(dir, r.host)
	for top, n := range skeletonDepth {
		if dir == top {
			return n
		}
		if rest, ok := strings.CutPrefix(dir, top+"/"); ok {
			return max(n-1-strings.Count(rest, "/"), 0)
		}
	}
	return 1
}

// skeleton makes the directories of from below to, and below /etc copies the
// files. What cannot be read is left to the overlay, but for directories of
// /var: there programs keep state that only root may see, and where they find
// none they make it. They are listed in r.closed, to become empty ones.
func (r *roots) skeleton(from, to string, depth int) {
	r.closed = nil
	r.branches(from, from, to, depth)
}

func (r *roots) branches(top, from, to string, depth int) {
	if depth == 0 {
		return
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return
	}
	copies := from == r.host+"/etc" || strings.HasPrefix(from, r.host+"/etc/")
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		fi, err := e.Info()
		if err != nil {
			continue
		}
		switch {
		case fi.IsDir():
			// A directory that is closed to this user stays as it is.
			switch {
			case unix.Access(src, unix.R_OK|unix.X_OK) != nil:
				if strings.HasPrefix(src, r.host+"/var/") {
					r.closed = append(r.closed, strings.TrimPrefix(src, top))
				}
			case os.Mkdir(dst, fi.Mode().Perm()|0o700) == nil:
				_ = os.Chmod(dst, fi.Mode().Perm()|0o700|fi.Mode()&fs.ModeSticky)
				r.branches(top, src, dst, depth-1)
			}
		case copies && fi.Mode().IsRegular() && r.privileged && fi.Mode()&0o004 == 0:
			// Without a user namespace the script may read what root may:
			// password hashes and keys are not among what it needs.
			_ = os.WriteFile(dst, nil, fi.Mode().Perm())
		case copies && fi.Mode().IsRegular() && fi.Size() <= maxCopy:
			if text, err := os.ReadFile(src); err == nil {
				_ = os.WriteFile(dst, text, fi.Mode().Perm())
				_ = os.Chtimes(dst, fi.ModTime(), fi.ModTime())
			}
		}
	}
}
