package apply

import (
	"context"
	"os"
	"os/exec"
	"strings"
)

// underSystemd says whether systemd runs this host (see sd_booted(3)) and a
// service of it would be where the calling thread is: in the same network and
// mount namespaces.
func underSystemd() bool {
	if fi, err := os.Lstat("/run/systemd/system"); err != nil || !fi.IsDir() {
		return false
	}
	for _, kind := range []string{"net", "mnt"} {
		first, err := os.Readlink("/proc/1/ns/" + kind)
		mine, err2 := os.Readlink("/proc/thread-self/ns/" + kind)
		if err != nil || err2 != nil || first != mine {
			return false
		}
	}
	return true
}

// runBySystemd has systemd run this program as a service of its own: out of the
// login session and its control group, which a logout may end as a whole, and
// started anew if it is killed. See systemd-run(1).
func runBySystemd(ctx context.Context, name string, args []string) error {
	program, err := os.Executable()
	if err != nil || strings.HasSuffix(program, " (deleted)") {
		return errNoWatchdog
	}
	return exec.CommandContext(ctx, "systemd-run", systemdArgs(name, program, args)...).Run()
}

func systemdArgs(name, program string, args []string) []string {
	run := []string{"--quiet", "--collect", "--no-ask-password", "--service-type=exec",
		"--unit=fwc-watchdog-" + name, "--description=fwc: undo the firewall that is not confirmed",
		"--property=Restart=on-failure", "--property=RestartSec=1",
		// It heeds no signal; a host that shuts down need not wait for it.
		"--property=TimeoutStopSec=1",
		"--setenv=PATH=" + os.Getenv("PATH"), "--", program}
	return append(run, args...)
}
