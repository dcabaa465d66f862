package compiler

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Every firewall tool of the staging root is replaced by a small shell script
// that runs the real one and notes the call: however a script reaches the
// tool, by PATH, by absolute path, through sudo, xargs or Python, it meets
// the file. A shell costs a millisecond less than a Go program would.
//
// The real tools stand in toolDir, each under its own name, because the
// programs of iptables look at argv[0] to know which one they are.
const (
	shimLog  = toolDir + "/log"
	shimBins = toolDir + "/bin"
	shimReal = toolDir + "/real"
	shimIn   = toolDir + "/in"
)

// maxTool bounds a tool's file. The largest is a static nft of some MB.
const maxTool = 64 << 20

// shimmed says whether a program's calls are noted. Programs that only read,
// such as iptables-save, are not.
func shimmed(name string) bool {
	switch name {
	case "ipset", "nft", "xtables-nft-multi", "xtables-legacy-multi", "xtables-multi":
		return true
	}
	for _, kind := range []string{"iptables", "ip6tables", "arptables", "ebtables"} {
		rest, ok := strings.CutPrefix(name, kind)
		if !ok {
			continue
		}
		for _, backend := range []string{"", "-nft", "-legacy"} {
			if r, ok := strings.CutPrefix(rest, backend); ok && (r == "" || r == "-restore") {
				return true
			}
		}
	}
	return false
}

// shims puts them into place. It runs in the base, with the staging root made.
type shims struct {
	root   string
	copies map[string]string // real file -> copy, both as the script sees them
	dirs   int
	tools  []tool
	record bool // the shims queue
	notes  []string
}

// tool is one name of a program.
type tool struct {
	name  string // iptables-restore
	dir   string // /usr/sbin
	file  string // the real file, /usr/sbin/xtables-nft-multi
	index int    // of the directory in shimReal
	// link and target are the system's choice among tools of this name, such as
	// /etc/alternatives/iptables and /usr/sbin/iptables-nft, or "".
	link, target string
}

// install replaces the tools of every directory that programs are found in.
func (s *shims) install() error {
	s.copies = map[string]string{}
	for _, d := range []string{shimBins, shimReal} {
		if err := os.MkdirAll(filepath.Join(s.root, d), 0o755); err != nil {
			return err
		}
	}
	log := filepath.Join(s.root, shimLog)
	if err := os.WriteFile(log, nil, 0o666); err != nil {
		return err
	}
	// Scripts may change to another user.
	if err := os.Chmod(log, 0o666); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(s.root, shimIn), 0o777); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(s.root, shimIn), 0o1777); err != nil {
		return err
	}
	if err := s.place(filepath.Join(s.root, "/usr/sbin/modprobe"), moduleShim); err != nil {
		s.notes = append(s.notes, fmt.Sprintf("modules are not noted: %v", err))
	}
	var seen []string
	for _, dir := range programDirs {
		// /sbin is /usr/sbin on most systems.
		real, err := filepath.EvalSymlinks(dir)
		if err != nil || slices.Contains(seen, real) {
			continue
		}
		seen = append(seen, real)
		if err := s.dir(real); err != nil {
			return err
		}
	}
	recs := s.recordables()
	for _, t := range s.tools {
		if !shimmed(t.name) {
			continue
		}
		var rec *recordable
		if i := slices.IndexFunc(recs, func(r recordable) bool { return r.name == t.name && r.dir == t.dir }); i >= 0 {
			rec = &recs[i]
		}
		path := filepath.Join(t.dir, t.name)
		if err := s.place(filepath.Join(s.root, path), shimText(t, rec, s.record)); err != nil {
			s.notes = append(s.notes, fmt.Sprintf("calls of %s are not noted: %v", path, err))
		}
	}
	return nil
}

// real is the directory that has the tool itself, as the script sees it.
func (t tool) real() string { return fmt.Sprintf("%s/%d", shimReal, t.index) }

// dir replaces the tools of one directory of the base and the staging root.
func (s *shims) dir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	index := s.dirs
	s.dirs++
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !shimmed(e.Name()) && e.Type()&fs.ModeSymlink == 0 {
			continue
		}
		file, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue // a dangling link of removed alternatives
		}
		// iptables-save and others are links to a program that is replaced.
		if !shimmed(e.Name()) && !shimmed(filepath.Base(file)) {
			continue
		}
		bin, err := s.copy(file)
		if err != nil {
			return fmt.Errorf("copy %s: %w", file, err)
		}
		t := tool{name: e.Name(), dir: dir, file: file, index: index}
		t.link, t.target = choice(path)
		s.tools = append(s.tools, t)
		link := filepath.Join(t.real(), e.Name())
		if err := os.MkdirAll(filepath.Join(s.root, t.real()), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(bin, filepath.Join(s.root, link)); err != nil {
			return err
		}
	}
	return nil
}

// alternatives is the directory of update-alternatives(1).
const alternatives = "/etc/alternatives"

// choice returns the link that update-alternatives(1) changes to have another
// tool at path, and what it is to now, or "".
func choice(path string) (link, target string) {
	link, err := os.Readlink(path)
	if err != nil || filepath.Dir(link) != alternatives {
		return "", ""
	}
	if target, err = os.Readlink(link); err != nil || !filepath.IsAbs(target) {
		return "", ""
	}
	return link, target
}

// copy keeps a tool's file where the script does not look for it.
func (s *shims) copy(file string) (string, error) {
	if c := s.copies[file]; c != "" {
		return c, nil
	}
	c := fmt.Sprintf("%s/%d-%s", shimBins, len(s.copies), filepath.Base(file))
	in, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.OpenFile(filepath.Join(s.root, c), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return "", err
	}
	defer out.Close()
	if n, err := io.Copy(out, io.LimitReader(in, maxTool)); err != nil {
		return "", err
	} else if n == maxTool {
		return "", fmt.Errorf("is larger than %d MB", maxTool>>20)
	}
	s.copies[file] = c
	return c, nil
}

// place replaces a file of the staging root.
func (s *shims) place(path, text string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o755)
}
