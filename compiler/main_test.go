package compiler

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/internal/netns"
)

func TestMain(m *testing.M) {
	netns.Main()
	m.Run()
}

// The tests build in processes of their own, as root and as nobody: what the
// stage "build" of the test program reads is a job, what it writes an outcome.
func init() {
	netns.Register("build", func() int {
		var j job
		if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
			return 1
		}
		if err := json.NewEncoder(os.Stdout).Encode(j.run()); err != nil {
			return 1
		}
		return 0
	})
}

type job struct {
	Script      string
	Args        []string
	Dir         string
	Timeout     time.Duration
	Env         []string
	KeepGoing   bool
	Hosts       string
	Hostname    string
	RootFS      string
	Nameservers []string
	Routes      []Route
	Ifaces      []Iface
	MaxOutput   int64
	Memory      uint64
	NoOverlay   bool
	Privileged  bool
	Refuse      bool // let no user namespace be made
	Exact       bool
}

// outcome is what a test compares of a Result and an error.
type outcome struct {
	Kind      string // of error: script, call, timeout, source, loss, other
	Err       string
	Calls     []string // "status line command"
	Notes     []string
	Warnings  []string
	Modules   []string
	Wanted    []string
	Toolchain string
	Dumps     map[string]string
	Digest    string
	Stdout    string
	Sources   []string // "place table chain rule", and of policies and sets
	Mode      string   // "recorded", "exact", or "exact: reason"
	Stderr    string
}

func (j job) run() outcome {
	var o outcome
	if j.Refuse {
		if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
			return outcome{Err: err.Error()}
		}
	}
	var stdout, stderr strings.Builder
	limits := defaultLimits
	if j.Memory > 0 {
		limits.Memory = j.Memory
	}
	res, err := Build(context.Background(), Options{limits: limits, noOverlay: j.NoOverlay, Script: j.Script, Args: j.Args, Dir: j.Dir, Timeout: j.Timeout,
		Env: j.Env, Ifaces: j.Ifaces, Hosts: []byte(j.Hosts), Hostname: j.Hostname, RootFS: j.RootFS, Nameservers: j.Nameservers, Routes: j.Routes, KeepGoing: j.KeepGoing, Exact: j.Exact, Privileged: j.Privileged, MaxOutput: j.MaxOutput, Stdout: &stdout, Stderr: &stderr})
	o.Stdout, o.Stderr = stdout.String(), stderr.String()
	if err != nil {
		o.Err, o.Kind = err.Error(), kindOf(err)
	}
	if res == nil {
		return o
	}
	o.Mode = "recorded"
	if res.Exact {
		o.Mode = strings.TrimSuffix("exact: "+res.ExactReason, ": ")
	}
	for _, c := range res.Calls {
		pos := ""
		if c.Pos.Line > 0 {
			pos = filepath.Base(c.Pos.String())
		}
		status := "ok"
		switch {
		case c.fatal():
			status = "fatal"
		case c.Status != 0:
			status = "note"
		}
		o.Calls = append(o.Calls, strings.TrimSpace(status+" "+pos)+" "+c.String())
	}
	o.Modules = res.Modules
	o.Toolchain = res.Toolchain.IPTables
	for _, w := range res.Wanted {
		o.Wanted = append(o.Wanted, w.Key+" = "+w.Value)
	}
	for _, n := range res.Notes {
		o.Notes = append(o.Notes, n.String())
	}
	for _, w := range res.Warnings {
		o.Warnings = append(o.Warnings, w.String())
	}
	if res.Snapshot != nil {
		o.Digest = res.Snapshot.Digest()
		for _, t := range res.Snapshot.Tables {
			for _, c := range t.Chains {
				if at := c.PolicySource.String(); at != "" {
					o.Sources = append(o.Sources, at+" "+t.Name+" "+c.Name+" policy "+c.Policy)
				}
				for _, r := range c.Rules {
					o.Sources = append(o.Sources, strings.TrimSpace(r.Source.String()+" "+t.Name+" "+c.Name+" "+r.Text))
				}
			}
		}
		for _, s := range res.Snapshot.Sets {
			o.Sources = append(o.Sources, strings.TrimSpace(s.Source.String()+" "+s.Name))
		}
		o.Dumps = map[string]string{}
		for _, d := range res.Snapshot.Dumps {
			o.Dumps[d.Name()] = string(d.Text)
		}
	}
	return o
}

func kindOf(err error) string {
	var (
		se *ScriptError
		ce *CallError
		te *TimeoutError
		so *SourceError
		le *LossError
		np *NotPermittedError
		re *RecordError
	)
	switch {
	case errors.As(err, &se):
		return "script"
	case errors.As(err, &ce):
		return "call"
	case errors.As(err, &te):
		return "timeout"
	case errors.As(err, &so):
		return "source"
	case errors.As(err, &le):
		return "loss"
	case errors.As(err, &re):
		return "record"
	case errors.As(err, &np):
		return "refused: " + np.Advice
	}
	return "other"
}

// users are those that every build is tested as.
var users = []struct {
	name string
	cred *syscall.Credential
}{
	{"root", nil},
	{"nobody", &syscall.Credential{Uid: 65534, Gid: 65534}},
}

// command returns a process of this test program that will run a job.
func command(cred *syscall.Credential, j job) *exec.Cmd {
	text, err := json.Marshal(j)
	if err != nil {
		panic(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = netns.Argv("build")
	cmd.Stdin = strings.NewReader(string(text))
	cmd.Stderr = os.Stderr
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	return cmd
}

func runAs(t *testing.T, cred *syscall.Credential, j job) outcome {
	t.Helper()
	if cred != nil && os.Geteuid() != 0 {
		cred = nil // already an ordinary user
	}
	if j.Timeout == 0 {
		j.Timeout = time.Minute
	}
	return outcomeOf(t, command(cred, j))
}

// outcomeOf runs a build's process.
func outcomeOf(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("the build's process: %v", err)
	}
	var o outcome
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// project makes a directory that every user can read, with files named by
// their path in it.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fwc-compiler")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
