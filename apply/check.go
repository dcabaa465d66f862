package apply

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// maxCheckOutput bounds what a CheckError quotes.
const maxCheckOutput = 1000

// check runs the health check from the calling thread, so that it sees the
// firewall's own network namespace.
func check(ctx context.Context, opts Options) error {
	if opts.Check == "" {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, opts.CheckTimeout)
	defer cancel()
	cmd := exec.CommandContext(limited, "/bin/sh", "-c", opts.Check)
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	// What the check starts ends with it, but for what makes a session of its
	// own: a daemon that was restarted.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	// What it left behind may hold on to its output: its word counts.
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(limited.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", opts.CheckTimeout)
	}
	return &CheckError{Command: opts.Check, Err: err, Output: strings.TrimSpace(string(out.last))}
}

// tail keeps the last bytes that are written to it. It is no bytes.Buffer,
// which io.Copy would fill past the bound by its ReadFrom.
type tail struct{ last []byte }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.last = append(t.last, p[max(0, len(p)-maxCheckOutput):]...)
	t.last = t.last[max(0, len(t.last)-maxCheckOutput):]
	return len(p), nil
}
