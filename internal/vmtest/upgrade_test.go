//go:build vm

package vmtest

import (
	"strings"
	"testing"
)

// peer makes a network with another host in it, a namespace of two addresses:
// the guest is .65, the peer .66 and .67.
const peer = `set -e
ip netns add peer
ip link add wan0 type veth peer name eth0 netns peer
ip addr add 192.0.2.65/26 dev wan0
ip link set wan0 up
ip -n peer addr add 192.0.2.66/26 dev eth0
ip -n peer addr add 192.0.2.67/26 dev eth0
ip -n peer link set eth0 up
for port in 22 8000; do nc -lk $port </dev/null >/dev/null 2>&1 & done
ip netns exec peer nc -lk 7000 </dev/null >/dev/null 2>&1 &
sleep 2`

// TestUpgrade boots a host with another kernel than the one that its firewall was
// built for.
func TestUpgrade(t *testing.T) {
	only(t, "bookworm")
	d := host(t)
	m := boot(t, d)
	old := m.apply("old", "")
	m.off()

	m = start(t, d, otherKernel())
	m.settled()
	m.run("mountpoint -q /mnt || mount -o ro /dev/vdb /mnt")
	t.Logf("kernel %s: %s", m.run("uname -r"), m.run("journalctl -b -u fwc.service -o cat --no-pager"))
	m.run("systemctl is-active fwc")
	m.live("compatible", old)
	if status := m.sound(); !strings.HasPrefix(status, "NOT BUILT FOR THIS HOST") {
		t.Errorf("status does not begin with the mismatch: %s", status)
	} else {
		t.Log(status)
	}
	m.run(peer)
	m.reaches("compatible", map[string]bool{"peer .66 22": false, "peer .66 8000": true, "lo 8000": true, "out 7000": true})

	m.run("printf 'boot = lockdown\nmanagement-ports = 22\nmanagement-from = 192.0.2.66/32\n' >/etc/fwc/policy.conf")
	m.reboot()
	m.settled()
	m.run("mountpoint -q /mnt || mount -o ro /dev/vdb /mnt")
	t.Log(m.run("journalctl -b -u fwc.service -o cat --no-pager; nft list table inet fwc_lockdown"))
	if r := m.try("systemctl is-failed fwc"); r.code != 0 {
		t.Errorf("the service did not fail: %s", r.out)
	}
	r := m.try("fwc status --exit-code")
	t.Logf("%.600s", r.out)
	if r.code != 1 || !strings.HasPrefix(r.out, "LOCKED DOWN") {
		t.Errorf("status: exit %d\n%s%s", r.code, r.out, r.err)
	}
	m.run(peer)
	m.reaches("lockdown", map[string]bool{"peer .66 22": true, "peer .67 22": false, "peer .66 8000": false, "lo 8000": true, "out 7000": true})

	// The way out: a build for this kernel.
	m.run("FWC_KEY_PASSPHRASE='" + passphrase + "' /mnt/fwc build /mnt/old.sh --key /mnt/vm.key --serial 3 -o /root/again.artifact")
	equal(t, "after the lockdown", m.run(dumped("again")), m.apply("again", ""))
	if m.try("nft list table inet fwc_lockdown").code == 0 {
		t.Error("the lockdown stayed")
	}
	t.Log(m.sound())
	m.reaches("built anew", map[string]bool{"peer .66 22": false, "peer .66 8000": true})
}

// reaches sends real packets and holds what gets through to what should.
func (m *machine) reaches(what string, want map[string]bool) {
	m.t.Helper()
	for way, through := range want {
		part := strings.Fields(way)
		to := part[len(part)-1]
		var script string
		switch part[0] {
		case "peer":
			script = "ip netns exec peer nc -z -w 3 -s 192.0.2" + part[1] + " 192.0.2.65 " + to
		case "lo":
			script = "nc -z -w 3 127.0.0.1 " + to
		case "out":
			script = "nc -z -w 3 192.0.2.66 " + to
		}
		if got := m.try(script).code == 0; got != through {
			m.t.Errorf("%s: %s gets through: %v, want %v", what, way, got, through)
		} else {
			m.t.Logf("%s: %s gets through: %v", what, way, got)
		}
	}
}
