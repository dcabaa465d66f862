//go:build vm

package vmtest

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// powerCuts is how often the power goes.
const powerCuts = 20

// committing ends a script when the change that it began is under way, or over.
const committing = ` & until read -rd '' j </var/lib/fwc/journal.json; [[ $j == *'"pending"'* ]] || ! kill -0 $!; do :; done`

// TestPowerCut takes the power away at random instants of apply. After each boot
// the firewall is the old or the new one whole. The disk has a write cache that
// is lost with the power, but for some blocks.
func TestPowerCut(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("FWC_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FWC_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))

	d := host(t)
	m := boot(t, d)
	var names = [2]string{"old", "new"}
	var want [2]string
	var digest [2]string
	for i, name := range names {
		want[i] = m.apply(name, "")
		digest[i] = m.run(`fwc status --format json | sed -n 's/.*"digest": *"\([^"]*\)".*/\1/p'`)
	}
	m.apply("old", "")
	usual := m.try("fwc apply /root/new.artifact").took
	m.live("the new one", want[1])
	m.off()

	quick := ownKernel()
	quick.line = "init=/usr/local/sbin/quick-init"
	is := 1
	var from, undone int
	for n := 0; n < powerCuts; n++ {
		began := time.Now()
		m := start(t, d, quick)
		up := time.Since(began)
		if is = m.whole(want, digest); is < 0 {
			t.Fatalf("after cut %d", n)
		}
		if n > 0 && is == from {
			undone++
		}
		// Just after a boot, the first apply takes up to three times as long as
		// usual. Every other cut is some time after the journal says that the
		// kernel is being changed: that is a tenth of the whole.
		script := "fwc apply /root/" + names[1-is] + ".artifact --allow-older"
		after, what := time.Duration(r.Int64N(int64(3*usual))), "the start"
		if n%2 == 1 {
			script += committing
			after, what = time.Duration(r.Int64N(int64(usual))), "the journal's note"
			m.try(script)
		} else {
			m.tell(script)
		}
		time.Sleep(after)
		lost, kept := m.cut(r)
		t.Logf("cut %d: up in %v with %s, apply %s cut %v after %s; of the disk's cache %d blocks lost, %d kept",
			n+1, up.Round(time.Second), names[is], names[1-is], after.Round(time.Millisecond), what, lost, kept)
		from = is
	}
	// At last a boot as it is for hosts.
	m = boot(t, d)
	if is = m.whole(want, digest); is < 0 {
		t.Error("after the last cut")
	} else if is == from {
		undone++
	}
	m.run("systemctl is-active fwc")
	t.Logf("of %d changes %d came to nothing, %d were made; an apply usually takes %v", powerCuts, undone, powerCuts-undone, usual.Round(time.Millisecond))
}

// whole returns which of the firewalls is in effect, whole and by what fwc says
// too; -1, and fails the test, if none is.
func (m *machine) whole(want, digest [2]string) int {
	m.t.Helper()
	live := m.run(saves)
	is := slices.Index(want[:], live)
	if is < 0 {
		m.t.Error("neither the old nor the new firewall")
		equal(m.t, "not the old one", want[0], live)
		equal(m.t, "not the new one", want[1], live)
	}
	status := m.try("fwc status --exit-code --format json")
	var said struct{ Applied struct{ Digest string } }
	_ = json.Unmarshal([]byte(status.out), &said)
	if status.code != 0 || is >= 0 && said.Applied.Digest != digest[is] {
		m.t.Errorf("status: exit %d, %.2000s%s\nwant digest %s", status.code, status.out, status.err, digest[max(0, is)])
	}
	if m.t.Failed() {
		m.t.Log(m.run("cat /run/boot.log /run/boot.code; ls -l /var/lib/fwc /var/lib/fwc/generations/*; cat /var/lib/fwc/journal.json; dmesg | tail -20"))
		return -1
	}
	return is
}
