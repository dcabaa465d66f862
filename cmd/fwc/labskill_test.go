package main_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// footprint is what a run must leave as it was: mounts and links of this
// namespace, named namespaces, and the processes of labs.
func footprint(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	out["mounts"] = string(mounts)
	links, err := exec.Command("ip", "-o", "link").Output()
	if err != nil {
		t.Fatal(err)
	}
	// A link's state may change by itself, its name and number do not.
	for line := range strings.Lines(string(links)) {
		f := strings.Fields(line)
		out["links"] += f[0] + f[1] + "\n"
	}
	if names, err := os.ReadDir("/run/netns"); err == nil {
		for _, n := range names {
			out["namespaces"] += n.Name() + "\n"
		}
	}
	return out
}

// labProcesses are those of a lab whose fwc lies in dir: stages keep its name
// for their program.
func labProcesses(t *testing.T, program string) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range dirs {
		exe, err := os.Readlink(d + "/exe")
		if err != nil || strings.TrimSuffix(exe, " (deleted)") != program {
			continue
		}
		if state, err := os.ReadFile(d + "/stat"); err == nil && !strings.Contains(string(state), ") Z ") {
			cmd, _ := os.ReadFile(d + "/cmdline")
			out = append(out, filepath.Base(d)+" "+strings.ReplaceAll(string(cmd), "\x00", " "))
		}
	}
	return out
}

// gone waits until no process of the lab is left: the kernel ends those of a pid
// namespace one by one.
func goneSoon(t *testing.T, program string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		left := labProcesses(t, program)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %q", left)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestKilledLab kills fwc in the middle of a run, as root and as nobody, with
// and without --keep; and removes what a run kept. Nothing stays.
func TestKilledLab(t *testing.T) {
	fwc := program(t)
	dir := filepath.Dir(fwc)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rules := write("rules", "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")
	head := "networks:\n  lan: {router: 10.0.0.1/24, a: 10.0.0.2, b: 10.0.0.3}\n  wan: {router: 10.0.1.1/24, c: 10.0.1.2}\ntests:\n"
	long := write("long.yaml", head+strings.Repeat("  - a tcp c:22: dropped\n  - a tcp b:22: accepted\n", 20000))
	short := write("short.yaml", head+"  - a ping c: dropped\n")
	before := footprint(t)
	for who, cred := range map[string]*syscall.Credential{"root": nil, "nobody": {Uid: 65534, Gid: 65534}} {
		ways := [][]string{{}, {"--keep"}}
		if cred == nil {
			ways = append(ways, []string{"--privileged"}, []string{"--privileged", "--keep"})
		}
		for _, args := range ways {
			for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
				cmd := exec.Command(fwc, append([]string{"test", rules, long}, args...)...)
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
				cmd.Dir = dir
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				for deadline := time.Now().Add(10 * time.Second); len(labProcesses(t, fwc)) < 2; time.Sleep(5 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatal("no lab begins")
					}
				}
				time.Sleep(150 * time.Millisecond) // somewhere between making the network and the tests
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				err := cmd.Wait()
				if sig == syscall.SIGTERM && cmd.ProcessState.ExitCode() != 130 {
					t.Errorf("%s %v: terminated, it ended with %v", who, args, err)
				}
				goneSoon(t, fwc)
				if d := cmp.Diff(before, footprint(t)); d != "" {
					t.Errorf("%s %v %v left something (-before +after):\n%s", who, args, sig, d)
				}
			}
		}
		for _, args := range ways {
			if !slices.Contains(args, "--keep") {
				continue
			}
			cmd := exec.Command(fwc, append([]string{"test", rules, short}, args...)...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", who, err, out)
			}
			look(t, string(out), cred)
			goneSoon(t, fwc)
			if d := cmp.Diff(before, footprint(t)); d != "" {
				t.Errorf("%s %v left something (-before +after):\n%s", who, args, d)
			}
		}
	}
}

var lookAt = regexp.MustCompile(`(?m)^  (nsenter .* ip netns exec c) sh$`)

// look uses the commands that --keep prints: it speaks from host to host, and
// removes the network.
func look(t *testing.T, out string, cred *syscall.Credential) {
	t.Helper()
	run := func(text string) string {
		cmd := exec.Command("sh", "-c", text)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		cmd.Dir = "/"
		b, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", text, err, b)
		}
		return string(b)
	}
	m := lookAt.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no command to look by in:\n%s", out)
	}
	if got := run(m[1] + " ip -4 -o addr"); !strings.Contains(got, "10.0.1.2/24") {
		t.Errorf("host c has the addresses\n%s", got)
	}
	var last string
	for sc := bufio.NewScanner(strings.NewReader(out)); sc.Scan(); {
		if strings.HasPrefix(sc.Text(), "  kill ") {
			last = sc.Text()
		}
	}
	run(last)
}
