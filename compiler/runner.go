package compiler

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/netns"
)

// stageRun is the last step before the script: a process in a mount namespace
// of its own that gives up what the script must not have and becomes it.
const stageRun = "run"

func init() { netns.Register(stageRun, runScript) }

// runner is a process of this stage that waits for its config.
type runner struct {
	pid     int
	config  *os.File // to write
	failure *os.File // to read; its end without a word means success
	socket  *os.File // that it passes its listener through, or nil
}

// firstPID is the script's process id. Scripts put $$ into names, and the same
// input must give the same names.
const firstPID = 100

// startRunner starts a runner with the script's output, under the first pid
// as far as the kernel allows it to be chosen (pid_namespaces(7), ns_last_pid).
func startRunner() (*runner, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pair[1])
	r, err := startFirst(uintptr(pair[1]))
	if err != nil {
		unix.Close(pair[0])
		return nil, err
	}
	r.socket = os.NewFile(uintptr(pair[0]), "listener's socket")
	return r, nil
}

func startFirst(socket uintptr) (*runner, error) {
	var r *runner
	for range 10 {
		_ = os.WriteFile("/proc/sys/kernel/ns_last_pid", strconv.AppendInt(nil, firstPID-1, 10), 0)
		next, err := tryRunner(fdStdout, fdStderr, socket)
		if r != nil {
			r.abandon()
		}
		if r = next; err != nil {
			return nil, err
		}
		// A thread of this process may have taken the number.
		if r.pid == firstPID {
			break
		}
	}
	return r, nil
}

// abandon ends a runner that has got no config.
func (r *runner) abandon() {
	r.config.Close()
	r.failure.Close()
	_ = unix.Kill(r.pid, unix.SIGKILL)
	_, _ = unix.Wait4(r.pid, nil, 0, nil)
}

// tryRunner starts a runner with those standard streams, and with a descriptor
// that is its standard input later or the socket for its listener.
func tryRunner(stdout, stderr, fifth uintptr) (*runner, error) {
	confR, confW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer confR.Close()
	failR, failW, err := os.Pipe()
	if err != nil {
		confW.Close()
		return nil, err
	}
	defer failW.Close()
	pid, err := syscall.ForkExec("/proc/self/exe", netns.Argv(stageRun), &syscall.ProcAttr{
		Files: []uintptr{confR.Fd(), stdout, stderr, confR.Fd(), failW.Fd(), fifth},
		Sys:   &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS},
	})
	if err != nil {
		confW.Close()
		failR.Close()
		return nil, err
	}
	return &runner{pid: pid, config: confW, failure: failR}, nil
}

// configure tells the runner what to become, and returns when it has.
func (r *runner) configure(c runConfig) error {
	go func() {
		defer r.config.Close()
		_ = json.NewEncoder(r.config).Encode(c)
	}()
	var msg string
	if err := json.NewDecoder(r.failure).Decode(&msg); err == nil {
		return errors.New("start the script: " + msg)
	}
	return nil
}

// runConfig is what the runner gets on file descriptor 3.
type runConfig struct {
	Root   string
	Path   string // executed
	Argv   []string
	Env    []string
	Cwd    []string
	Stdin  string // a path in Root, or ""
	Piped  bool   // standard input is file descriptor 5
	Asks   bool   // it passes a listener through file descriptor 5, if it can
	Limits limits
}

// kept are the capabilities of a script: what root needs to own its files and
// users and to run a firewall. CAP_SYS_ADMIN is not among them: it mounts.
var kept = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL,
	unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_BROADCAST,
	unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SYS_CHROOT, unix.CAP_SETFCAP,
}

// runScript replaces the process by the script. What fails before is a JSON
// string on file descriptor 4, which closes itself when the script starts.
func runScript() int {
	runtime.LockOSThread()
	closeOnExec(3)
	fail := os.NewFile(4, "failure")
	err := becomeScript(os.NewFile(3, "config"))
	_ = json.NewEncoder(fail).Encode(err.Error())
	return 126
}

func becomeScript(in *os.File) error {
	var c runConfig
	if err := json.NewDecoder(in).Decode(&c); err != nil {
		return fmt.Errorf("read the runner's config: %w", err)
	}
	if err := pivot(c.Root, "run"); err != nil {
		return err
	}
	for _, dir := range append(c.Cwd, "/") {
		if os.Chdir(dir) == nil {
			break
		}
	}
	if c.Piped {
		if err := unix.Dup3(5, 0, 0); err != nil {
			return err
		}
	} else if err := openInput(c.Stdin); err != nil {
		return err
	}
	unix.Umask(0o022)
	if _, err := unix.Setsid(); err != nil && !errors.Is(err, unix.EPERM) {
		return err
	}
	// If the build server runs out of memory, this is what it should end.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	if err := dropCapabilities(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := filterSyscalls(); err != nil {
		return err
	}
	if c.Asks {
		_ = offerListener(5) // who waits for it finds none
	}
	// Last: the Go runtime is itself beyond the limit of memory.
	path, argv, env := c.Path, c.Argv, c.Env
	if err := c.Limits.set(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", path, syscall.Exec(path, argv, env))
}

// dropCapabilities takes all but the kept capabilities from the calling
// thread's bounding set. The exec that follows takes them from the other sets:
// see "Capabilities and execution of programs by root" in capabilities(7).
func dropCapabilities() error {
	keep := map[uintptr]bool{}
	for _, c := range kept {
		keep[c] = true
	}
	for c := uintptr(0); c <= 63; c++ {
		if keep[c] {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			if errors.Is(err, unix.EINVAL) {
				break // beyond the kernel's last
			}
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop ambient capabilities: %w", err)
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return err
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0
	return unix.Capset(&hdr, &data[0])
}
