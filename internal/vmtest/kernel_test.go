//go:build vm

package vmtest

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestOtherKernel has a guest refuse what was built for this machine, and take
// what was built for it: the modules come as the rules need them.
func TestOtherKernel(t *testing.T) {
	m := boot(t, host(t))
	before := m.run(modules)
	t.Logf("modules before: %s", before)
	// ip_tables is there without fwc, by systemd, and on Debian 13 nfnetlink too.
	for _, name := range []string{"nf_tables", "nf_conntrack", "ip_set", "xt_multiport"} {
		if strings.Contains(before, name) {
			t.Errorf("%s is loaded already", name)
		}
	}
	r := m.try("fwc apply /mnt/machine.artifact")
	t.Logf("exit %d after %.1fs: %s", r.code, r.took.Seconds(), r.err)
	if r.code != 3 || !strings.Contains(r.err, "kernel is ") {
		t.Errorf("an artifact for another kernel: exit %d, want 3:\n%s%s", r.code, r.out, r.err)
	}
	t.Logf("modules after the refusal: %s", m.run(modules))
	if live := m.run("nft list ruleset; ipset list -n"); live != "" {
		t.Errorf("a refused artifact left: %s", live)
	}

	equal(t, "live, not the artifact's", m.run(dumped("old")), m.apply("old", ""))
	m.sound()
	t.Logf("modules after: %s", m.run(modules))
}

// TestOneTransaction changes the whole firewall and goes back, and counts the
// generations that the kernel had.
func TestOneTransaction(t *testing.T) {
	m := boot(t, host(t))
	m.apply("old", "")
	for _, step := range []struct{ command, want string }{
		{"apply /root/new.artifact", "new"},
		{"apply /root/old.artifact --allow-older", "old"},
		{"rollback", "new"},
		{"rollback 1", "old"},
	} {
		m.run("nft monitor >/run/monitor 2>/dev/null & echo $! >/run/monitor.pid; sleep 2")
		r := m.try("fwc " + step.command + " --format json")
		if r.code != 0 {
			t.Fatalf("%s: exit %d\n%s%s", step.command, r.code, r.out, r.err)
		}
		m.run("sleep 1; kill $(cat /run/monitor.pid)")
		seen := strings.Count(m.run("cat /run/monitor"), "new generation")
		var said struct {
			Transactions, CommitMillis int
			Fallback                   string
		}
		if err := json.Unmarshal([]byte(r.out), &said); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.1fs, %d generations seen, %d transactions, commit %d ms: %s",
			step.command, r.took.Seconds(), seen, said.Transactions, said.CommitMillis, said.Fallback)
		// Sets that change with rules get their names back in a second one.
		if seen == 0 || seen > said.Transactions || said.Transactions > 2 || said.Transactions == 2 && !strings.HasPrefix(said.Fallback, "sets ") {
			t.Errorf("%s: %d generations, %d transactions, fallback %q", step.command, seen, said.Transactions, said.Fallback)
		}
		m.live(step.command, m.run(dumped(step.want)))
		m.sound()
	}
}
