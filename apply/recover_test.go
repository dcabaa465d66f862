package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// The environment of a process of this test binary that applies the dumps in a
// directory and is killed at a point of it.
const (
	envState = "FWC_TEST_STATE"
	envDumps = "FWC_TEST_DUMPS"
	envDie   = "FWC_TEST_DIE"
	envKeep  = "FWC_TEST_KEEP"
	// A duration to wait for a confirmation; below 0 for a guard alone.
	envConfirm = "FWC_TEST_CONFIRM"
	// How its disk is spoiled, at which point, the how many-th time it is there:
	// "full:write journal:2".
	envSpoil = "FWC_TEST_SPOIL"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 6 && os.Args[1] == "watchdog" { // as startWatchdog has it
		if err := Watch(context.Background(), os.Args[5], Options{State: os.Args[3]}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(envState) != "" {
		os.Exit(victim())
	}
	os.Exit(m.Run())
}

// victim applies and dies on the way.
func victim() int {
	die := os.Getenv(envDie)
	spoil := spoiler(os.Getenv(envSpoil), os.Getenv(envState))
	kill := func(point string) error {
		spoil(point)
		if point == die {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	var dumps []ruleset.Dump
	dir := os.Getenv(envDumps)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		k, b, _ := ruleset.DumpOf(e.Name())
		text, rerr := os.ReadFile(filepath.Join(dir, e.Name()))
		err = errors.Join(err, rerr)
		dumps = append(dumps, ruleset.Dump{Kind: k, Backend: b, Text: text})
	}
	var s *ruleset.Snapshot
	if err == nil {
		s, err = dump.Snapshot(dumps)
	}
	if err == nil {
		opts := Options{State: os.Getenv(envState), Keep: strings.Fields(os.Getenv(envKeep)), fault: kill}.withDefaults()
		if opts.Confirm, _ = time.ParseDuration(os.Getenv(envConfirm)); opts.Confirm < 0 {
			opts.Confirm, opts.Guard = 0, true
		}
		_, err = applyCandidate(context.Background(), candidate{ours: s, generation: Generation{Digest: "victim"}}, opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	switch {
	case errors.Is(err, ErrNotRestored):
		return 7
	case errors.Is(err, ErrUndone):
		return 6
	case err != nil:
		return 1
	}
	return 0
}

// victim starts a process on the host that applies s and dies at a point.
func (h *host) victim(s *ruleset.Snapshot, die string, keep ...string) *exec.Cmd {
	h.t.Helper()
	dir := h.t.TempDir()
	for _, d := range s.Dumps {
		h.must(os.WriteFile(filepath.Join(dir, d.Name()), d.Text, 0o600))
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envState+"="+h.dir, envDumps+"="+dir, envDie+"="+die, envKeep+"="+strings.Join(keep, " "),
		envConfirm+"="+h.window.String())
	var out strings.Builder
	cmd.Stderr = &out
	h.must(cmd.Start())
	return cmd
}

// TestKilled kills an apply at each step and expects the next start to put the
// former firewall back to the byte.
func TestKilled(t *testing.T) {
	forward := ruleset.Sysctl{Key: "net.ipv4.ip_forward", Value: "1"}
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			onHost(t, func(h *host) {
				a, b := scriptA, scriptB
				if backend == "legacy" {
					a, b = legacy(a), legacy(b)
				}
				// So that a forward switch alone does not tell the interfaces.
				h.sh("echo 1 > /proc/sys/net/ipv4/conf/lo/forwarding")
				sb := h.built(b, forward)
				h.applied(h.built(a))
				h.traffic()
				before := h.saves() + h.sh("cat /proc/sys/net/ipv4/conf/*/forwarding")
				for _, point := range []string{"generation", "journal", "sets", "tables", "tables ip6tables", "native",
					"sysctls", "destroy", "readback", "settle"} {
					_ = h.victim(sb, point).Wait()
					st, err := Inspect(h.ctx, h.options())
					h.must(err)
					if (st.Unfinished != nil) != (point != "generation") {
						t.Errorf("%s: status %+v", point, st.Unfinished)
					}
					r, err := Recover(h.ctx, h.options())
					h.must(err)
					if (r != nil) != (point != "generation") {
						t.Errorf("%s: recovery %+v", point, r)
					}
					if diff := cmp.Diff(before, h.saves()+h.sh("cat /proc/sys/net/ipv4/conf/*/forwarding")); diff != "" {
						h.fatal(point, "not as before (-want +got):\n"+diff)
					}
				}
				h.applied(sb) // nothing is left in the way
				h.is(sb)
			})
		})
	}
}

// TestKilledWhileRecovering kills the apply that recovers, too.
func TestKilledWhileRecovering(t *testing.T) {
	onHost(t, func(h *host) {
		h.applied(h.built(scriptA))
		before := h.saves()
		sb := h.built(scriptB)
		_ = h.victim(sb, "readback").Wait()
		for _, point := range []string{"sets", "tables ip6tables", "destroy"} {
			_ = h.victim(sb, point).Wait()
		}
		if before == h.saves() {
			t.Error("nothing was changed")
		}
		_, err := Recover(h.ctx, h.options())
		h.must(err)
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("not as before (-want +got):\n%s", diff)
		}
	})
}

func TestRebootForgets(t *testing.T) {
	onHost(t, func(h *host) {
		h.applied(h.built("iptables -A INPUT -j ACCEPT"))
		_ = h.victim(h.built(scriptB), "readback").Wait()
		path := journalPath(h.dir)
		text, err := os.ReadFile(path)
		h.must(err)
		h.must(os.WriteFile(path, []byte(strings.ReplaceAll(string(text), bootID(), "another")), 0o600))
		before := h.saves()
		r, err := Recover(h.ctx, h.options())
		h.must(err)
		if r == nil || !r.Rebooted || h.saves() != before {
			t.Errorf("recovery %+v", r)
		}
		if g, err := Current(h.dir); err != nil || g.Number != 1 {
			t.Errorf("current %v, %v", g, err)
		}
	})
}

// TestOrphansHoldTheLock closes the lock while a restore waits for the xtables
// lock, as the death of its process does: until the restore has ended too,
// nobody may read the firewall for settled.
func TestOrphansHoldTheLock(t *testing.T) {
	onHost(t, func(h *host) {
		end := h.holdXtables()
		defer end()
		s, err := open(h.ctx, h.dir, 0)
		h.must(err)
		held := make(chan error, 1)
		go func() { // looks at files only, which are no namespace's
			time.Sleep(300 * time.Millisecond)
			s.close()
			_, err := open(h.ctx, h.dir, 100*time.Millisecond)
			held <- err
			end()
		}()
		d := ruleset.Dump{Kind: ruleset.IPTables, Backend: ruleset.Legacy, Text: []byte(head + "COMMIT\n")}
		h.must(netfilter.Restore(s.whole(h.ctx), d, netfilter.RestoreOptions{}))
		if err := <-held; !errors.Is(err, ErrBusy) {
			t.Errorf("the lock went with its process: %v", err)
		}
		again, err := open(h.ctx, h.dir, 5*time.Second)
		h.must(err)
		again.close()
	})
}

// holdXtables has another program hold the lock of the legacy backend, until
// the returned function is called.
func (h *host) holdXtables() (end func()) {
	hold := exec.Command("flock", "/run/xtables.lock", "sleep", "60")
	hold.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	h.must(hold.Start())
	h.sh("while flock -n /run/xtables.lock true; do sleep 0.02; done")
	return sync.OnceFunc(func() {
		_ = syscall.Kill(-hold.Process.Pid, syscall.SIGKILL)
		_ = hold.Wait()
	})
}

// TestKilledWhileItWaits kills an apply that waits for the xtables lock.
func TestKilledWhileItWaits(t *testing.T) {
	onHost(t, func(h *host) {
		a := h.built("iptables-legacy -A INPUT -j ACCEPT")
		defer h.holdXtables()()
		victim := h.victim(a, "")
		h.sh("for i in $(seq 500); do ! grep -q step " + journalPath(h.dir) + " 2>/dev/null || break; sleep 0.02; done; sleep 0.3")
		_ = victim.Process.Kill()
		_ = victim.Wait()
		r, err := Recover(h.ctx, h.options())
		h.must(err)
		if r == nil {
			t.Error("nothing was recovered")
		}
		h.is(&ruleset.Snapshot{})
	})
}

func TestDamagedStateIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, file, text string }{
		{"journal is no JSON", "journal.json", "{"},
		{"journal is empty", "journal.json", ""},
		{"journal is of the future", "journal.json", `{"schema":"fwc.journal/v9"}`},
		{"generation out of range", "journal.json", `{"schema":"fwc.journal/v1","current":7,"last":1}`},
		{"dump is altered", "generations/1/applied/iptables.rules", "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"},
		{"dump is junk", "generations/1/applied/iptables.rules", "junk"},
		{"stray file", "generations/1/applied/stray", ""},
		{"generation is another", "generations/1/generation.json", `{"generation":2}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				a := h.built("iptables -A INPUT -j ACCEPT")
				h.applied(a)
				before := h.saves()
				h.must(os.WriteFile(filepath.Join(h.dir, tt.file), []byte(tt.text), 0o600))
				if _, err := h.apply(h.built(":")); !errors.Is(err, ErrState) {
					t.Errorf("error %v", err)
				}
				if h.saves() != before {
					t.Error("the firewall was touched")
				}
			})
		})
	}
}

// TestLostJournalIsRefused takes the journal away: neither the way back nor
// what is applied is known then.
func TestLostJournalIsRefused(t *testing.T) {
	onHost(t, func(h *host) {
		a := h.built("iptables -A INPUT -j ACCEPT")
		_ = h.victim(a, "generation").Wait() // before any generation is the current one
		h.applied(a)
		h.must(os.Remove(journalPath(h.dir)))
		_, applied := h.apply(h.built(":"), replace)
		_, back := Rollback(h.ctx, Previous, h.options())
		_, status := Inspect(h.ctx, h.options())
		for _, err := range []error{applied, back, status} {
			if !errors.Is(err, ErrState) {
				t.Errorf("error %v", err)
			}
		}
		h.is(a)
	})
}

// TestHistoryIsBounded: the first generation stays, since the firewall of before
// fwc is stored with it.
func TestHistoryIsBounded(t *testing.T) {
	onHost(t, func(h *host) {
		h.sh("iptables -A INPUT -p tcp --dport 99 -j ACCEPT; iptables -P FORWARD DROP")
		before := h.saves()
		for i := range keepGenerations + 2 {
			h.applied(h.built(fmt.Sprintf("iptables -A INPUT -s 192.0.2.%d -j ACCEPT", i)), replace)
		}
		all, err := History(h.dir)
		h.must(err)
		if len(all) != keepGenerations+1 || all[0].Number != keepGenerations+2 || all[keepGenerations].Number != 1 {
			t.Errorf("%d generations, the latest is %d", len(all), all[0].Number)
		}
		const has = "1, 3 to 12, and 0, the firewall of before fwc"
		for n, want := range map[int]string{
			2:  "no such generation: 2 is not in the history, which has " + has,
			99: "no such generation: there was no generation 99 yet; the history has " + has,
		} {
			if _, err := Rollback(h.ctx, n, h.options()); !errors.Is(err, ErrNoGeneration) || err.Error() != want {
				t.Errorf("rollback %d: %v", n, err)
			}
		}
		r, err := Rollback(h.ctx, BeforeFWC, h.options())
		h.must(err)
		if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "generations that are no longer in the history") {
			t.Errorf("notes %q", r.Notes)
		}
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("not as before (-want +got):\n%s", diff)
		}
	})
}

// TestNumbersAreGivenOnce undoes generations: the next has another number.
func TestNumbersAreGivenOnce(t *testing.T) {
	onHost(t, func(h *host) {
		h.applied(h.built("iptables -A INPUT -i lo -j ACCEPT"))
		b := h.built("iptables -A INPUT -j DROP")
		if _, err := h.apply(b, func(o *Options) { o.Check = "false" }); !errors.Is(err, ErrUndone) { // 2
			t.Errorf("error %v", err)
		}
		_ = h.victim(b, "readback").Wait() // 3
		_, err := Recover(h.ctx, h.options())
		h.must(err)
		r := h.applied(b, confirmIn(time.Minute)) // 4
		_, err = Rollback(h.ctx, Previous, h.options())
		h.must(err)
		if again := h.applied(b); r.Generation != 4 || again.Generation != 5 {
			t.Errorf("generations %d, %d", r.Generation, again.Generation)
		}
		// A rollback takes no number.
		_, err = Rollback(h.ctx, 1, h.options())
		h.must(err)
		// A directory that was not removed in time is no generation.
		s, err := open(h.ctx, h.dir, time.Second)
		h.must(err)
		h.must(s.update(func(j *journal) { j.Void, j.Last = 6, 6 }))
		h.must(os.CopyFS(s.path(6), os.DirFS(s.path(5))))
		s.close()
		list, err := History(h.dir)
		h.must(err)
		var numbers []int
		for _, g := range list {
			numbers = append(numbers, g.Number)
		}
		if diff := cmp.Diff([]int{5, 1}, numbers); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
		if _, err := Rollback(h.ctx, 6, h.options()); !errors.Is(err, ErrNoGeneration) {
			t.Errorf("error %v", err)
		}
		if r := h.applied(b); r.Generation != 7 {
			t.Errorf("generation %d", r.Generation)
		}
		if _, err := os.Stat(s.path(6)); !os.IsNotExist(err) {
			t.Errorf("it is still there: %v", err)
		}
	})
}
