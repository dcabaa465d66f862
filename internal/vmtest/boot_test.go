//go:build vm

package vmtest

import (
	"strconv"
	"strings"
	"testing"
)

// TestBoot has systemd bring the firewall back before there is a network.
func TestBoot(t *testing.T) {
	m := boot(t, host(t))
	want := m.apply("old", "")
	m.reboot()
	m.settled()
	t.Logf("fwc.service: %s", m.run("journalctl -b -u fwc.service -o cat --no-pager"))
	if r := m.try("systemctl is-active fwc"); r.code != 0 {
		t.Errorf("fwc.service is %s%s", r.out, m.try("systemctl status --no-pager -l fwc").out)
	}
	m.live("after the boot", want)
	t.Log(m.sound())
	if failed := m.run("systemctl list-units --failed --no-legend --plain"); failed != "" {
		t.Errorf("failed: %s", failed)
	}

	began := m.moment("fwc.service", "ExecMainStartTimestampMonotonic")
	done := m.moment("fwc.service", "ExecMainExitTimestampMonotonic")
	pre := m.moment("network-pre.target", "ActiveEnterTimestampMonotonic")
	network := m.moment("systemd-networkd.service", "ExecMainStartTimestampMonotonic")
	t.Logf("seconds since the kernel's start: fwc.service %.2f to %.2f, network-pre.target %.2f, systemd-networkd %.2f", began, done, pre, network)
	if !(0 < began && began < done && done <= pre && pre <= network) {
		t.Error("the firewall did not come before the network")
	}
	if up := m.run("networkctl --no-legend list eth0; ip -br addr show dev eth0"); !strings.Contains(up, "192.0.2.1/24") {
		t.Errorf("the network is not up: %s", up)
	}

	m.run("systemctl enable --now fwc-drift.timer && systemctl start fwc-drift.service && systemctl is-active fwc-drift.timer")
	m.run("iptables -A INPUT -p tcp --dport 4444 -j ACCEPT")
	if r := m.try("systemctl start fwc-drift.service"); r.code == 0 {
		t.Error("fwc-drift.service did not see a rule that came")
	}
	drift := m.run("journalctl -b -u fwc-drift.service -o cat --no-pager")
	t.Log(drift)
	if !strings.Contains(drift, "--dport 4444") {
		t.Error("its journal does not name the rule")
	}
	m.run("iptables -D INPUT -p tcp --dport 4444 -j ACCEPT; systemctl stop fwc.service")
	m.live("after the service was stopped", want)
}

// moment returns a property of a unit in seconds since the kernel's start.
func (m *machine) moment(unit, property string) float64 {
	m.t.Helper()
	text := m.run("systemctl show --value -p " + property + " " + unit)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		m.t.Fatalf("%s of %s: %v", property, unit, err)
	}
	return n / 1e6
}
