//go:build managers

package apply

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// managersRoot is where packaging/deps.sh managers unpacks Docker and fail2ban.
func managersRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../bin/managers/root")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root + "/usr/sbin/dockerd"); err != nil {
		t.Fatalf("%v: run packaging/deps.sh managers bin/managers", err)
	}
	return root
}

// service runs a program in the host until the test ends, with all that it
// starts: it is the first process of a pid namespace.
func (h *host) service(root, script string) (stop func()) {
	h.t.Helper()
	cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", script)
	cmd.Env = h.managersEnv(root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	h.must(cmd.Start())
	return func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if h.t.Failed() {
			said := out.String()
			h.t.Logf("%s\n%s", script, said[max(0, len(said)-3000):])
		}
	}
}

// with runs a script that may call the managers' programs.
func (h *host) with(root, script string) string {
	h.t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Env = h.managersEnv(root)
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.fatal(fmt.Sprintf("%s\n%v: %s", script, err, out))
	}
	return string(out)
}

// TestDockerd applies while a real dockerd makes and removes networks, and a
// script fills DOCKER-USER.
func TestDockerd(t *testing.T) {
	root := managersRoot(t)
	onHost(t, func(h *host) {
		dir, err := os.MkdirTemp("", "dockerd") // short: of sockets
		h.must(err)
		defer os.RemoveAll(dir)
		stop := h.service(root, "exec dockerd --data-root "+dir+"/data --exec-root "+dir+"/exec --pidfile "+dir+"/pid -H unix://"+dir+
			"/sock --storage-driver vfs --iptables=true --ip6tables=false")
		defer stop()
		docker := "docker -H unix://" + dir + "/sock "
		h.with(root, "for i in $(seq 300); do "+docker+"info >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1")
		before := h.theirs()
		base := `iptables -N DOCKER-USER; iptables -A DOCKER-USER -s 192.0.2.1 -m comment --comment ours -j DROP
iptables -A INPUT -i lo -m comment --comment ours -j ACCEPT; iptables -t nat -A POSTROUTING -o eth7 -m comment --comment ours -j MASQUERADE; `
		h.besideAManager(root, dir, `n=0
while [ ! -e DIR/stop ]; do
	docker -H unix://DIR/sock network create --subnet 10.200.$((n % 250)).0/24 net$n
	[ $n -lt 3 ] || docker -H unix://DIR/sock network rm net$((n - 3))
	n=$((n + 1))
done
docker -H unix://DIR/sock network create --subnet 10.201.0.0/24 last`,
			[2]string{base + "iptables -A FORWARD -p udp -m comment --comment ours -j DROP",
				base + "iptables -A INPUT -p tcp --dport 22 -m comment --comment ours -j ACCEPT"})
		saved := h.sh("iptables-save")
		bridges := map[string]bool{}
		for _, w := range strings.Fields(saved) {
			if strings.HasPrefix(w, "br-") {
				bridges[w] = true
			}
		}
		nets := strings.Fields(h.with(root, docker+"network ls --no-trunc -q --filter driver=bridge --filter name=net --filter name=last"))
		if len(nets) != len(bridges) || len(nets) < 2 {
			t.Errorf("%d networks, rules for %d bridges:\n%s", len(nets), len(bridges), saved)
		}
		for _, id := range nets {
			br := "br-" + id[:12]
			for _, rule := range []string{"-A FORWARD -o BR -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -o BR -j DOCKER",
				"-A FORWARD -i BR ! -o BR -j ACCEPT", "-A FORWARD -i BR -o BR -j ACCEPT", "-A DOCKER -i BR -j RETURN",
				"-A DOCKER-ISOLATION-STAGE-1 -i BR ! -o BR -j DOCKER-ISOLATION-STAGE-2", "-A DOCKER-ISOLATION-STAGE-2 -o BR -j DROP",
				"! -o BR -j MASQUERADE"} {
				if rule = strings.ReplaceAll(rule, "BR", br); !strings.Contains(saved, rule+"\n") {
					t.Errorf("Docker lost %s", rule)
				}
			}
		}
		if want := "-A DOCKER-USER -s 192.0.2.1/32 -m comment --comment ours -j DROP\n-A DOCKER-USER -j RETURN\n"; !strings.Contains(saved, want) {
			t.Errorf("DOCKER-USER:\n%s", saved)
		}
		h.with(root, docker+"network rm $("+docker+"network ls -q --filter name=net --filter name=last)")
		if after := uncounted(h.theirs()); after != uncounted(before) {
			t.Errorf("Docker cannot clean up after itself:\n%s\nbefore:\n%s", after, before)
		}
	})
}

// jails is the configuration of a jail for each of fail2ban's ways to ban.
const jails = `[DEFAULT]
backend = polling
bantime = 3600
[chain]
enabled = true
filter = sshd
logpath = DIR/none
port = 22
banaction = iptables-multiport
[set]
enabled = true
filter = sshd
logpath = DIR/none
port = 80
banaction = iptables-ipset-proto6
[native]
enabled = true
filter = sshd
logpath = DIR/none
port = 443
banaction = nftables
`

// TestFail2ban applies while a real fail2ban bans.
func TestFail2ban(t *testing.T) {
	root := managersRoot(t)
	onHost(t, func(h *host) {
		dir, err := os.MkdirTemp("", "f2b")
		h.must(err)
		defer os.RemoveAll(dir)
		h.sh("cp -r " + root + "/etc/fail2ban/. " + dir + "; rm -f " + dir + "/jail.d/*; : > " + dir + "/none")
		h.must(os.WriteFile(dir+"/jail.local", []byte(strings.ReplaceAll(jails, "DIR", dir)), 0o600))
		at := " -c " + dir + " -s " + dir + "/sock -p " + dir + "/pid "
		stop := h.service(root, "exec /usr/bin/python3 "+root+"/usr/bin/fail2ban-server"+at+"--logtarget "+dir+"/log -x -f start")
		defer stop()
		client := "/usr/bin/python3 " + root + "/usr/bin/fail2ban-client" + at
		h.with(root, "for i in $(seq 200); do "+client+"ping >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1")
		h.with(root, "for j in chain set native; do "+client+"set $j banip 198.51.100.1; done; sleep 2")
		base := "iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT; "
		h.besideAManager(root, dir, `n=0
while [ ! -e DIR/stop ]; do
	n=$((n + 1))
	for j in chain set native; do `+client+` set $j banip 192.0.2.$((n % 250)) >/dev/null; done
	[ $n -lt 10 ] || `+client+` set chain unbanip 192.0.2.$((n - 9)) >/dev/null
done
sleep 2`, [2]string{base + "iptables -A INPUT -p tcp --dport 22 -j ACCEPT", base + "iptables -t nat -A POSTROUTING -o eth7 -j MASQUERADE; iptables -A INPUT -p icmp -j ACCEPT"})
		have := h.sh("iptables-save; ipset save; nft list table inet f2b-table")
		for _, j := range []string{"chain", "set", "native"} {
			list := strings.Fields(h.with(root, client+"get "+j+" banip"))
			if len(list) < 3 {
				t.Errorf("jail %s: banned %v", j, list)
			}
			for _, ip := range list {
				found := map[string]string{"chain": "-A f2b-chain -s " + ip + "/32 -j REJECT", "set": "add f2b-set " + ip + " ", "native": ip}[j]
				if !strings.Contains(have, found) {
					t.Errorf("jail %s: the ban of %s is lost", j, ip)
				}
			}
		}
		log := h.sh("grep -E 'ERROR|CRITICAL|WARNING' " + dir + "/log || :")
		if strings.Contains(log, "ERROR") {
			t.Errorf("fail2ban complains:\n%s", log)
		}
		if t.Failed() {
			t.Log(have)
		}
	})
}
