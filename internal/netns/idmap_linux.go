package netns

import (
	"bufio"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Root's namespaces map ids 0 to 65535 from here on. systemd gives containers
// host ids up to 0x6fffffff (systemd.io/UIDS-GIDS), distributions give subuids
// below that, and ids from 0x80000000 are negative to some programs.
const (
	strangerBase = 0x70000000
	strangerSize = 65536
)

// mapIDs sets the id maps of a new user namespace, and makes the process root
// in it.
func mapIDs(sys *syscall.SysProcAttr) {
	if strangersAllowed() {
		m := []syscall.SysProcIDMap{{ContainerID: 0, HostID: strangerBase, Size: strangerSize}}
		sys.UidMappings, sys.GidMappings = m, m
		sys.GidMappingsEnableSetgroups = true
		// Without groups of its own the process would keep the caller's.
		sys.Credential = &syscall.Credential{Uid: 0, Gid: 0, Groups: []uint32{}}
		return
	}
	sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	sys.Credential = &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true}
}

// strangersAllowed says whether this process may map the strangers' ids:
// user_namespaces(7) wants CAP_SETUID and CAP_SETGID, and the ids must exist
// in the caller's own user namespace.
func strangersAllowed() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) != nil {
		return false
	}
	const want = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_SYS_ADMIN
	if data[0].Effective&want != want {
		return false
	}
	return mapHolds("/proc/self/uid_map") && mapHolds("/proc/self/gid_map")
}

func mapHolds(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		var inside, outside, size int64
		if n, _ := fmt.Sscan(sc.Text(), &inside, &outside, &size); n == 3 &&
			inside <= strangerBase && inside+size >= strangerBase+strangerSize {
			return true
		}
	}
	return false
}
