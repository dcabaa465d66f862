package netfilter_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// inside runs fn in a throwaway namespace.
func inside(t *testing.T, fn func()) {
	t.Helper()
	if err := netns.Do(func() error { fn(); return nil }); err != nil {
		t.Fatal(err)
	}
}

// sh runs a script in the calling thread's namespace. It reports, but does not
// end the test, since it runs on a goroutine that is not the test's.
func sh(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.Command("sh", "-e")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%.200s: %v\n%s", script, err, out)
	}
	return string(out)
}

// text returns the raw dumps under their names, without comments.
func text(dumps []ruleset.Dump) map[string]string {
	m := map[string]string{}
	for _, d := range dumps {
		var b strings.Builder
		for l := range strings.Lines(string(d.Text)) {
			if !strings.HasPrefix(l, "#") {
				b.WriteString(l)
			}
		}
		m[d.Name()] = b.String()
	}
	return m
}

func TestProbe(t *testing.T) {
	got, err := netfilter.Probe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]string{"kernel": got.Kernel, "arch": got.Arch, "iptables": got.IPTables,
		"backend": string(got.Backend), "ipset": got.IPSet, "arptables": got.ARPTables,
		"ebtables": got.EBTables, "nft": got.NFT} {
		if v == "" {
			t.Errorf("no %s in %+v", name, got)
		}
	}
}

// Asking the legacy arptables for its version makes its table.
func TestProbeMakesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/usr/sbin/arptables-legacy", filepath.Join(dir, "arptables")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	inside(t, func() {
		got, err := netfilter.Probe(context.Background())
		if err != nil || got.ARPTables == "" {
			t.Errorf("arptables %q, %v", got.ARPTables, err)
		}
		dumps, err := netfilter.CaptureRaw(context.Background(), netfilter.Scope{})
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(map[string]string{}, text(dumps)); diff != "" {
			t.Errorf("after Probe (-want +got):\n%s", diff)
		}
	})
}
