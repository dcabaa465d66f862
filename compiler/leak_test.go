package compiler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// hostState is what no build may change.
func hostState(t *testing.T) map[string]string {
	t.Helper()
	state := map[string]string{}
	for _, args := range [][]string{{"iptables-save"}, {"iptables-legacy-save"}, {"ip6tables-save"}, {"ipset", "save"}, {"nft", "list", "ruleset"}} {
		out, _ := exec.Command(args[0], args[1:]...).CombinedOutput()
		var lines []string
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
		state[args[0]] = strings.Join(lines, "")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	state["mounts"] = string(mounts)
	for _, dir := range []string{"/run", "/etc", "/var/lib", "/root", "/home", "/usr/sbin"} {
		var b strings.Builder
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if fi, err := e.Info(); err == nil {
				fmt.Fprintf(&b, "%s %s %d\n", e.Name(), fi.Mode(), fi.Size())
			}
		}
		state[dir] = b.String()
	}
	for _, dir := range []string{"/proc/sys/net/ipv4", "/proc/sys/kernel"} {
		var b strings.Builder
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.Contains(path, "random") || strings.Contains(path, "ns_last_pid") ||
				strings.HasSuffix(path, "pty/nr") {
				return nil
			}
			text, _ := os.ReadFile(path)
			fmt.Fprintf(&b, "%s %q\n", path, text)
			return nil
		})
		state[dir] = b.String()
	}
	return state
}

// children returns the pids of a process's children, of all its threads.
func children(pid int) []string {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var pids []string
	for _, p := range paths {
		text, _ := os.ReadFile(p)
		pids = append(pids, strings.Fields(string(text))...)
	}
	return pids
}

// namespaces returns the names of a process's namespaces that are not ours.
func namespaces(pid string) map[string]bool {
	found := map[string]bool{}
	for _, kind := range []string{"mnt", "net", "pid", "pid_for_children", "ipc", "uts", "user"} {
		ours, _ := os.Readlink("/proc/self/ns/" + kind)
		if theirs, err := os.Readlink("/proc/" + pid + "/ns/" + kind); err == nil && theirs != ours {
			found[theirs] = true
		}
	}
	return found
}

const busyScript = `iptables -A INPUT -j DROP
ip6tables -A INPUT -j DROP
setsid sleep 1000 &
(sleep 1000 &)
mkdir /run/fwc-leak /etc/fwc-leak /tmp/fwc-leak
echo 1 > /proc/sys/net/ipv4/ip_forward
`

// TestNothingLeaks kills builds at random instants, and ends others in other
// ways, and looks for what they left.
func TestNothingLeaks(t *testing.T) {
	// Orphans come to this process, where they can be seen.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	before := hostState(t)
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	spaces := map[string]bool{}
	for round := range 24 {
		u := users[round%len(users)]
		script := busyScript
		if round%3 == 0 {
			script += "sleep 1000\n"
		}
		dir := project(t, map[string]string{"fw.sh": script})
		cmd := command(u.cred, job{Script: "fw.sh", Dir: dir, Timeout: time.Minute})
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		end := time.Now().Add(time.Duration(rnd.Intn(500)) * time.Millisecond)
		// On a busy machine some are killed before staging; not the first of
		// each user.
		patience := time.Now().Add(20 * time.Second)
		seen := len(spaces)
		for time.Now().Before(end) || round < len(users) && len(spaces) == seen && time.Now().Before(patience) {
			for _, pid := range children(cmd.Process.Pid) {
				for ns := range namespaces(pid) {
					spaces[ns] = true
				}
			}
			time.Sleep(5 * time.Millisecond)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if len(spaces) == 0 {
		t.Error("no namespace was ever seen")
	}
	// Whoever outlives its parent comes to this process, and whoever is in a
	// namespace keeps it: nobody left is no namespace left. Numbers of
	// namespaces prove nothing, since the kernel gives those of the dead to new
	// ones, also of other programs.
	waitNoChildren(t)
	if diff := cmp.Diff(before, hostState(t)); diff != "" {
		t.Errorf("the host changed (-before +after):\n%s", diff)
	}
	if left, _ := filepath.Glob("/*/fwc-leak"); len(left) > 0 {
		t.Errorf("files: %v", left)
	}
}

// waitNoChildren waits for the orphans that came to this process.
func waitNoChildren(t *testing.T) {
	t.Helper()
	end := time.Now().Add(5 * time.Second)
	for {
		_, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if errors.Is(err, unix.ECHILD) {
			return
		}
		if time.Now().After(end) {
			t.Errorf("processes that live on: %v", children(os.Getpid()))
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestCancel(t *testing.T) {
	dir := project(t, map[string]string{"fw.sh": busyScript + "sleep 1000\n"})
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	res, err := Build(ctx, Options{Script: "fw.sh", Dir: dir})
	if res != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Build returned %v, %v", res, err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("took %s to stop", d)
	}
}

func TestDeterminism(t *testing.T) {
	files := map[string]string{"fw.sh": `#!/bin/bash
for i in $(seq 50); do iptables -N "c$RANDOM$i" 2>/dev/null; done; iptables -F; iptables -X
iptables -N chain$$
for i in b a c; do ipset create $i hash:ip; for j in 3 1 2; do ipset add $i 10.0.0.$j; iptables -A INPUT -s 10.0.0.$j -j chain$$; done; done
ip6tables-legacy -t mangle -A PREROUTING -j MARK --set-mark 1
iptables-legacy -t nat -A POSTROUTING -j MASQUERADE
`}
	digests := map[string]bool{}
	for range 2 {
		for _, u := range users {
			o := runAs(t, u.cred, job{Script: "fw.sh", Dir: project(t, files)})
			if o.Err != "" {
				t.Fatal(o.Err)
			}
			digests[o.Digest] = true
		}
	}
	if len(digests) != 1 {
		t.Errorf("one script, digests %v", digests)
	}
}

// TestRefused builds where no user namespace may be made.
func TestRefused(t *testing.T) {
	dir := project(t, map[string]string{"fw.sh": "iptables -A INPUT -j DROP\n"})
	// Each user namespace has a limit of its own, which its root may lower.
	cmd := command(nil, job{Script: "fw.sh", Dir: dir, Timeout: time.Minute, Refuse: true})
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), `"Kind":"refused`) || !strings.Contains(string(out), "user.max_user_namespaces") {
		t.Errorf("where namespaces are refused: %s", out)
	}
}
