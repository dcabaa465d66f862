package main_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// program makes this test binary be fwc, where every user may run it.
func program(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fwc-labs") // t.TempDir is root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	path := filepath.Join(dir, "fwc") // by this name TestMain knows it
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLabs builds the scripts of testdata/labs and runs the specs whose names
// begin with theirs, on both backends, as root, as root without a user
// namespace, and as nobody. Those called fails do.
func TestLabs(t *testing.T) {
	fwc := program(t)
	scripts, err := filepath.Glob("../../testdata/labs/*.sh")
	if err != nil || len(scripts) < 7 {
		t.Fatalf("scripts %v: %v", scripts, err)
	}
	dir := filepath.Dir(fwc)
	copied := func(from, to string) string {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to = filepath.Join(dir, to)
		if strings.Contains(to, "legacy") {
			text = bytes.ReplaceAll(text, []byte("iptables "), []byte("iptables-legacy "))
		}
		if err := os.WriteFile(to, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return to
	}
	for _, backend := range []string{"nft", "legacy"} {
		for _, script := range scripts {
			name := strings.TrimSuffix(filepath.Base(script), ".sh")
			file := filepath.Join(dir, backend+"-"+name+".artifact")
			from := copied(script, backend+"-"+name+".sh")
			if out, err := exec.Command(fwc, "build", from, "-o", file, "--unsigned").CombinedOutput(); err != nil {
				t.Fatalf("build %s: %v\n%s", script, err, out)
			}
			if err := os.Chmod(file, 0o644); err != nil {
				t.Fatal(err)
			}
			specs, err := filepath.Glob(strings.TrimSuffix(script, ".sh") + "*.yaml")
			if err != nil || len(specs) == 0 {
				t.Fatalf("specs of %s %v: %v", script, specs, err)
			}
			for _, spec := range specs {
				fails := strings.HasSuffix(spec, "-fails.yaml")
				spec = copied(spec, filepath.Base(spec))
				for who, cred := range map[string]*syscall.Credential{"root": nil, "privileged": nil, "nobody": {Uid: 65534, Gid: 65534}} {
					cmd := exec.Command(fwc, "test", file, spec)
					if who == "privileged" {
						cmd.Args = append(cmd.Args, "--privileged")
					}
					cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
					cmd.Dir = dir
					out, err := cmd.CombinedOutput()
					if code := cmd.ProcessState.ExitCode(); code != 0 && !fails || code != 1 && fails {
						t.Errorf("%s, %s, as %s: %v\n%s", filepath.Base(spec), backend, who, err, out)
					}
				}
			}
		}
	}
}
