//go:build vm

package vmtest

import "testing"

// TestSkew applies, on purpose, what was built with another kernel and another
// iptables. Either the firewall is the one that a build on the guest makes, or
// nothing of it is there.
func TestSkew(t *testing.T) {
	m := boot(t, host(t))
	r := m.try("FWC_KEY_PASSPHRASE='" + passphrase + "' /mnt/fwc build /mnt/skew.sh --key /mnt/vm.key -o /root/skew.artifact")
	if r.code != 0 {
		t.Fatalf("build in the guest: exit %d\n%s%s", r.code, r.out, r.err)
	}
	r = m.try("fwc apply /mnt/skew.artifact --accept-kernel '>= 5.10' --accept-iptables '>= 1.8.7'")
	t.Logf("exit %d after %.1fs\n%s%s", r.code, r.took.Seconds(), r.out, r.err)
	live := m.run(saves)
	switch r.code {
	case 0:
		m.sound()
		m.reboot()
		m.settled()
		m.run("mountpoint -q /mnt || mount -o ro /dev/vdb /mnt")
		m.live("after a boot", live)
		t.Log(m.run("journalctl -b -u fwc.service -o cat --no-pager") + m.sound())
	case 6:
		if m.try("{ iptables-save; ip6tables-save; ebtables-save; arptables-save; } | grep -e '^-A' -e DROP").code == 0 {
			t.Errorf("a refused artifact left: %s", live)
		}
	default:
		t.Fatal("neither applied nor refused by its trial")
	}
	// The saves of the guest's own tools tell the two apart, where they differ.
	own := m.apply("skew", "")
	if r.code == 0 {
		equal(t, "not what the guest's own build makes", own, live)
	}
	m.sound()
}
