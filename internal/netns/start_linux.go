package netns

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// StartOptions says how Start makes a stage's process.
type StartOptions struct {
	// Privileged leaves the user namespace out: root inside is the caller.
	Privileged bool
	// Files become file descriptors 3, 4, … of the process.
	Files []*os.File
	// Env is the whole environment of the process.
	Env []string
	// Detached lets the process outlive the caller. It has to see for itself
	// when it is wanted no longer: a pipe among Files ends with the caller.
	Detached bool
}

// Process is a running stage, pid 1 of its own pid namespace: everything it
// starts dies with it.
type Process struct {
	proc *os.Process
	done chan struct{}
	ps   *os.ProcessState
	err  error
}

// Start runs a registered stage in new user, mount, pid, ipc, uts, network
// and cgroup namespaces. The stage has every capability in them and none
// outside. It dies when the calling process does, unless it is Detached.
//
// An ordinary user becomes root inside; root inside owns on the host what the
// user owns. For root the ids 0 to 65535 inside are host ids that nobody has,
// so that the stage is a stranger to all of the host's files.
//
// An error wraps ErrNotPermitted where the kernel or its policy refuses.
func Start(name string, opt StartOptions) (*Process, error) {
	p := &Process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The death signal comes when the thread that forked dies, not the
		// process: keep this one for as long as the stage runs.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		proc, err := start(name, opt)
		if err != nil {
			started <- err
			return
		}
		p.proc = proc
		started <- nil
		p.ps, p.err = proc.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Kill ends the stage and every process in its pid namespace.
func (p *Process) Kill() { _ = p.proc.Kill() }

// Pid is the process id of the stage, as the caller sees it.
func (p *Process) Pid() int { return p.proc.Pid }

// Wait waits until the stage and every process it started are gone.
func (p *Process) Wait() (*os.ProcessState, error) {
	<-p.done
	return p.ps, p.err
}

const baseFlags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

func start(name string, opt StartOptions) (*os.Process, error) {
	devnull, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer devnull.Close()
	sys := &syscall.SysProcAttr{
		Cloneflags: baseFlags | unix.CLONE_NEWCGROUP,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true,
		// After the clone, and so after the id maps are written: files such
		// as /proc/net/ip_tables_names belong to whom root was when the
		// network namespace was made.
		Unshareflags: unix.CLONE_NEWNET,
	}
	if opt.Detached {
		sys.Pdeathsig = 0
	}
	if !opt.Privileged {
		sys.Cloneflags |= unix.CLONE_NEWUSER
		mapIDs(sys)
	}
	attr := &os.ProcAttr{
		Dir:   "/",
		Env:   opt.Env,
		Files: append([]*os.File{devnull, devnull, os.Stderr}, opt.Files...),
		Sys:   sys,
	}
	exe := "/proc/self/exe"
	proc, err := os.StartProcess(exe, Argv(name), attr)
	if errors.Is(err, unix.EINVAL) {
		// Kernels built without cgroups know no such namespace.
		sys.Cloneflags &^= unix.CLONE_NEWCGROUP
		proc, err = os.StartProcess(exe, Argv(name), attr)
	}
	if errors.Is(err, unix.EACCES) {
		// The ids inside may not execute the caller's file.
		copied, cerr := selfCopy()
		if cerr != nil {
			return nil, fmt.Errorf("copy the program: %w", cerr)
		}
		defer copied.Close()
		proc, err = os.StartProcess(fmt.Sprintf("/proc/self/fd/%d", copied.Fd()), Argv(name), attr)
	}
	if err != nil {
		for _, refusal := range []error{unix.EPERM, unix.ENOSPC, unix.EUSERS, unix.EINVAL, unix.EACCES} {
			if errors.Is(err, refusal) {
				return nil, fmt.Errorf("%w: %w", ErrNotPermitted, err)
			}
		}
		return nil, fmt.Errorf("start a namespace: %w", err)
	}
	return proc, nil
}

// selfCopy returns the running program as an anonymous file that every user
// may execute. Its descriptor stays open across exec.
func selfCopy() (*os.File, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	fd, err := unix.MemfdCreate("fwc", 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "fwc")
	if _, err := f.ReadFrom(self); err != nil {
		f.Close()
		return nil, err
	}
	if err := f.Chmod(0o555); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
