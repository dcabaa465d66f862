package apply

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/atomicfile"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/verify"
)

func confirmIn(d time.Duration) func(*Options) { return func(o *Options) { o.Confirm = d } }

// watchdogs returns the processes that watch over the host's state directory.
func (h *host) watchdogs() (pids []int) {
	h.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	h.must(err)
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), "\x00watchdog\x00--state\x00"+h.dir+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// soon waits until the condition holds.
func (h *host) soon(what string, limit time.Duration, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			h.fatal("not within", limit, what)
		}
	}
}

func (h *host) status() *Status {
	h.t.Helper()
	st, err := Inspect(h.ctx, h.options())
	h.must(err)
	return st
}

// settled says whether no change is under way or waits.
func (h *host) settled() bool {
	h.t.Helper()
	j, err := readJournal(h.dir)
	h.must(err)
	return j.Pending == nil
}

// gone expects the watchdogs to end and to leave nothing behind.
func (h *host) gone() {
	h.t.Helper()
	h.soon("the watchdog ends", 15*time.Second, func() bool {
		files, _ := filepath.Glob(watchdogFile(h.dir, "*"))
		return len(h.watchdogs()) == 0 && len(files) == 0
	})
}

func TestConfirmKeeps(t *testing.T) {
	onHost(t, func(h *host) {
		sa, sb := h.built(scriptA), h.built(scriptB)
		h.applied(sa)
		r := h.applied(sb, confirmIn(time.Minute))
		if r.Generation != 2 || r.ConfirmBy == nil || time.Until(*r.ConfirmBy) > time.Minute {
			t.Errorf("result %+v", r)
		}
		h.is(sb)
		st := h.status()
		if w := st.Window; w == nil || w.Generation != 2 || w.Former != 1 || !w.Watched || w.Left <= 0 || w.Left > time.Minute {
			t.Errorf("window %+v", st.Window)
		}
		if st.Applied == nil || st.Applied.Number != 2 || st.Confirmed || len(st.Drift) > 0 || st.Busy || st.Unfinished != nil {
			t.Errorf("status %+v", st)
		}
		list, err := History(h.dir)
		h.must(err)
		if len(list) != 2 || list[0].Number != 2 {
			t.Errorf("history %+v", list)
		}
		var waiting *WaitingError
		if _, err := h.apply(sa); !errors.Is(err, ErrBusy) || !errors.As(err, &waiting) || waiting.Generation != 2 {
			t.Errorf("a second apply: %v", err)
		}
		// The boot's service, started by hand.
		if r, err := Boot(h.ctx, h.judge(verify.Trust{}, "", "")); r != nil || !errors.As(err, &waiting) || errors.As(err, new(*LockdownError)) {
			t.Errorf("a boot while it waits: %+v, %v", r, err)
		}
		h.is(sb)
		g, err := Confirm(h.ctx, h.options())
		h.must(err)
		if g.Number != 2 {
			t.Errorf("confirmed %+v", g)
		}
		h.gone()
		if st = h.status(); st.Window != nil || !st.Confirmed || st.Applied.Number != 2 || st.Undone != nil {
			t.Errorf("status %+v", st)
		}
		if _, err := Confirm(h.ctx, h.options()); !errors.Is(err, ErrNothingWaits) {
			t.Errorf("a second confirm: %v", err)
		}
		h.is(sb)
	})
}

func TestUnconfirmedGoesBack(t *testing.T) {
	onHost(t, func(h *host) {
		sa, sb := h.built(scriptA), h.built(scriptB)
		h.applied(sa)
		h.traffic()
		before := h.saves()
		h.applied(sb, confirmIn(3*time.Second))
		h.is(sb)
		h.soon("the former firewall is back", 15*time.Second, h.settled)
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("not as before (-want +got):\n%s", diff)
		}
		h.gone()
		st := h.status()
		if st.Undone == nil || st.Undone.Generation != 2 || !strings.Contains(st.Undone.Why, "not confirmed in time") || len(st.Drift) > 0 {
			t.Errorf("status %+v", st)
		}
		if _, err := Confirm(h.ctx, h.options()); !errors.Is(err, ErrNothingWaits) || !strings.Contains(err.Error(), "not confirmed in time") {
			t.Errorf("a late confirm: %v", err)
		}
		h.applied(sb)
		if st = h.status(); st.Undone != nil {
			t.Errorf("status %+v", st)
		}
	})
}

func TestRollbackEndsTheWindow(t *testing.T) {
	onHost(t, func(h *host) {
		sa, sb := h.built(scriptA), h.built(scriptB)
		h.applied(h.built("iptables -A INPUT -j ACCEPT"))
		h.applied(sa)
		before := h.saves()
		h.applied(sb, confirmIn(time.Minute))
		r, err := Rollback(h.ctx, Previous, h.options())
		h.must(err)
		if r.Result != RolledBack || r.Generation != 2 || r.Digest != "artifact-2" || len(r.Changes) == 0 {
			t.Errorf("result %+v", r)
		}
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("not as before (-want +got):\n%s", diff)
		}
		h.gone()
		h.applied(sb, confirmIn(time.Minute))
		r, err = Rollback(h.ctx, 1, h.options())
		h.must(err)
		if r.Generation != 1 {
			t.Errorf("result %+v", r)
		}
		h.gone()
	})
}

// halfway is a Committer that does half of what it should.
type halfway struct{ h *host }

func (c halfway) Commit(context.Context, *State, *State) (Outcome, error) {
	c.h.sh("iptables -F")
	return Outcome{}, errors.New("halfway")
}

// TestRollbackCutShortCannotBeConfirmed lets the rollback of what waits fail
// half-way: it is no firewall to confirm, and the watchdog ends what it began.
func TestRollbackCutShortCannotBeConfirmed(t *testing.T) {
	onHost(t, func(h *host) {
		sa := h.built(scriptA)
		h.applied(sa)
		h.applied(h.built(scriptB), confirmIn(time.Minute))
		opts := h.options()
		opts.Committer = halfway{h}
		if _, err := Rollback(h.ctx, Previous, opts); !errors.Is(err, ErrNotRestored) {
			t.Errorf("error %v", err)
		}
		if _, err := Confirm(h.ctx, h.options()); !errors.Is(err, ErrTooLate) && !errors.Is(err, ErrNothingWaits) {
			t.Errorf("error %v", err)
		}
		h.is(sa)
		h.gone()

		h.applied(h.built(scriptB), confirmIn(time.Minute))
		if _, err := Rollback(h.ctx, Previous, opts); !errors.Is(err, ErrNotRestored) {
			t.Errorf("error %v", err)
		}
		h.soon("the watchdog goes back", 15*time.Second, h.settled)
		h.is(sa)
		h.gone()
	})
}

// TestConfirmNeedsItsCheck lets a failing check undo before any window opens.
func TestConfirmNeedsItsCheck(t *testing.T) {
	onHost(t, func(h *host) {
		sa := h.built(scriptA)
		h.applied(sa)
		_, err := h.apply(h.built(scriptB), confirmIn(time.Minute), func(o *Options) { o.Check = "false" })
		if !errors.Is(err, ErrUndone) {
			t.Errorf("error %v", err)
		}
		h.is(sa)
		if st := h.status(); st.Window != nil || st.Unfinished != nil || st.Applied.Number != 1 {
			t.Errorf("status %+v", st)
		}
		h.gone()
	})
}

// TestWatchdogOutlivesItsApply kills the apply at each step: a change that was
// cut short is undone at once, one that waits when its time is up.
func TestWatchdogOutlivesItsApply(t *testing.T) {
	for _, point := range []string{"journal", "tables", "readback", "settle", ""} {
		t.Run("at "+point, func(t *testing.T) {
			onHost(t, func(h *host) {
				h.applied(h.built(scriptA))
				before := h.saves()
				h.window = 2 * time.Second
				victim := h.victim(h.built(scriptB), point)
				began := time.Now()
				_ = victim.Wait()
				if point == "" {
					h.soon("the change waits", 5*time.Second, func() bool { n, err := Waiting(h.dir); return n != 0 && err == nil })
				}
				h.soon("the former firewall is back", 15*time.Second, h.settled)
				if took := time.Since(began); point == "" && took < time.Second {
					t.Errorf("undone after %v", took)
				}
				if diff := cmp.Diff(before, h.saves()); diff != "" {
					t.Errorf("not as before (-want +got):\n%s", diff)
				}
				h.gone()
			})
		})
	}
}

// TestGuardUndoes kills an apply that asks for no confirmation: it is undone
// without another start.
func TestGuardUndoes(t *testing.T) {
	for _, point := range []string{"journal", "tables", "settle", ""} {
		t.Run("at "+point, func(t *testing.T) {
			onHost(t, func(h *host) {
				sa, sb := h.built(scriptA), h.built(scriptB)
				h.applied(sa)
				h.window = -1
				_ = h.victim(sb, point).Wait()
				h.gone()
				if st := h.status(); st.Unfinished != nil || len(st.Drift) > 0 {
					t.Errorf("status %+v", st)
				}
				h.is(map[bool]*ruleset.Snapshot{true: sb, false: sa}[point == ""])
			})
		})
	}
}

// TestCheckDiesWithItsGroup lets a check hang that has started others.
func TestCheckDiesWithItsGroup(t *testing.T) {
	onHost(t, func(h *host) {
		h.applied(h.built(":"))
		file := h.dir + "/pids"
		_, err := h.apply(h.built("iptables -A INPUT -p tcp --dport 22 -j ACCEPT"), confirmIn(time.Minute), func(o *Options) {
			o.Check, o.CheckTimeout = "(echo $$; sleep 99 & echo $!; sh -c 'echo $$; sleep 99') > "+file, 2*time.Second
		})
		var refused *CheckError
		if !errors.As(err, &refused) {
			t.Errorf("error %v", err)
		}
		text, err := os.ReadFile(file)
		h.must(err)
		pids := strings.Fields(string(text))
		if len(pids) != 3 {
			t.Errorf("processes %q", pids)
		}
		h.soon("its processes end", 10*time.Second, func() bool {
			for _, pid := range pids {
				stat, err := os.ReadFile("/proc/" + pid + "/stat")
				if err == nil && !strings.Contains(string(stat), ") Z ") {
					return false
				}
			}
			return true
		})
		h.is(&ruleset.Snapshot{})
	})
}

// TestWatchdogHeedsNoSignal sends what a closed terminal and an impatient
// administrator send.
func TestWatchdogHeedsNoSignal(t *testing.T) {
	onHost(t, func(h *host) {
		h.applied(h.built(scriptA))
		before := h.saves()
		h.applied(h.built(scriptB), confirmIn(3*time.Second))
		pids := h.watchdogs()
		if len(pids) != 1 {
			h.fatal("watchdogs", pids)
		}
		for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT} {
			h.must(syscall.Kill(pids[0], sig))
		}
		if sid, _, _ := syscall.Syscall(syscall.SYS_GETSID, uintptr(pids[0]), 0, 0); int(sid) != pids[0] {
			t.Errorf("session %d of watchdog %d", sid, pids[0])
		}
		h.soon("the former firewall is back", 15*time.Second, h.settled)
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("not as before (-want +got):\n%s", diff)
		}
		h.gone()
	})
}

// TestWallClockDoesNotCount moves the time in the journal that people read, as a
// clock that is set would.
func TestWallClockDoesNotCount(t *testing.T) {
	for _, year := range []string{"1970", "2999"} {
		t.Run(year, func(t *testing.T) {
			onHost(t, func(h *host) {
				sa := h.built(scriptA)
				h.applied(sa)
				h.applied(h.built(scriptB), confirmIn(4*time.Second))
				text, err := os.ReadFile(journalPath(h.dir))
				h.must(err)
				moved := regexp.MustCompile(`("confirmBy": ")\d+`).ReplaceAllString(string(text), "${1}"+year)
				h.must(atomicfile.Write(journalPath(h.dir), []byte(moved), 0o600))
				time.Sleep(500 * time.Millisecond) // for the watchdog to see it
				if w := h.status().Window; w == nil || w.Left > 4*time.Second || w.By.Format("2006") != year {
					t.Errorf("window %+v", w)
				}
				h.soon("the former firewall is back", 15*time.Second, h.settled)
				h.is(sa)
			})
		})
	}
}

func TestSystemdRun(t *testing.T) {
	got := strings.Join(systemdArgs("abc", "/usr/sbin/fwc", []string{"watchdog", "--name", "abc"}), " ")
	for _, want := range []string{"--unit=fwc-watchdog-abc", "--service-type=exec", "--property=Restart=on-failure", " --setenv=PATH=", " -- /usr/sbin/fwc watchdog --name abc"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %s", want, got)
		}
	}
}

// TestKilledWatchdogShows kills it: status says so, and whoever comes next goes
// back.
func TestKilledWatchdogShows(t *testing.T) {
	onHost(t, func(h *host) {
		sa := h.built(scriptA)
		h.applied(sa)
		h.applied(h.built(scriptB), confirmIn(3*time.Second))
		for _, pid := range h.watchdogs() {
			h.must(syscall.Kill(pid, syscall.SIGKILL))
		}
		h.soon("status tells", 3*time.Second, func() bool { w := h.status().Window; return w != nil && !w.Watched })
		h.soon("the time is up", 15*time.Second, func() bool { return h.status().Unfinished != nil })
		if u := h.status().Unfinished; !u.Unconfirmed || u.Generation != 2 {
			t.Errorf("unfinished %+v", u)
		}
		if _, err := Confirm(h.ctx, h.options()); !errors.Is(err, ErrTooLate) {
			t.Errorf("a late confirm: %v", err)
		}
		h.is(sa)
		h.applied(h.built(scriptB), confirmIn(time.Minute)) // and the dead one's file goes
		_, err := Confirm(h.ctx, h.options())
		h.must(err)
		h.gone()
	})
}

// TestUnconfirmedSerialDoesNotCount takes an artifact that was applied before
// after a newer one was not confirmed.
func TestUnconfirmedSerialDoesNotCount(t *testing.T) {
	onHost(t, func(h *host) {
		now := uint64(time.Now().Unix())
		a, trustA := h.signed(h.built(scriptA), now)
		b, trustB := h.signed(h.built(scriptB), now+1)
		take := func(data []byte, trust verify.Trust, opts Options) {
			t.Helper()
			accepted, err := h.accept(data, trust)
			h.must(err)
			opts.State = h.dir
			_, err = Apply(h.ctx, accepted, opts)
			h.must(err)
		}
		take(a, trustA, Options{})
		take(b, trustB, Options{Confirm: time.Minute})
		_, err := Rollback(h.ctx, Previous, h.options())
		h.must(err)
		take(a, trustA, Options{})
		take(b, trustB, Options{Confirm: time.Minute})
		_, err = Confirm(h.ctx, h.options())
		h.must(err)
		if _, err := h.accept(a, trustA); !errors.Is(err, verify.ErrOlder) {
			t.Errorf("the older artifact after the confirmation: %v", err)
		}
		take(b, trustB, Options{})
	})
}
