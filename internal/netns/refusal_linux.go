package netns

import (
	"os"
	"strings"
)

// refusals are the switches with which kernels and distributions keep
// ordinary users from namespaces, and what to do about each.
var refusals = []struct{ path, value, advice string }{
	{"/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"},
	{"/proc/sys/user/max_net_namespaces", "0", "sysctl -w user.max_net_namespaces=15000"},
	{"/proc/sys/user/max_mnt_namespaces", "0", "sysctl -w user.max_mnt_namespaces=15000"},
	{"/proc/sys/user/max_pid_namespaces", "0", "sysctl -w user.max_pid_namespaces=15000"},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
}

// Advice says what to do on this host about an ErrNotPermitted.
func Advice() string {
	for _, r := range refusals {
		b, err := os.ReadFile(r.path)
		if err == nil && strings.TrimSpace(string(b)) == r.value {
			return "as root: " + r.advice
		}
	}
	return "in a container, let it make namespaces: docker run --security-opt seccomp=unconfined " +
		"--security-opt apparmor=unconfined --security-opt systempaths=unconfined"
}
