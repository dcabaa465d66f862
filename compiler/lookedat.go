package compiler

import (
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// nameFiles are what the tools look names up in: of hosts, services, users,
// groups of interfaces, labels. A queued call reads them later than a real one.
var nameFiles = []string{
	"/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/gai.conf", "/etc/networks",
	"/etc/services", "/etc/protocols", "/etc/rpc", "/etc/passwd", "/etc/group", "/etc/ethertypes", "/etc/ethers",
	"/etc/iproute2", "/etc/iproute2/*", "/etc/xtables", "/etc/xtables/*", "/etc/xtables.conf",
}

// lookedAt is the state of the files that the recorder takes to stay as they
// are while the script runs: those that stand for the tools, those that would
// be found before them, and what the tools look names up in. Directories tell
// of what was there for a while.
type lookedAt map[string]fileState

// fileState changes with a file's content, mode and name. Its times are not
// the script's to set: a change of any is one of the ctime, see inode(7).
type fileState struct {
	dev, ino uint64
	changed  unix.Timespec
}

// lookAt returns the state as it is. A file that is not there has none.
func lookAt(root string, tools []tool) lookedAt {
	state := lookedAt{}
	add := func(path string) {
		var st unix.Stat_t
		if unix.Lstat(path, &st) == nil {
			state[path] = fileState{uint64(st.Dev), st.Ino, st.Ctim}
		}
	}
	add(filepath.Join(root, toolDir))
	for _, t := range tools {
		if t.link != "" {
			add(filepath.Join(root, t.link))
		}
	}
	for _, dir := range programDirs {
		add(filepath.Join(root, dir))
		for _, t := range tools {
			add(filepath.Join(root, dir, t.name))
		}
	}
	for _, name := range nameFiles {
		paths, _ := filepath.Glob(filepath.Join(root, name))
		for _, path := range paths {
			add(path)
		}
	}
	return state
}

// difference returns the first path that is not as it was, or "".
func (then lookedAt) difference(root string, now lookedAt) string {
	var paths []string
	for path, st := range then {
		if now[path] != st {
			paths = append(paths, path)
		}
	}
	for path := range now {
		if _, was := then[path]; !was {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return ""
	}
	// The longest names a file rather than its directory.
	slices.SortFunc(paths, func(a, b string) int { return len(b) - len(a) })
	return strings.TrimPrefix(paths[0], root)
}
