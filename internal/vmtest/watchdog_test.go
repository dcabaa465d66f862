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
		m.run(`setsid script -qfc 'fwc apply /root/new.artifact --confirm 20s; touch /run/applied; sleep 1000' /run/typescript >/dev/null 2>&1 &
			echo $! >/run/session`)
		m.until(time.Minute, "[ -e /run/applied ]")
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
		m.until(time.Minute, settled)
		t.Logf("back %.1fs after the commit", time.Since(began).Seconds())
		m.live("after the window", old)
		m.sound()
		m.until(20*time.Second, "! systemctl list-units --all --no-legend --plain 'fwc-watchdog-*' | grep .")
	})

	run("killed", func(t *testing.T) {
		for _, wait := range []string{"0", "0.5", "1.5"} {
			m.run("setsid fwc apply /root/new.artifact --confirm 20s >/run/out 2>&1 & echo $! >/run/pid")
			m.until(time.Minute, "systemctl list-units --no-legend --plain 'fwc-watchdog-*' | grep . || ! kill -0 $(cat /run/pid)")
			r := m.try("sleep " + wait + "; kill -9 $(cat /run/pid)")
			t.Logf("killed %ss after the watchdog came: %v %s", wait, r.code == 0, m.run("cat /run/out; fwc status | head -5"))
			began := time.Now()
			m.until(90*time.Second, "! systemctl list-units --all --no-legend --plain 'fwc-watchdog-*' | grep .")
			t.Logf("over after %.1fs", time.Since(began).Seconds())
			m.live("after fwc was killed", old)
			m.sound()
		}
	})

	run("watchdog killed", func(t *testing.T) {
		m.apply("new", "--confirm 20s")
		m.run("systemctl kill --signal=KILL 'fwc-watchdog-*'")
		m.until(time.Minute, settled)
		m.live("after systemd started the watchdog anew", old)
		m.until(20*time.Second, "! systemctl list-units --all --no-legend --plain 'fwc-watchdog-*' | grep .")
	})

	var new string
	run("confirmed", func(t *testing.T) {
		new = m.apply("new", "--confirm 20s")
		m.run("fwc confirm")
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
