//go:build vm

package vmtest

import (
	"strings"
	"testing"
	"time"
)

// parties prints the chains and rules of fail2ban and Docker, each with its table.
const parties = `{ iptables-save; ip6tables-save; } | awk '/^[*]/ { table = $0 } /DOCKER|f2b-|docker0|172[.]17[.]/ { print table, $0 }' | sed -e 's/\[[0-9]*:[0-9]*\]//'`

// image makes an image of Docker that sleeps.
const image = `tar -chf - /bin/sleep /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6 2>/dev/null | docker import - sleeper`

// TestParties has a real fail2ban and a real Docker write into the firewall while
// fwc replaces it.
func TestParties(t *testing.T) {
	only(t, "bookworm")
	m := boot(t, host(t))
	m.apply("old", "")
	m.run(`printf '[sshd]\nenabled = true\nbackend = systemd\nbanaction = iptables-multiport\n' >/etc/fail2ban/jail.local
		systemctl start fail2ban && systemctl start docker`)
	m.until(5*time.Minute, "fail2ban-client ping")
	m.run("fail2ban-client set sshd banip 203.0.113.5")
	m.until(5*time.Minute, "iptables-save | grep -q 'A f2b-sshd.*203.0.113.5'")
	m.run(image + " && docker run -d --name one -p 8080:80 sleeper /bin/sleep 1000")
	theirs := m.run(parties)
	t.Log(theirs)
	for _, want := range []string{"f2b-sshd", "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080", "DOCKER-ISOLATION-STAGE-1"} {
		if !strings.Contains(theirs, want) {
			t.Fatalf("no %s", want)
		}
	}
	for _, name := range []string{"new", "old", "new"} {
		m.apply(name, "")
		equal(t, "after apply "+name, theirs, m.run(parties))
		m.sound()
	}

	// They go on in what fwc left them.
	m.run("fail2ban-client set sshd banip 203.0.113.6 && fail2ban-client set sshd unbanip 203.0.113.5")
	m.until(5*time.Minute, "iptables-save | grep -q 'A f2b-sshd.*203.0.113.6' && ! iptables-save | grep -q 'A f2b-sshd.*203.0.113.5'")
	m.run("docker run -d --name two -p 8081:80 sleeper /bin/sleep 1000 && docker rm -f one")
	theirs = m.run(parties)
	m.apply("old", "")
	equal(t, "after they went on", theirs, m.run(parties))
	m.run("docker rm -f two; systemctl stop fail2ban")
	if left := m.run("iptables-save | grep -e f2b- -e 'dport 808[01].*DNAT'; true"); left != "" {
		t.Errorf("what they took away is there: %s", left)
	}
	m.sound()
}
