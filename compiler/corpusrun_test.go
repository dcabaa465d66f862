package compiler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/compiler"
	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// build builds the script as fwc build does.
func (j *hostJob) build() hostResult {
	var stdout, stderr strings.Builder
	opt := compiler.Options{Script: j.Script, Args: j.Args, Dir: projectDir, Timeout: j.Timeout, Env: j.Env, Exact: j.Exact,
		Stdout: &stdout, Stderr: &stderr}
	for _, s := range j.Ifaces {
		i, err := compiler.ParseIface(s)
		if err != nil {
			return hostResult{Err: err.Error()}
		}
		opt.Ifaces = append(opt.Ifaces, i)
	}
	begin := time.Now()
	res, err := compiler.Build(context.Background(), opt)
	r := hostResult{Elapsed: time.Since(begin), Stdout: stdout.String(), Stderr: stderr.String()}
	if err != nil {
		r.Err, r.Status = err.Error(), 1
	}
	if res == nil {
		return r
	}
	r.Calls, r.Modules, r.Mode = len(res.Calls), res.Modules, "recorded"
	if res.Exact {
		r.Mode = strings.TrimSuffix("exact: "+res.ExactReason, ": ")
	}
	for _, w := range res.Warnings {
		r.Warnings = append(r.Warnings, w.String())
	}
	for _, n := range res.Notes {
		r.Notes = append(r.Notes, n.String())
	}
	r.keep(res.Snapshot)
	return r
}

func (r *hostResult) keep(s *ruleset.Snapshot) {
	if s == nil {
		return
	}
	r.Dumps = map[string]string{}
	for _, d := range s.Dumps {
		r.Dumps[d.Name()] = string(d.Text)
	}
	for _, c := range s.Sysctls {
		r.Sysctls = append(r.Sysctls, c.Key)
	}
}

// stubs stand for what a namespace has no use for, as staging's do. Sudo and
// env need no stub where they are installed; here sudo has no terminal.
var stubs = map[string]string{
	"modprobe": "exit 0",
	"lsmod":    "exit 0",
	"logger":   "exit 0",
	"sudo":     `while [ $# -gt 0 ]; do case $1 in -u) shift 2 ;; -*|*=*) shift ;; *) break ;; esac; done; exec "$@"`,
	"service":  `case "$*" in *status*) exit 3 ;; esac`,
	// As where there is no init to talk to.
	"systemctl": `for a; do case $a in -*) ;; is-active|status) echo inactive; exit 3 ;; *) exit 0 ;; esac; done`,
}

// direct runs the script with no fwc around it.
func (j *hostJob) direct() (hostResult, error) {
	for name, text := range stubs {
		path := "/usr/sbin/" + name
		if _, err := os.Stat("/usr/bin/" + name); err == nil {
			path = "/usr/bin/" + name
		}
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			return hostResult{}, err
		}
	}
	if err := j.directKernel(); err != nil {
		return hostResult{}, err
	}
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), j.Timeout)
	defer cancel()
	argv, err := interpreter(filepath.Join(projectDir, j.Script))
	if err != nil {
		return hostResult{}, err
	}
	argv = append(append(argv, j.Script), j.Args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = projectDir, &stdout, &stderr
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root",
		"LOGNAME=root", "SHELL=/bin/sh", "LANG=C", "LC_ALL=C", "TZ=UTC", "TERM=dumb"}, j.Env...)
	cmd.WaitDelay = 2 * time.Second
	begin := time.Now()
	err = cmd.Run()
	r := hostResult{Elapsed: time.Since(begin), Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Err, r.Status = err.Error(), exit.ExitCode()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return r, err
	}
	// What the script left running must not change what is read.
	_ = syscall.Kill(-1, syscall.SIGKILL)
	snap, err := netfilter.Capture(ctx, netfilter.Scope{Sysctls: j.Sysctls})
	if err != nil {
		return r, fmt.Errorf("capture of the direct run: %w", err)
	}
	r.keep(snap)
	return r, nil
}

// directKernel makes the network, and keeps the script from the sysctls that
// are the machine's.
func (j *hostJob) directKernel() error {
	for _, m := range []struct{ path, flags string }{{"/proc/sys", "bind"}, {"/proc/sys/net", "bind"}} {
		if err := unix.Mount(m.path, m.path, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	if err := unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	// Programs look for interfaces there, and it shows the namespace of who
	// mounted it.
	if err := unix.Mount("sysfs", "/sys", "sysfs", unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("staging")); err != nil {
		return err
	}
	for name, text := range map[string]string{"/etc/hostname": "staging\n", "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
		"/etc/hosts": "127.0.0.1 localhost\n127.0.1.1 staging\n::1 localhost ip6-localhost ip6-loopback\n"} {
		_ = os.Remove(name)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := netns.LoopbackUp(); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("set -e\n")
	routed := map[bool]bool{}
	for num, s := range j.Ifaces {
		name, addrs, _ := strings.Cut(s, "=")
		mac := fmt.Sprintf("address 02:00:00:00:00:%02x", num+1)
		fmt.Fprintf(&b, "ip link add %[1]s %[2]s type dummy 2>/dev/null || ip link add %[1]s %[2]s type ifb 2>/dev/null || ip link add %[1]s %[2]s type bridge\n", name, mac)
		fmt.Fprintf(&b, "ip link set %[1]s addrgenmode none\nip link set %[1]s up\n", name)
		for a := range strings.SplitSeq(addrs, ",") {
			p, err := netip.ParsePrefix(a)
			if err != nil {
				continue // has none
			}
			family, nodad := "-4", ""
			if p.Addr().Is6() {
				family, nodad = "-6", "nodad"
			}
			fmt.Fprintf(&b, "ip address add %s dev %s %s\n", a, name, nodad)
			if !routed[p.Addr().Is6()] {
				routed[p.Addr().Is6()] = true
				gateway := p.Masked().Addr().Next()
				if gateway == p.Addr() {
					gateway = gateway.Next()
				}
				fmt.Fprintf(&b, "ip %s route add default via %s dev %s\n", family, gateway, name)
			}
		}
	}
	if out, err := exec.Command("sh", "-c", b.String()).CombinedOutput(); err != nil {
		return fmt.Errorf("interfaces: %w: %s", err, out)
	}
	return nil
}

// interpreter is what the kernel, and a shell for a file without a #! line,
// would run a script with.
func interpreter(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	line, ok := bytes.CutPrefix(text, []byte("#!"))
	if !ok {
		return []string{"/bin/sh"}, nil
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	name, arg, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	if arg = strings.TrimSpace(arg); arg != "" {
		return []string{name, arg}, nil
	}
	return []string{name}, nil
}
