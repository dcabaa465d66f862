package lab

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func newKept(s *Spec, pid int, privileged bool) *Kept {
	k := &Kept{Spec: s.File, Pid: pid, Privileged: privileged}
	for _, h := range s.Hosts {
		k.Hosts = append(k.Hosts, h.Name)
	}
	return k
}

// Command is the command line that runs one in a host of the network: it enters
// the namespaces that the hosts have their names in.
func (k Kept) Command(host string, args ...string) string {
	enter := fmt.Sprintf("nsenter -t %d -U -m -p ", k.Pid)
	switch {
	case k.Privileged:
		enter = fmt.Sprintf("nsenter -t %d -m -p ", k.Pid)
	case os.Geteuid() != 0:
		// Who became root in there by being mapped to it is root already, and
		// may not set groups; root of the host has to become root in there.
		enter += "--preserve-credentials "
	}
	return enter + "ip netns exec " + strings.Join(append([]string{host}, args...), " ")
}

// Remove ends the network and all that runs in it.
func (k Kept) Remove() error { return unix.Kill(k.Pid, unix.SIGKILL) }
