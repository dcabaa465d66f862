//go:build vm

package vmtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

var installed struct {
	once sync.Once
	disk *disk
}

// install is what an administrator does, and what a pipeline does for a host of
// this release: /root/old and /root/new are artifacts for it.
const install = `set -e
mount -o ro /dev/vdb /mnt
install -m 755 /mnt/fwc-host /usr/sbin/fwc
install -m 755 /mnt/quick-init /usr/local/sbin/quick-init
cp /mnt/systemd/* /etc/systemd/system/
mkdir -p /etc/fwc/trusted.d
cp /mnt/vm.pub /etc/fwc/trusted.d/
chmod 755 /etc/fwc /etc/fwc/trusted.d
chmod 644 /etc/fwc/trusted.d/vm.pub
systemctl daemon-reload
systemctl enable -q fwc.service`

// host returns a disk with fwc installed, its service enabled, and nothing
// applied yet.
func host(t *testing.T) *disk {
	t.Helper()
	installed.once.Do(func() {
		d, err := openDisk(cache + "/disk.img")
		if err != nil {
			t.Fatal(err)
		}
		m := start(t, d, ownKernel())
		m.settled()
		t.Logf("modules without fwc: %s", m.run(modules))
		m.run(install)
		m.t.Logf("%s", m.run("uname -r; iptables -V; ipset -v; nft -v; systemctl --version | head -1"))
		for i, name := range []string{"old", "new"} {
			r := m.try("FWC_KEY_PASSPHRASE='" + passphrase + "' /mnt/fwc build /mnt/" + name + ".sh --key /mnt/vm.key" +
				" --serial " + string(rune('1'+i)) + " -o /root/" + name + ".artifact")
			if r.code != 0 {
				t.Fatalf("build in the guest: exit %d\n%s%s", r.code, r.out, r.err)
			}
			t.Logf("built %s in the guest in %.1fs", name, r.took.Seconds())
		}
		m.off()
		installed.disk = d
	})
	if installed.disk == nil {
		t.Fatal("fwc could not be installed")
	}
	return installed.disk.fork()
}

// boot starts the host with its own kernel and waits until all is up.
func boot(t *testing.T, d *disk) *machine {
	t.Helper()
	m := start(t, d, ownKernel())
	m.settled()
	m.run("mountpoint -q /mnt || mount -o ro /dev/vdb /mnt")
	return m
}

// saves prints the live firewall as plain would. Legacy tools run only where they
// have tables: they would make them.
const saves = `{ iptables-save; ip6tables-save; ebtables-save; arptables-save
ipset save | sort
for f in ip ip6; do ! [ -s /proc/net/${f}_tables_names ] || ${f}tables-legacy-save; done; } 2>/dev/null` + plain

// plain is a filter that leaves out what passes: comments, counters, the time that
// is left to members. The order of tables is that of their making.
const plain = ` | sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]/[0:0]/' -e 's/ initval 0x[0-9a-f]*//' -e 's/ bucketsize 12//' -e 's/ timeout [0-9]*/ timeout N/' |
	awk '/^\*/ { table = $0 } { print table "\t" $0 }' | sort -s -k 1,1`

// dumped is a script that prints an artifact as saves does the live firewall.
func dumped(name string) string {
	return fmt.Sprintf(`{ for part in iptables ip6tables ebtables arptables; do /mnt/fwc show /root/%[1]s.artifact --dump $part; done
/mnt/fwc show /root/%[1]s.artifact --dump ipset | sort; }`, name) + plain
}

// modules lists the loaded modules of netfilter.
const modules = `lsmod | awk 'NR > 1 { print $1 }' | grep -E '^(nf|xt_|ip_|ip6|ipt|ebt|arp|bridge|x_tables)' | sort | tr '\n' ' '`

// equal fails the test with the lines that differ.
func equal(t *testing.T, what, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	have := map[string]int{}
	for _, l := range strings.Split(want, "\n") {
		have[l]++
	}
	for _, l := range strings.Split(got, "\n") {
		have[l]--
	}
	var lines []string
	for l, n := range have {
		if n > 0 {
			lines = append(lines, "- "+l)
		} else if n < 0 {
			lines = append(lines, "+ "+l)
		}
	}
	slices.Sort(lines)
	t.Errorf("%s: %d lines differ:\n%s", what, len(lines), strings.Join(lines[:min(len(lines), 30)], "\n"))
}

// live fails the test unless the live firewall is a reference.
func (m *machine) live(what, want string) {
	m.t.Helper()
	equal(m.t, what, want, m.run(saves))
}

// apply applies one of the guest's artifacts, with other arguments, and returns
// the firewall as it is then.
func (m *machine) apply(name, args string) string {
	m.t.Helper()
	r := m.try("fwc apply /root/" + name + ".artifact --allow-older " + args)
	if r.code != 0 {
		m.t.Fatalf("apply %s: exit %d\n%s%s", name, r.code, r.out, r.err)
	}
	var said []string
	kept := 0
	for _, line := range strings.Split(strings.TrimSpace(r.out+r.err), "\n") {
		if strings.HasPrefix(line, "kept: ") {
			kept++
		} else {
			said = append(said, line)
		}
	}
	m.t.Logf("apply %s %s: %.1fs: %s; %d lines of what is kept", name, args, r.took.Seconds(), strings.Join(said, "; "), kept)
	return m.run(saves)
}

// sound fails the test unless fwc status finds nothing amiss.
func (m *machine) sound() string {
	m.t.Helper()
	r := m.try("fwc status --exit-code")
	if r.code != 0 {
		m.t.Errorf("fwc status: exit %d\n%s%s", r.code, r.out, r.err)
	}
	return r.out
}

// only skips what a guest of another release is not made for.
func only(t *testing.T, name string) {
	t.Helper()
	if release != name {
		t.Skipf("the guest of %s has what this needs, that of %s has not", name, release)
	}
}
