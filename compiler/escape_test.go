package compiler

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// way is a way out of staging: a piece of shell in a process of its own, and
// what its output, which it makes whether it gets out or not, has to match.
type way struct{ name, script, want string }

// callOf is a piece of shell that makes a system call and prints its error.
func callOf(number int, args ...string) string {
	return "sc " + strconv.Itoa(number) + " " + strings.Join(args, " ")
}

// escapeHelpers: sc makes a system call of numbers and strings; put writes to
// a file; reach connects to a socket.
const escapeHelpers = `sc() { perl -e '$n = shift; @a = map { /^-?\d+$/ ? $_ + 0 : $_ } @ARGV; $r = syscall($n + 0, @a); print $r < 0 ? "$!" : "done $r", "\n"' -- "$@"; }
put() { echo "$2" > "$1" && echo done; }
reach() { perl -MSocket -e 'socket(S, $ARGV[0] + 0, 1, 0) or die "$!\n"; connect(S, $ARGV[0] == 1 ? pack("Sa*", 1, $ARGV[1]) : sockaddr_in($ARGV[2], inet_aton($ARGV[1]))) or die "$!\n"; print "done\n"' -- "$@"; }
`

const (
	notPermitted = "Operation not permitted"
	noFunction   = "Function not implemented"
	noFamily     = "Address family not supported"
	noFile       = "No such file or directory|Directory nonexistent|nonexistent directory"
	closed       = "Read-only file system|Permission denied|Operation not permitted"
	refusal      = closed + "|" + noFile // what a kernel may not have at all
)

// waysOut are tried in one build after the other. What is left to try is in
// TestMisbehaviour: time, memory, disk, output, fork bombs and daemons.
func waysOut(h *escapeHost) []way {
	return []way{
		// Files.
		{"write to /etc", "put /etc/fwc-escape x; put /etc/passwd x", "done"},
		{"write to programs", "put /usr/bin/fwc-escape x; put /usr/sbin/iptables-save x; rm -f /bin/sh.fwc; put " + h.open + " x", "."},
		{"write beside a host's file", "put " + filepath.Dir(h.open) + "/fwc-escape x", "."},
		{"the script file", "echo '# changed' >> " + h.dir + "/fw.sh; rm -f fw.sh", "^$"},
		{"symbolic links at the output's path", "ln -sf /etc/passwd fw.artifact; ln -sf /etc " + h.dir + "/out; echo done", "done"},
		{"read what others may not", "cat " + h.secret, refusal},
		{"read /etc/shadow", "grep . /etc/shadow", refusal + "|^$"},
		{"read root's home", "ls -A /root", "^$"},
		{"read other homes", "ls -A /home", "^$"},
		{"the caller's environment", "cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep FWC_SECRET; env | grep -c FWC_SECRET", "^0$"},
		{"the agent's socket", "ls -A /tmp | grep -v fwc-compiler; env | grep SSH; ls /run /var/run/user | grep -v lock", "."},
		{"root of the first process", "ls /proc/1/root/", closed},
		{"directory of the first process", "ls /proc/1/cwd/ /proc/1/fd/", closed},
		{"memory of the first process", "head -c 1 /proc/1/mem", closed},
		{"up from the root", "cd /; for i in 1 2 3 4 5 6 7 8; do cd ..; done; ls -d staging old .fwc; cd /proc/self/root/../..; ls -d staging", noFile},
		{"chroot twice", "perl -e 'mkdir \"/tmp/c\"; open(D, \"/\"); chroot(\"/tmp/c\") or die \"$!\\n\"; chdir(\"../../../..\"); chroot(\".\"); print -e \"/staging\" ? \"out\" : \"held\", \"\\n\"'", "held"},
		{"files by handle", callOf(unix.SYS_OPEN_BY_HANDLE_AT, "-100", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "0"), notPermitted},
		{"set-user-id programs", "grep NoNewPrivs /proc/self/status; cp /bin/true /tmp/s; chmod 4755 /tmp/s; grep -c ' / .*nosuid' /proc/self/mountinfo", "NoNewPrivs:\t1"},
		{"devices of its own", "mknod /tmp/sda b 8 0; mknod /dev/mem c 1 1; mknod /tmp/kmsg c 1 11", notPermitted},
		{"block devices", "ls /dev | grep -E '^(sd|vd|nvme|dm|loop|mem|kmsg|kvm|port|fuse)'; echo none", "^none$"},
		{"descriptors left open", "ls -l /proc/self/fd | grep -c ' [3-9][0-9]* ->' ; cat /proc/self/fd/9", "(?s)1.*(" + noFile + ")"},
		{"descriptors of the shell", "for f in /proc/$$/fd/*; do [ ${f##*/} -gt 2 ] && readlink $f; done", "^(/\\S*fw.sh( .deleted.)?|/\\.fwc/\\S*)?$"},
		{"the program itself", "cat /proc/1/exe | head -c 4", closed},
		// Mounts and namespaces.
		{"mount", "mount -t tmpfs none /mnt; mount --bind /etc /mnt; " + callOf(unix.SYS_MOUNT, "none", "/mnt", "tmpfs", "0", "0"), notPermitted},
		{"unmount", "umount /proc/sys; umount -l /; " + callOf(unix.SYS_UMOUNT2, "/proc/sys", "2"), notPermitted},
		{"make writable again", "mount -o remount,rw /proc/sys; " + callOf(unix.SYS_MOUNT, "0", "/sys", "0", "4128", "0"), notPermitted},
		{"mounts the new way", callOf(unix.SYS_FSOPEN, "proc", "0") + "; " + callOf(unix.SYS_OPEN_TREE, "-100", "/", "1"), notPermitted},
		{"pivot_root", callOf(unix.SYS_PIVOT_ROOT, ".", "."), notPermitted},
		{"namespaces of the first process", "nsenter -t 1 -m -n true; " + callOf(unix.SYS_SETNS, "0", "0"), notPermitted},
		{"a new user namespace", "unshare -U true; unshare -rn true; " + callOf(unix.SYS_UNSHARE, "268435456"), notPermitted},
		{"a clone in a new namespace", callOf(unix.SYS_CLONE, "268435473", "0", "0", "0", "0"), notPermitted},
		{"a clone by the newer call", callOf(unix.SYS_CLONE3, strings.Repeat("0", 88), "88"), noFunction},
		{"ip netns", "ip netns add x", notPermitted},
		// Processes.
		{"ptrace", callOf(unix.SYS_PTRACE, "16", "1", "0", "0") + "; " + callOf(unix.SYS_PTRACE, "16", "$PPID", "0", "0"), notPermitted},
		{"memory of others", callOf(unix.SYS_PROCESS_VM_READV, "1", "0", "0", "0", "0", "0"), notPermitted},
		{"descriptors of others", callOf(unix.SYS_PIDFD_GETFD, "0", "3", "0"), notPermitted},
		{"kill the parent", "kill -9 1; kill -STOP 1; kill -SEGV 1; kill -9 " + strconv.Itoa(h.pid) + "; echo done", "No such process"},
		{"the host's processes", "ls -d /proc/" + strconv.Itoa(h.pid), noFile},
		{"limits of the first process", "prlimit --pid 1 --nofile=1:1; " + callOf(unix.SYS_PRLIMIT64, "1", "7", strings.Repeat("x", 16), "0"), notPermitted},
		{"out of memory's choice", "put /proc/self/oom_score_adj -1000; cat /proc/self/oom_score_adj", "^.*I/O error\n1000$"},
		{"real-time priority", "chrt -f 99 true; nice -n -20 true", notPermitted},
		{"core dumps", "ulimit -c; ulimit -c unlimited; cat /proc/self/coredump_filter >/dev/null; sh -c 'kill -SEGV $$'; ls core*", "(?s)^0.*(" + noFile + ")"},
		// The kernel.
		{"sysrq", "put /proc/sysrq-trigger s", refusal},
		{"kernel parameters", "put /proc/sys/kernel/hostname x; put /proc/sys/kernel/sysrq 1; sysctl -w kernel.panic=9; put /proc/sys/vm/drop_caches 3", closed},
		{"core_pattern", "put /proc/sys/kernel/core_pattern '|/tmp/x'", closed},
		{"modprobe's path", "put /proc/sys/kernel/modprobe /tmp/x; put /proc/sys/kernel/hotplug /tmp/x", refusal},
		{"handlers of binaries", "put /proc/sys/fs/binfmt_misc/register :x:M::x::/tmp/x:", refusal},
		{"release agents", "ls /sys/fs/cgroup; mkdir /sys/fs/cgroup/x; find / -xdev -name release_agent 2>/dev/null", refusal},
		{"/sys", "put /sys/kernel/uevent_helper /tmp/x; put /sys/power/state mem; mkdir /sys/x", refusal},
		{"debugfs", "ls /sys/kernel/debug/* /sys/kernel/tracing/*; mount -t debugfs none /mnt", refusal},
		{"/dev/mem and kcore", "head -c 1 /dev/mem; head -c 1 /proc/kcore | wc -c; head -c 1 /dev/kmsg", "(?s)(" + noFile + ").*0"},
		{"the kernel's log", "dmesg; " + callOf(unix.SYS_SYSLOG, "3", strings.Repeat("x", 64), "64"), notPermitted},
		{"load a module", "insmod /lib/modules/x.ko; " + callOf(unix.SYS_FINIT_MODULE, "0", "''", "0") + "; " + callOf(unix.SYS_INIT_MODULE, "x", "1", "''"), notPermitted},
		{"bpf", callOf(unix.SYS_BPF, "0", strings.Repeat("x", 64), "64"), notPermitted},
		{"perf", callOf(unix.SYS_PERF_EVENT_OPEN, strings.Repeat("x", 128), "0", "-1", "-1", "0"), notPermitted},
		{"userfaultfd", callOf(unix.SYS_USERFAULTFD, "1"), noFunction},
		{"io_uring", callOf(unix.SYS_IO_URING_SETUP, "8", strings.Repeat("x", 128)), noFunction},
		{"keyrings", callOf(unix.SYS_KEYCTL, "0", "-3", "0") + "; " + callOf(unix.SYS_ADD_KEY, "user", "x", "x", "1", "-3") + "; cat /proc/keys", notPermitted},
		{"kexec", callOf(unix.SYS_KEXEC_LOAD, "0", "0", "0", "0"), notPermitted},
		{"reboot", "reboot -f; " + callOf(unix.SYS_REBOOT, "4276215469", "672274793", "19088743", "0"), notPermitted},
		{"swap", callOf(unix.SYS_SWAPON, "/tmp/x", "0"), notPermitted},
		{"accounting", callOf(unix.SYS_ACCT, "/tmp/x"), notPermitted},
		{"quota", callOf(unix.SYS_QUOTACTL, "0", "0", "0", "0"), notPermitted},
		{"the clock", "date -s 2001-01-01; " + callOf(unix.SYS_CLOCK_SETTIME, "0", strings.Repeat("x", 16)) + "; " + callOf(unix.SYS_ADJTIMEX, strings.Repeat("x", 208)), notPermitted},
		{"the host's name", "hostname fwc-escape; " + callOf(unix.SYS_SETHOSTNAME, "x", "1"), notPermitted},
		{"odd personalities", callOf(unix.SYS_PERSONALITY, "262144"), notPermitted},
		{"a raised capability", "grep -E '^Cap(Prm|Bnd)' /proc/self/status; setpriv --bounding-set +all --ambient-caps +all true", "Cap(Prm|Bnd):\t00000000800[0-9a-f]{5}"},
		// Shared memory that no limit counts, and other IPC.
		{"System V IPC", callOf(unix.SYS_SHMGET, "0", "1000000000", "512") + "; ipcs -m | grep " + h.shmKey, noFunction},
		{"files without a name", callOf(unix.SYS_MEMFD_CREATE, "x", "0"), noFunction},
		{"message queues", "perl -e '$r = syscall(" + strconv.Itoa(unix.SYS_MQ_OPEN) + ", \"fwc-escape\", 66, 0600, 0); print $r < 0 ? $! : \"done\"'", "."},
		// Networks.
		{"the host's services", "reach 2 127.0.0.1 " + h.port, "Connection refused"},
		{"the host's networks", "reach 2 " + h.address + " " + h.port + "; reach 2 169.254.169.254 80", "Network is unreachable|Connection refused"},
		{"abstract sockets", "perl -MSocket -e 'socket(S, 1, 1, 0); connect(S, pack(\"Sxa*\", 1, $ARGV[0])) or die \"$!\\n\"; print \"done\\n\"' -- " + h.abstract, "Connection refused"},
		{"sockets in the file system", "reach 1 " + h.socket, "Connection refused|" + noFile},
		{"pipes in the file system", "perl -e 'use Fcntl; sysopen(F, $ARGV[0], O_WRONLY|O_NONBLOCK) or die \"$!\\n\"; print syswrite(F, \"x\"), \"\\n\"' -- " + h.fifo, "No such device or address|" + noFile},
		{"vsock", callOf(unix.SYS_SOCKET, "40", "1", "0"), noFamily},
		{"packet sockets", callOf(unix.SYS_SOCKET, "17", "3", "768") + "; " + callOf(unix.SYS_SOCKET, "2", "10", "768"), noFamily},
		{"the kernel's cryptography", callOf(unix.SYS_SOCKET, "38", "5", "0"), noFamily},
		{"audit and uevents", callOf(unix.SYS_SOCKET, "16", "3", "9") + "; " + callOf(unix.SYS_SOCKET, "16", "3", "15"), noFamily},
		// Terminals.
		{"the caller's terminal", "put /dev/tty x; tty; ls /dev/pts /dev/console", "No such device or address"},
		{"typing into a terminal", callOf(unix.SYS_IOCTL, "0", "21522", "x") + "; " + callOf(unix.SYS_IOCTL, "0", "4294988818", "x"), notPermitted},
	}
}

// escapeHost is what of the host a script may not reach.
type escapeHost struct {
	dir, open, secret, fifo, socket string
	abstract, port, address, shmKey string
	pid                             int
	reached                         atomic.Int32
}

// newEscapeHost puts bait into the host.
func newEscapeHost(t *testing.T) *escapeHost {
	t.Helper()
	h := &escapeHost{abstract: fmt.Sprintf("fwc-escape-%d", os.Getpid()), address: "192.0.2.1", shmKey: "0x0fc0"}
	bait, err := os.MkdirTemp("/var/tmp", "fwc-escape")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(bait) })
	if err := os.Chmod(bait, 0o777); err != nil {
		t.Fatal(err)
	}
	h.open, h.secret, h.fifo, h.socket = bait+"/open", bait+"/secret", bait+"/fifo", bait+"/socket"
	for name, mode := range map[string]os.FileMode{h.open: 0o666, h.secret: 0o600} {
		if err := os.WriteFile(name, []byte("the host's\n"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(h.fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(h.fifo, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	_ = os.Chmod(h.fifo, 0o666)
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": h.socket, "unixpacket": "@" + h.abstract} {
		if network == "unixpacket" {
			network = "unix"
		}
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			h.port = strconv.Itoa(tcp.Port)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				h.reached.Add(1)
				c.Close()
			}
		}()
	}
	if err := os.Chmod(h.socket, 0o777); err != nil {
		t.Fatal(err)
	}
	victim := exec.Command("sleep", "1000")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	h.pid = victim.Process.Pid
	t.Cleanup(func() {
		if err := victim.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("a process of the host: %v", err)
		}
		_ = victim.Process.Kill()
		_ = victim.Wait()
	})
	return h
}

// TestEscapes lets a script try every way out, as each kind of user, and
// holds that each fails as it should, that the build is none the worse for
// it, and that the host is as it was.
func TestEscapes(t *testing.T) {
	before := hostState(t)
	kinds := []struct {
		name string
		cred *syscall.Credential
		job  job
	}{
		{"root", nil, job{}},
		{"nobody", users[1].cred, job{}},
		{"privileged", nil, job{Privileged: true}},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			h := newEscapeHost(t)
			dir := project(t, map[string]string{"fw.sh": ""})
			h.dir = dir
			ways := waysOut(h)
			var b strings.Builder
			b.WriteString(escapeHelpers)
			for i, w := range ways {
				fmt.Fprintf(&b, "( %s ) > /tmp/way%d 2>&1\n", w.script, i)
			}
			b.WriteString("for i in $(seq 0 " + strconv.Itoa(len(ways)-1) + "); do echo \"== $i\"; cat /tmp/way$i; done\n")
			b.WriteString("/usr/sbin/iptables -A INPUT -p tcp --dport 22 -j ACCEPT\n")
			text := b.String()
			if err := os.WriteFile(dir+"/fw.sh", []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
			k.job.Script, k.job.Dir, k.job.Timeout = "fw.sh", dir, time.Minute
			// What a caller leaves open, and its secrets.
			leaked, err := os.Open(h.open)
			if err != nil {
				t.Fatal(err)
			}
			defer leaked.Close()
			cmd := command(k.cred, k.job)
			cmd.Env = append(cmd.Env, "FWC_SECRET=x", "SSH_AUTH_SOCK="+h.socket)
			cmd.ExtraFiles = []*os.File{leaked, leaked, leaked, leaked, leaked, leaked, leaked}
			o := outcomeOf(t, cmd)
			if o.Err != "" {
				t.Fatalf("the build: %s\n%s", o.Err, o.Stderr)
			}
			got := map[int]string{}
			for part := range strings.SplitSeq(o.Stdout, "== ") {
				n, rest, _ := strings.Cut(part, "\n")
				if i, err := strconv.Atoi(n); err == nil {
					got[i] = rest
				}
			}
			for i, w := range ways {
				if k.job.Privileged && w.script == "cat "+h.secret {
					continue // is root, and reads as such
				}
				out := strings.TrimSpace(got[i])
				if !regexp.MustCompile(w.want).MatchString(out) || strings.Contains(out, "the host's") || strings.Contains(w.want, notPermitted) && strings.Contains(out, "done") {
					t.Errorf("%s: %q, want %q", w.name, out, w.want)
				}
			}
			want := "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n"
			if diff := cmp.Diff(want, o.Dumps["iptables.rules"]); diff != "" {
				t.Errorf("the firewall (-want +got):\n%s", diff)
			}
			if n := h.reached.Load(); n > 0 {
				t.Errorf("%d connections to the host", n)
			}
			if text, _ := os.ReadFile(h.open); string(text) != "the host's\n" {
				t.Errorf("a file of the host holds %q", text)
			}
			entries, _ := os.ReadDir(dir)
			if now, _ := os.ReadFile(dir + "/fw.sh"); string(now) != text || len(entries) != 1 {
				t.Errorf("the script's directory changed: %v", entries)
			}
		})
	}
	if diff := cmp.Diff(before, hostState(t)); diff != "" {
		t.Errorf("the host changed (-before +after):\n%s", diff)
	}
}
