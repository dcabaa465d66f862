//go:build vm

package vmtest

import (
	"strings"
	"testing"
	"time"
)

// settled holds when nothing waits and nothing is under way. fwc status would say
// so too, and take the time of the one processor from the watchdog.
const settled = `! grep -q '"pending"' /var/lib/fwc/journal.json`

// TestWatchdog has systemd run what goes back when no confirmation comes.
func TestWatchdog(t *testing.T) {
	m := boot(t, host(t))
	old := m.apply("old", "")

	run := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			m.t = t
			f(t)
		})
		m.t = t
	}

	run("terminal gone", func(t *testing.T) {
		// A session of its own with a terminal of its own, whose end is not seen
		// by fwc, but by what runs in the session.
		m.run(`setsid script -qfc 'fwc apply /root/new.artifact --confirm 45s; touch /run/applied; sleep 1000' /run/typescript >/dev/null 2>&1 &
			echo $! >/run/session`)
		m.until(5*time.Minute, "[ -e /run/applied ]")
		began := time.Now()
		t.Logf("%s", m.run("cat /run/typescript; systemctl list-units --no-legend --plain 'fwc-watchdog-*'"))
		unit := m.run("systemctl list-units --no-legend --plain 'fwc-watchdog-*' | cut -d ' ' -f 1")
		if !strings.HasPrefix(unit, "fwc-watchdog-") {
			t.Fatalf("no transient unit is the watchdog: %q", unit)
		}
		t.Logf("its control group: %s", m.run("systemctl show --value -p ControlGroup "+unit))
		m.run("kill -9 -- -$(cat /run/session) $(cat /run/session); ! pgrep -f 'fwc apply'")
		if new := m.run(saves); new == old {
			t.Error("it went back too early")
		}
		m.run("pkill -x script; pkill -f 'sleep 1000'; true")
		m.until(5*time.Minute, settled)
		t.Logf("back %.1fs after the commit", time.Since(began).Seconds())
		m.live("after the window", old)
		m.sound()
		m.until(5*time.Minute, "! systemctl list-units --all --no-legend --plain 'fwc-watchdog-*' | grep .")
	})

	run("killed", func(t *testing.T) {
		hit := 0
		for _, wait := range []string{"0", "0.5", "1.5"} {
			// One script, without a process more than it must: each takes the time
			// that fwc is to be killed in.
			r := m.try("setsid fwc apply /root/new.artifact --confirm 20s >/run/out 2>&1 & pid=$!; " +
				"until compgen -G '/var/lib/fwc/watchdog-*.lock' >/run/dog || ! kill -0 $pid; do :; done; sleep " + wait + "; kill -9 $pid")
			if r.code == 0 {
				hit++
			}
			t.Logf("killed %ss after the watchdog came: %v %s", wait, r.code == 0, m.run("cat /run/out; fwc status | head -5"))
			began := time.Now()
			m.until(5*time.Minute, "! systemctl list-units --all --no-legend --plain 'fwc-watchdog-*' | grep .")
			t.Logf("over after %.1fs", time.Since(began).Seconds())
			m.live("after fwc was killed", old)
			m.sound()
		}
		if hit == 0 {
			t.Error("fwc had ended each time")
		}
	})

	run("watchdog killed", func(t *testing.T) {
		m.apply("new", "--confirm 20s")
		m.run("systemctl kill --signal=KILL 'fwc-watchdog-*'")
		m.until(5*time.Minute, settled)
		m.live("after systemd started the watchdog anew", old)
		m.until(5*time.Minute, "! systemctl list-units --all --no-legend --plain 'fwc-watchdog-*' | grep .")
	})

	var new string
	run("confirmed", func(t *testing.T) {
		m.run("fwc apply /root/new.artifact --confirm 20s && fwc confirm")
		new = m.run(saves)
		time.Sleep(25 * time.Second)
		m.live("after the window", new)
		m.sound()
	})

	run("reboot", func(t *testing.T) {
		m.apply("old", "--confirm 10m")
		m.reboot()
		m.settled()
		m.live("after the reboot", new)
		t.Log(m.sound())
	})
}
