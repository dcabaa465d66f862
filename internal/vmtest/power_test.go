//go:build vm

package vmtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// powerCuts is how often the power goes.
const powerCuts = 20

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
		digest[i] = m.run("fwc status --format json | sed -n 's/.*\"digest\": *\"\\([^\"]*\\)\".*/\\1/p'")
	}
	m.apply("old", "")
	began := time.Now()
	m.apply("new", "")
	usual := time.Since(began)
	m.off()

	k := ownKernel()
	k.line = "systemd.unit=fwc-vm.target"
	is := 1
	var came [2]int
	for n := 0; ; n++ {
		began := time.Now()
		m := start(t, d, k)
		m.until(bootWait, "systemctl show -p ActiveState --value fwc | grep -v activating && systemctl show -p Job --value fwc | grep -qx ''")
		up := time.Since(began)
		live := m.run(saves)
		switch live {
		case want[0]:
			is = 0
		case want[1]:
			is = 1
		default:
			t.Errorf("cut %d: neither the old nor the new firewall", n)
			equal(t, "not the old one", want[0], live)
			equal(t, "not the new one", want[1], live)
		}
		status := m.try("fwc status --exit-code --format json")
		now := m.run("fwc status --format json | sed -n 's/.*\"digest\": *\"\\([^\"]*\\)\".*/\\1/p'")
		if status.code != 0 || now != digest[is] {
			t.Errorf("cut %d: status: exit %d, digest %s, want %s\n%s%s\n%s", n, status.code, now, digest[is], status.out, status.err,
				m.run("ls -lR /var/lib/fwc; cat /var/lib/fwc/journal.json; journalctl -b -u fwc --no-pager -o cat"))
		}
		if t.Failed() || n == powerCuts {
			break
		}
		// A little more than it takes: some end before the cut.
		after := time.Duration(r.Int64N(int64(usual * 11 / 10)))
		m.tell("fwc apply /root/" + names[1-is] + ".artifact --allow-older")
		time.Sleep(after)
		lost, kept := m.cut(r)
		t.Logf("cut %d: up in %v with %s, cut %v into apply %s; of the disk's cache %d blocks lost, %d kept",
			n+1, up.Round(time.Second), names[is], after.Round(time.Millisecond), names[1-is], lost, kept)
		came[is]++
	}
	t.Logf("usual apply %v; cut from old %d times, from new %d times", usual.Round(time.Millisecond), came[0], came[1])
}
