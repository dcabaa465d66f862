package netfilter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// legacySaves is what the legacy programs print, counters too, with the tables,
// which come in the order of their making, sorted.
func legacySaves(t *testing.T) string {
	t.Helper()
	saved := ""
	for _, tool := range []string{"iptables-legacy-save", "ip6tables-legacy-save"} {
		out, err := exec.Command(tool, "-c").Output()
		if err != nil {
			t.Errorf("%s: %v: %s", tool, err, out)
		}
		var kept strings.Builder
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "#") {
				kept.WriteString(line)
			}
		}
		tables := strings.SplitAfter(kept.String(), "COMMIT\n")
		slices.Sort(tables)
		saved += strings.Join(tables, "")
	}
	return saved
}

// Every rule set of the corpus that the legacy programs load is carried into
// another namespace, and is there what they print of the first, with counters
// and with the sets under other indices.
func TestReplaceLegacyCorpus(t *testing.T) {
	dir := corpusDir(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.save[46]"))
	if err != nil {
		t.Fatal(err)
	}
	var carried atomic.Int32
	t.Cleanup(func() {
		if t.Logf("%d files carried", carried.Load()); carried.Load() < 60 {
			t.Error("too few")
		}
	})
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if len(text) > 500_000 {
				return
			}
			loader := loaders[filepath.Ext(f)][1]
			var tables []*netfilter.LegacyTable
			want := ""
			inside(t, func() {
				stubSets(loader, text)
				cmd := exec.Command(loader, "-c")
				cmd.Stdin = bytes.NewReader(text)
				if cmd.Run() != nil {
					return
				}
				// Counters that are none of the file's.
				before := legacySaves(t)
				reload := exec.Command(loader, "-c")
				reload.Stdin = strings.NewReader(strings.ReplaceAll(before, "[0:0] -A", "[7:77] -A"))
				if out, err := reload.CombinedOutput(); err != nil {
					t.Errorf("reload: %v: %s", err, out)
				}
				want = legacySaves(t)
				if tables, err = netfilter.LegacyTables(); err != nil {
					t.Error(err)
				}
			})
			if want == "" || t.Failed() {
				return
			}
			inside(t, func() {
				_ = exec.Command("ipset", "create", "another", "hash:ip").Run() // moves the indices
				stubSets(loader, text)
				for range 2 { // over nothing, and over itself
					n, _, err := netfilter.ReplaceLegacy(tables, netfilter.ReplaceOptions{})
					if err != nil || n != len(tables) {
						t.Errorf("%d tables of %d: %v", n, len(tables), err)
						return
					}
					if diff := cmp.Diff(want, legacySaves(t)); diff != "" {
						t.Errorf("another rule set (-want +got):\n%s", diff)
					}
				}
			})
			carried.Add(1)
		})
	}
}

// Rules that stay count every packet, also those that come while the table is
// replaced.
func TestReplaceLegacyCarriesCounters(t *testing.T) {
	inside(t, func() {
		sh(t, "iptables-legacy -A OUTPUT -p udp --dport 9; iptables-legacy -N c; iptables-legacy -A c -j ACCEPT; iptables-legacy -A OUTPUT -p udp -j c")
		tables, err := netfilter.LegacyTables()
		if err != nil {
			t.Error(err)
			return
		}
		const packets = 3000
		flood := exec.Command("bash", "-c", fmt.Sprintf("for ((i = 0; i < %d; i++)); do echo > /dev/udp/127.0.0.1/9; done 2>/dev/null", packets))
		if err := flood.Start(); err != nil {
			t.Error(err)
			return
		}
		done := make(chan error, 1)
		go func() { done <- flood.Wait() }()
		replaced := 0
		for running := true; running; replaced++ {
			if _, _, err := netfilter.ReplaceLegacy(tables, netfilter.ReplaceOptions{Carry: true}); err != nil {
				t.Error(err)
			}
			select {
			case <-done:
				running = false
			case <-time.After(time.Millisecond):
			}
		}
		got := legacySaves(t)
		for _, rule := range []string{"-A OUTPUT -p udp -m udp --dport 9", "-A OUTPUT -p udp -j c", "-A c -j ACCEPT"} {
			if !strings.Contains(got, fmt.Sprintf("[%d:%d] %s\n", packets, packets*29, rule)) {
				t.Errorf("%s has not counted %d packets:\n%s", rule, packets, got)
			}
		}
		t.Logf("replaced %d times", replaced)
	})
}

// What another program changed without the lock is noticed.
func TestReplaceLegacyAgainstOthers(t *testing.T) {
	inside(t, func() {
		sh(t, "iptables-legacy -A INPUT -j ACCEPT")
		unlock, err := netfilter.LockLegacy(context.Background(), time.Second)
		if err != nil {
			t.Error(err)
			return
		}
		if out, err := exec.Command("iptables-legacy", "-w", "1", "-A", "INPUT", "-j", "DROP").CombinedOutput(); err == nil {
			t.Errorf("the lock holds nobody: %s", out)
		}
		unlock()
		sh(t, "iptables-legacy -w -A INPUT -j DROP")
		held := exec.Command("flock", "/run/xtables.lock", "sleep", "5")
		if err := held.Start(); err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = held.Process.Kill(); _ = held.Wait() }()
		for exec.Command("flock", "-n", "/run/xtables.lock", "true").Run() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		if _, err := netfilter.LockLegacy(context.Background(), 50*time.Millisecond); !errors.Is(err, netfilter.ErrLocked) {
			t.Errorf("got %v, want ErrLocked", err)
		}
	})
}
