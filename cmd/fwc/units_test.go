package main_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const unitDir = "../../packaging/systemd"

// rivals are services that replace or flush the firewall.
var rivals = []string{"iptables.service", "ip6tables.service", "netfilter-persistent.service", "nftables.service",
	"ufw.service", "firewalld.service"}

// TestUnits holds the units to what makes them safe.
func TestUnits(t *testing.T) {
	boot := unit(t, "fwc.service")
	for _, want := range []struct{ key, value string }{
		{"Unit.DefaultDependencies", "no"},
		{"Unit.Before", "network-pre.target"},
		{"Unit.Wants", "network-pre.target"},
		{"Unit.After", "local-fs.target"},
		{"Unit.After", "systemd-sysctl.service"},
		{"Unit.Before", "shutdown.target"},
		{"Unit.Conflicts", "shutdown.target"},
		{"Unit.RequiresMountsFor", "/var/lib/fwc"},
		{"Service.Type", "oneshot"},
		{"Service.RemainAfterExit", "yes"},
		{"Service.ExecStart", "--boot"},
		{"Service.StateDirectoryMode", "0700"},
		{"Install.WantedBy", "multi-user.target"},
	} {
		if !slices.Contains(boot[want.key], want.value) {
			t.Errorf("fwc.service: %s is %v, without %s", want.key, boot[want.key], want.value)
		}
	}
	for _, r := range rivals {
		// Without the order, a rival that is stopped might flush afterwards.
		if !slices.Contains(boot["Unit.Conflicts"], r) || !slices.Contains(boot["Unit.After"], r) {
			t.Errorf("fwc.service: no Conflicts and After of %s", r)
		}
	}
	if boot["Service.ExecStop"] != nil {
		t.Error("fwc.service: stopping it must not open the host")
	}
	drift := unit(t, "fwc-drift.service")
	if !slices.Equal(drift["Service.ExecStart"], []string{"/usr/sbin/fwc", "status", "--exit-code"}) {
		t.Errorf("fwc-drift.service: %v", drift["Service.ExecStart"])
	}
	if timer := unit(t, "fwc-drift.timer"); timer["Timer.OnUnitActiveSec"] == nil || !slices.Contains(timer["Install.WantedBy"], "timers.target") {
		t.Errorf("fwc-drift.timer: %v", timer)
	}
	for _, u := range []map[string][]string{boot, drift} {
		// The trial makes namespaces; iptables-legacy loads modules, and sysctls
		// are written.
		if !slices.Equal(u["Service.RestrictNamespaces"], []string{"net", "mnt"}) || u["Service.ProtectKernelModules"] != nil ||
			u["Service.ProtectKernelTunables"] != nil || u["Service.PrivateNetwork"] != nil {
			t.Errorf("a sandbox that breaks fwc: %v", u)
		}
	}
}

// unit reads a unit: "Section.Key" to the words of all its lines.
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(unitDir, name))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	section := ""
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok {
				t.Fatalf("%s: %q", name, line)
			}
			out[section+"."+key] = append(out[section+"."+key], strings.Fields(value)...)
		}
	}
	return out
}

// TestUnitsVerify has systemd read the units, where it is installed.
func TestUnitsVerify(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not here: TestUnits alone holds the units")
		return
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"verify", "--man=no", "--recursive-errors=no"}
	for _, name := range []string{"fwc.service", "fwc-drift.service", "fwc-drift.timer"} {
		text, err := os.ReadFile(filepath.Join(unitDir, name))
		if err != nil {
			t.Fatal(err)
		}
		// It looks for the program.
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "/usr/sbin/fwc", program)), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command(tool, args...).CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
