//go:build vm

package vmtest

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// bootWait bounds a boot, callWait what one script in the guest may take:
	// software emulation, on a machine that may have other things to do.
	bootWait = 10 * time.Minute
	callWait = 10 * time.Minute
)

// machine is a virtual machine that runs. Its methods fail the test.
type machine struct {
	t       *testing.T
	disk    *disk
	kernel  kernel
	dir     string
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the emulator has ended
	served  chan error    // what serving its disk ended with
	console string
	port    net.Conn
	lines   chan string // what the guest says
	calls   int
	boot    string // the kernel's id of this boot
}

// kernel is one that a machine starts, with what its command line says besides.
type kernel struct{ image, initrd, line string }

// start boots a machine from a disk, and returns when the guest takes scripts,
// which is early: its services may still be starting. It is killed at the end of
// the test.
func start(t *testing.T, d *disk, k kernel) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "fwc-vm") // short: the names of sockets are
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &machine{t: t, disk: d, kernel: k, dir: dir, console: filepath.Join(dir, "console")}
	t.Cleanup(m.kill)
	m.launch()
	return m
}

// launch starts the emulator, and returns when the guest is there.
func (m *machine) launch() {
	t := m.t
	t.Helper()
	m.ended, m.served, m.lines = make(chan struct{}), make(chan error, 1), make(chan string, 16)
	root, hands := filepath.Join(m.dir, "root"), filepath.Join(m.dir, "hands")
	disks, ports := listen(t, root), listen(t, hands)
	defer disks.Close()
	defer ports.Close()
	began := time.Now()
	// no_timer_check: a busy machine gives the emulator no time between two ticks,
	// which the kernel takes for a timer that does not work.
	m.cmd = exec.Command("nice", "-n", "5", "qemu-system-x86_64",
		"-accel", "tcg", "-smp", "1", "-m", "1024", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "file:"+m.console, "-kernel", m.kernel.image, "-initrd", m.kernel.initrd,
		"-append", "root=/dev/vda rw console=ttyS0 quiet mitigations=off no_timer_check panic=-1 net.ifnames=0 apparmor=0 "+m.kernel.line,
		"-drive", "if=none,id=root,format=raw,cache=writeback,file=nbd:unix:"+root,
		"-device", "virtio-blk-pci,drive=root,write-cache=on",
		"-drive", "if=none,id=files,format=raw,readonly=on,file="+files,
		"-device", "virtio-blk-pci,drive=files",
		"-device", "virtio-rng-pci",
		"-netdev", "user,id=lan,restrict=on", "-device", "virtio-net-pci,netdev=lan,romfile=",
		"-device", "virtio-serial-pci", "-chardev", "socket,id=hands,path="+hands,
		"-device", "virtserialport,chardev=hands,name=fwc")
	m.cmd.Stderr = os.Stderr
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, ended, served, d := m.cmd, m.ended, m.served, m.disk
	go func() { _ = cmd.Wait(); close(ended) }()
	go func() {
		c, err := accept(disks)
		if err == nil {
			err = serveDisk(c, d)
		}
		served <- err
	}()
	var err error
	if m.port, err = accept(ports); err != nil {
		t.Fatal(err)
	}
	go listenTo(m.port, m.lines)
	m.hello()
	t.Logf("booted in %v", time.Since(began).Round(time.Second))
}

// listen makes the socket that the emulator will connect to.
func listen(t *testing.T, name string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func accept(l net.Listener) (net.Conn, error) {
	_ = l.(*net.UnixListener).SetDeadline(time.Now().Add(5 * time.Minute))
	return l.Accept()
}

// listenTo passes on what the guest says.
func listenTo(port io.Reader, lines chan<- string) {
	r := bufio.NewReader(port)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			close(lines)
			return
		}
		lines <- strings.TrimSuffix(line, "\n")
	}
}

// hello waits for a boot's first line.
func (m *machine) hello() {
	m.t.Helper()
	until := time.After(bootWait)
	for {
		select {
		case line, ok := <-m.lines:
			if !ok {
				m.fatalf("the machine ended in its boot")
			}
			// A guest that is shut down may have begun a line.
			if i := strings.Index(line, "hello "); i >= 0 && line[i+6:] != m.boot {
				m.boot = line[i+6:]
				return
			}
		case <-until:
			m.fatalf("no boot in %v", bootWait)
		}
	}
}

func (m *machine) fatalf(format string, args ...any) {
	m.t.Helper()
	text, _ := os.ReadFile(m.console)
	m.t.Fatalf("%s; the end of its console:\n%s", fmt.Sprintf(format, args...), text[max(0, len(text)-4000):])
}

// result is what a script in the guest came to.
type result struct {
	code     int
	out, err string
	took     time.Duration
}

// tell begins a script of bash in the guest, as root, without a terminal.
func (m *machine) tell(script string) {
	m.t.Helper()
	m.calls++
	if _, err := fmt.Fprintf(m.port, "%d %s\n", m.calls, base64.StdEncoding.EncodeToString([]byte(script))); err != nil {
		m.fatalf("%s: %v", script, err)
	}
}

// try runs a script in the guest.
func (m *machine) try(script string) result {
	m.t.Helper()
	began := time.Now()
	m.tell(script)
	until := time.After(callWait)
	for {
		select {
		case line, ok := <-m.lines:
			if !ok {
				m.fatalf("the machine ended in: %s", script)
			}
			part := strings.Split(line, " ")
			if len(part) != 4 || part[0] != strconv.Itoa(m.calls) {
				continue
			}
			code, err := strconv.Atoi(part[1])
			out, err2 := base64.StdEncoding.DecodeString(part[2])
			errs, err3 := base64.StdEncoding.DecodeString(part[3])
			if err != nil || err2 != nil || err3 != nil {
				m.fatalf("bad answer %q", line)
			}
			return result{code, string(out), string(errs), time.Since(began)}
		case <-until:
			m.fatalf("no answer in %v: %s", callWait, script)
		}
	}
}

// run runs a script that must succeed, and returns its output without the last
// newline.
func (m *machine) run(script string) string {
	m.t.Helper()
	r := m.try(script)
	if r.code != 0 {
		m.t.Fatalf("in the guest: %s\nexit %d\n%s%s", script, r.code, r.out, r.err)
	}
	return strings.TrimSuffix(r.out, "\n")
}

// until runs a condition in the guest until it holds.
func (m *machine) until(limit time.Duration, condition string) {
	m.t.Helper()
	for began := time.Now(); ; {
		r := m.try(condition)
		if r.code == 0 {
			return
		}
		if time.Since(began) > limit {
			m.t.Fatalf("not in %v: %s\n%s%s", limit, condition, r.out, r.err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// settled waits until systemd has started what it had to, or given up.
func (m *machine) settled() {
	m.t.Helper()
	m.until(bootWait, "systemctl is-system-running | grep -v -e starting -e initializing")
}

// reboot has the guest reboot in order, into the same kernel. The emulator ends
// with the guest and is started anew: its own resets hang now and then.
func (m *machine) reboot() {
	m.t.Helper()
	m.end("reboot")
	m.launch()
}

// off ends the machine in order: what the guest wrote is on its disk.
func (m *machine) off() {
	m.t.Helper()
	m.end("poweroff")
}

func (m *machine) end(how string) {
	m.t.Helper()
	m.tell("systemctl " + how + " --no-block")
	select {
	case <-m.ended:
	case <-time.After(bootWait):
		m.fatalf("no end in %v", bootWait)
	}
	m.port.Close()
	if err := <-m.served; err != nil {
		m.t.Fatal(err)
	}
	m.disk.flush()
}

// cut takes the power away now, and leaves the disk as that does.
func (m *machine) cut(r *rand.Rand) (lost, kept int) {
	m.t.Helper()
	m.kill()
	if err := <-m.served; err != nil {
		m.t.Fatal(err)
	}
	return m.disk.cutPower(r)
}

func (m *machine) kill() {
	if m.cmd == nil || m.cmd.Process == nil {
		return
	}
	_ = m.cmd.Process.Kill()
	<-m.ended
	if m.port != nil {
		m.port.Close()
	}
}
