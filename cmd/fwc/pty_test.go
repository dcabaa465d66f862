package main_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// onpty runs a command with a terminal of its own and takes the terminal away
// once WORDS were printed there, as a lost ssh connection does: the kernel sends
// SIGHUP to the session. It prints what it saw.
//
//	onpty WORDS COMMAND [ARG…]
func onpty(args []string) int {
	if len(args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: onpty WORDS COMMAND [ARG…]")
		return 2
	}
	terminal, inside, err := openPTY()
	if err != nil {
		fmt.Fprintln(os.Stderr, "onpty:", err)
		return 125
	}
	// Below nohup the command would be one that SIGHUP leaves alone.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inside, inside, inside
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "onpty:", err)
		return 125
	}
	inside.Close()
	timeout := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timeout.Stop()
	var seen strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(seen.String(), args[0]) {
		n, err := terminal.Read(buf)
		seen.Write(buf[:n])
		if err != nil { // EIO: nobody has it open any more
			break
		}
	}
	terminal.Close()
	_ = cmd.Wait()
	_, _ = io.WriteString(os.Stdout, seen.String())
	if !strings.Contains(seen.String(), args[0]) {
		return 1
	}
	return 0
}

// openPTY returns both ends of a new pseudoterminal. See pts(4).
func openPTY() (terminal, inside *os.File, err error) {
	terminal, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(terminal.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	inside, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	return terminal, inside, err
}
