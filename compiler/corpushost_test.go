package compiler_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/netns"
)

// The corpus is run on a host of its own: a process in new namespaces that
// sees this machine's files below throwaway layers, with the files of the test
// and, where they are asked for, the unpacked generators put on top. There a
// script is either built or run as it is.
func init() { netns.Register("corpus host", runHost) }

// projectDir is where the files of a test lie.
const projectDir = "/srv/fw"

// hostJob is one run.
type hostJob struct {
	Files   map[string][]byte // absolute, or relative to projectDir
	Layer   string            // directory with etc, usr, var to put on this machine's
	Backend string            // what plain iptables is: nft, legacy, or "" as this machine has it

	Script  string
	Args    []string
	Env     []string
	Ifaces  []string // NAME[=CIDR,…]
	Timeout time.Duration
	Exact   bool // every call for real

	Direct  bool     // run it as it is
	Sysctls []string // what to capture of a direct run
}

// hostResult is what came of it. A direct run has no calls and modules.
type hostResult struct {
	Err      string
	Status   int
	Dumps    map[string]string
	Sysctls  []string // keys
	Calls    int
	Mode     string // "recorded", or "exact" and why
	Modules  []string
	Warnings []string
	Notes    []string
	Stdout   string
	Stderr   string
	Elapsed  time.Duration // of the script, or of the whole build
}

// onHost runs a job.
func onHost(t *testing.T, j hostJob) hostResult {
	t.Helper()
	var r hostResult
	if err := startHost(j, &r); err != nil {
		t.Fatalf("the test's host: %v", err)
	}
	return r
}

func startHost(j hostJob, res *hostResult) error {
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	inR, inW, err := os.Pipe()
	if err != nil {
		return err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer outR.Close()
	p, err := netns.Start("corpus host", netns.StartOptions{Privileged: true, Files: []*os.File{inR, outW},
		Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}})
	inR.Close()
	outW.Close()
	if err != nil {
		inW.Close()
		return err
	}
	defer p.Kill()
	go func() {
		defer inW.Close()
		_, _ = inW.Write(text)
	}()
	if err := json.NewDecoder(outR).Decode(res); err != nil {
		return err
	}
	return nil
}

func runHost() int {
	in, out := os.NewFile(3, "job"), os.NewFile(4, "result")
	unix.CloseOnExec(3)
	unix.CloseOnExec(4)
	var j hostJob
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return 1
	}
	var r hostResult
	err := j.prepare()
	if err == nil {
		if j.Direct {
			r, err = j.direct()
		} else {
			r = j.build()
		}
	}
	if err != nil {
		r = hostResult{Err: "test: " + err.Error(), Status: -1}
	}
	if err := json.NewEncoder(out).Encode(r); err != nil {
		return 1
	}
	return 0
}

// layersDir holds the throwaway layers.
const layersDir = "/mnt"

// prepare makes the file system.
func (j *hostJob) prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if j.Layer != "" {
		// It may lie below one of the next.
		fd, err := unix.Open(j.Layer, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", j.Layer, err)
		}
		defer unix.Close(fd)
		j.Layer = fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	for _, d := range []string{layersDir, "/srv", "/run", "/tmp"} {
		if err := unix.Mount("tmpfs", d, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return fmt.Errorf("mount %s: %w", d, err)
		}
	}
	_ = os.Chmod("/tmp", 0o1777)
	// A build needs no more than this, and two layers is what the kernel
	// stacks: it puts its own on top.
	tops := []string{"/etc"}
	if j.Layer != "" {
		tops = []string{"/etc", "/usr", "/var"}
	}
	if j.Direct {
		tops = []string{"/etc", "/usr", "/var", "/root", "/home", "/opt"}
	}
	for _, top := range tops {
		if err := j.layer(top); err != nil {
			return fmt.Errorf("a layer on %s: %w", top, err)
		}
	}
	if err := os.MkdirAll(projectDir, 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll("/run/lock", 0o755); err != nil {
		return err
	}
	for name, text := range j.Files {
		if !filepath.IsAbs(name) {
			name = filepath.Join(projectDir, name)
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, text, 0o755); err != nil {
			return err
		}
		// A package's file may be there, for root alone; in staging nobody is
		// this machine's root.
		if err := os.Chmod(name, 0o755); err != nil {
			return err
		}
	}
	if j.Backend == "" {
		return nil
	}
	return switchBackend(j.Backend)
}

func (j *hostJob) layer(top string) error {
	name := strings.ReplaceAll(top, "/", "_")
	upper, work := filepath.Join(layersDir, "upper"+name), filepath.Join(layersDir, "work"+name)
	for _, d := range []string{upper, work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	lower := top
	if extra := filepath.Join(j.Layer, top); j.Layer != "" {
		if fi, err := os.Stat(extra); err == nil && fi.IsDir() {
			lower = extra + ":" + top
		}
	}
	return unix.Mount("overlay", top, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work))
}

// switchBackend does what update-alternatives(1) does.
func switchBackend(backend string) error {
	for _, tool := range []string{"iptables", "ip6tables", "arptables", "ebtables"} {
		for _, end := range []string{"", "-save", "-restore"} {
			to, link := "/usr/sbin/"+tool+"-"+backend+end, "/etc/alternatives/"+tool+end
			if _, err := os.Lstat(link); err != nil {
				continue
			}
			if _, err := os.Stat(to); errors.Is(err, os.ErrNotExist) {
				return err
			}
			if err := os.Remove(link); err != nil {
				return err
			}
			if err := os.Symlink(to, link); err != nil {
				return err
			}
		}
	}
	return nil
}
