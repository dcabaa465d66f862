package apply

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

// natHead is an empty nat table of iptables-nft-save.
const natHead = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"

func lines(s ...string) string { return strings.Join(s, "\n") + "\n" }

// TestManagersVouch merges firewalls in which known managers have put their
// content, and what only looks like it.
func TestManagersVouch(t *testing.T) {
	dockerNAT := natHead + lines(":DOCKER - [0:0]",
		"-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
		"-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80")
	for _, tt := range []struct {
		name string
		live string
		sets string
		keep Keep
		lost []string // as Foreign.String; nothing else of live goes
	}{
		{name: "Docker of before release 28", live: dockerNAT + lines(
			"-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
			"-A POSTROUTING -s 172.18.0.0/16 ! -o br-0123456789ab -j MASQUERADE",
			"-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE", "COMMIT") +
			lines("*filter", ":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]", ":DOCKER - [0:0]", ":DOCKER-USER - [0:0]",
				"-A FORWARD -j DOCKER-USER",
				"-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
				"-A FORWARD -o docker0 -j DOCKER", "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT", "-A FORWARD -i docker0 -o docker0 -j ACCEPT",
				"-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT", "-A DOCKER-USER -j RETURN", "COMMIT")},
		{name: "Docker's bridge of another name, and one that is not Docker's", live: natHead + lines(":DOCKER - [0:0]",
			"-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
			"-A POSTROUTING -s 192.0.2.0/24 ! -o web -j SNAT --to-source 198.51.100.1",
			"-A POSTROUTING -s 192.0.2.0/24 ! -o lan -j MASQUERADE",
			"-A DOCKER -i web -j RETURN", "COMMIT"),
			lost: []string{"iptables nat -A POSTROUTING -s 192.0.2.0/24 ! -o lan -j MASQUERADE"}},
		{name: "Docker's forms without Docker's chains", live: natHead + lines("-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", "COMMIT") +
			head + "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\nCOMMIT\n",
			lost: []string{"iptables nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
				"iptables filter -A FORWARD -i docker0 ! -o docker0 -j ACCEPT"}},
		{name: "a container that Docker sends nothing to", live: dockerNAT + lines(
			"-A POSTROUTING -s 172.17.0.9/32 -d 172.17.0.9/32 -p tcp -m tcp --dport 80 -j MASQUERADE", "COMMIT"),
			lost: []string{"iptables nat -A POSTROUTING -s 172.17.0.9/32 -d 172.17.0.9/32 -p tcp -m tcp --dport 80 -j MASQUERADE"}},
		{name: "Docker's chain where Docker has no rules", live: head + lines(":DOCKER - [0:0]", "-A INPUT -j DOCKER", "-A DOCKER -j ACCEPT", "COMMIT"),
			lost: []string{"iptables filter -A INPUT -j DOCKER: Docker is not known to put rules there"}},
		{name: "a policy that Docker did not close", live: lines("*filter", ":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT DROP [0:0]",
			":DOCKER - [0:0]", "-A FORWARD -j DOCKER", "COMMIT"), lost: []string{"iptables filter -P OUTPUT DROP"}},
		{name: "a manager whose word the user does not take", keep: Keep{"!Docker", "DOCKER-USER"},
			live: head + lines(":DOCKER - [0:0]", ":DOCKER-USER - [0:0]", "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER", "COMMIT"),
			lost: []string{"iptables filter -A FORWARD -j DOCKER", "iptables filter chain DOCKER (0 rules)"}},
		{name: "Calico", sets: "create cali40masq-ipam-pools hash:net family inet hashsize 1024 maxelem 1048576\n", live: head + lines(
			":cali-FORWARD - [0:0]", `-A INPUT -m comment --comment "cali:Cz_u1IQiXIMmKD4c" -j ACCEPT`,
			`-A FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD`,
			`-A FORWARD -m comment --comment "cali:S93hcgKJrXEqnTfs" -m mark --mark 0x10000/0x10000 -j ACCEPT`, "COMMIT"),
			lost: []string{`iptables filter -A INPUT -m comment --comment "cali:Cz_u1IQiXIMmKD4c" -j ACCEPT`}},
		{name: "LXD and what borrows its comment", live: natHead + lines(
			`-A POSTROUTING -s 10.9.0.0/24 ! -d 10.9.0.0/24 -m comment --comment "generated for LXD network lxdbr0" -j MASQUERADE`, "COMMIT") +
			head + lines(`-A INPUT -i lxdbr0 -p udp -m udp --dport 53 -m comment --comment "generated for LXD network lxdbr0" -j ACCEPT`,
			`-A INPUT -i eth0 -m comment --comment "generated for LXD network lxdbr0" -j ACCEPT`,
			`-A FORWARD -o incusbr0 -m comment --comment "generated for Incus network incusbr0" -j ACCEPT`, "COMMIT"),
			lost: []string{`iptables filter -A INPUT -i eth0 -m comment --comment "generated for LXD network lxdbr0" -j ACCEPT`}},
		{name: "fail2ban", sets: "create f2b-web hash:ip family inet hashsize 1024 maxelem 65536 timeout 600\n", live: head + lines(":f2b-sshd - [0:0]",
			"-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd",
			"-A INPUT -p tcp -m multiport --dports 80 -m set --match-set f2b-web src -j REJECT --reject-with icmp-port-unreachable",
			"-A f2b-sshd -s 192.0.2.9/32 -j REJECT --reject-with icmp-port-unreachable", "-A f2b-sshd -j RETURN", "COMMIT")},
		{name: "a jail that opens", sets: "create f2b-x hash:ip family inet hashsize 1024 maxelem 65536\n", live: head + lines(
			":f2b-a - [0:0]", ":f2b-b - [0:0]", ":open - [0:0]",
			"-A INPUT -j f2b-a", "-A INPUT -j f2b-b", "-A INPUT -m set --match-set f2b-x src -j ACCEPT",
			"-A f2b-a -s 192.0.2.9/32 -j ACCEPT", "-A f2b-b -j open", "-A open -j ACCEPT", "COMMIT"),
			lost: []string{"iptables filter -A INPUT -j f2b-a", "iptables filter -A INPUT -j f2b-b", "iptables filter -A INPUT -m set --match-set f2b-x src -j ACCEPT",
				"iptables filter chain f2b-a (1 rule): fail2ban is not known to accept anything in a chain of that name",
				"iptables filter chain f2b-b (1 rule): fail2ban is not known to accept anything in a chain of that name",
				"iptables filter chain open (1 rule)"}},
		{name: "a jail that nothing returns from, and one that lets in by a set", sets: "create f2b-x hash:ip family inet hashsize 1024 maxelem 65536\ncreate in hash:ip family inet hashsize 1024 maxelem 65536\n",
			live: head + lines(":f2b-a - [0:0]", ":f2b-b - [0:0]", ":f2b-c - [0:0]",
				"-A INPUT -g f2b-a", "-A INPUT -j f2b-b", "-A INPUT -j f2b-c", "-A f2b-a -j RETURN", "-A f2b-b -j SET --add-set in src",
				"-A f2b-c -j SET --add-set f2b-x src", "COMMIT"),
			lost: []string{"iptables filter -A INPUT -g f2b-a: fail2ban is not known to go to a chain without return",
				"iptables filter -A INPUT -j f2b-b",
				"iptables filter chain f2b-b (1 rule): fail2ban is not known to accept anything in a chain of that name",
				"ipset in (0 members)"}},
		{name: "libvirt's rules of before it had chains", live: head + lines("-A INPUT -i virbr0 -p udp -m udp --dport 53 -j ACCEPT", "COMMIT"),
			lost: []string{"iptables filter -A INPUT -i virbr0 -p udp -m udp --dport 53 -j ACCEPT"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live := snap(t, tt.live, tt.sets)
			p, err := Merge(nil, &ruleset.Snapshot{}, live, MergeOptions{Keep: tt.keep, Replace: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.lost, strs(p.Lost)); diff != "" {
				t.Errorf("lost (-want +got):\n%s", diff)
			}
			if len(tt.lost) == 0 && len(p.Changes) > 0 {
				t.Errorf("changes: %v", p.Changes)
			}
			for _, f := range p.Foreign {
				if f.KeptBy == "" || f.Manager != f.KeptBy && !slices.Contains(tt.keep, f.KeptBy) {
					t.Errorf("kept by nobody: %+v", f)
				}
			}
		})
	}
}

// TestScriptFillsAManagersChain has a script put rules into DOCKER-USER, which
// Docker makes and leads packets to.
func TestScriptFillsAManagersChain(t *testing.T) {
	docker := func(user ...string) string {
		return head + lines(":DOCKER - [0:0]", ":DOCKER-USER - [0:0]", "-A FORWARD -j DOCKER-USER", "-A FORWARD -o docker0 -j DOCKER") +
			strings.Join(user, "") + "COMMIT\n"
	}
	script := func(user ...string) string {
		return head + ":DOCKER-USER - [0:0]\n" + strings.Join(user, "") + "COMMIT\n"
	}
	const one, two, ret = "-A DOCKER-USER -s 192.0.2.1/32 -j DROP\n", "-A DOCKER-USER -s 192.0.2.2/32 -j DROP\n", "-A DOCKER-USER -j RETURN\n"
	const theirs = "-A DOCKER-USER -s 198.51.100.1/32 -j DROP\n"
	for _, tt := range []struct {
		name             string
		base, ours, live string
		want             string
	}{
		{"first", "", script(one), docker(ret), docker(one, ret)},
		{"first, Docker of today", "", script(one), docker(), docker(one)},
		{"a second rule", script(one), script(one, two), docker(one, ret), docker(one, two, ret)},
		{"a rule goes", script(one, two), script(two), docker(one, two, ret), docker(two, ret)},
		{"somebody else's rule stays", script(one), script(two), docker(theirs, one, ret), docker(theirs, two, ret)},
		{"the script's own RETURN", "", script(one, ret), docker(ret), docker(one, ret)},
		{"the script leaves it alone again", script(one), head + "COMMIT\n", docker(one, ret), docker(ret)},
		{"and nothing else is in it", script(one), head + "COMMIT\n", docker(one), docker()},
		{"Docker has gone", script(one), head + "COMMIT\n", script(one), head + "COMMIT\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var base *ruleset.Snapshot
			if tt.base != "" {
				base = snap(t, tt.base, "")
			}
			p, err := Merge(base, snap(t, tt.ours, ""), snap(t, tt.live, ""), MergeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			want := snap(t, tt.want, "")
			if diff := cmp.Diff(texts(want), texts(p.Wanted)); diff != "" {
				t.Errorf("wanted (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRivals refuses to share a host with what owns its firewall, and to take
// it over in silence.
func TestRivals(t *testing.T) {
	ufw := head + lines(":ufw-before-input - [0:0]", "-A INPUT -j ufw-before-input", "-A ufw-before-input -i lo -j ACCEPT", "COMMIT")
	firewalld := head + lines(":INPUT_ZONES - [0:0]", ":IN_public - [0:0]", "-A INPUT -j INPUT_ZONES", "-A INPUT_ZONES -g IN_public", "-A IN_public -j ACCEPT", "COMMIT")
	for name, live := range map[string]string{"ufw": ufw, "firewalld": firewalld} {
		ours := snap(t, head+"-A INPUT -i lo -j ACCEPT\nCOMMIT\n", "")
		_, err := Merge(nil, ours, snap(t, live, ""), MergeOptions{})
		var foreign *ForeignError
		if !errors.As(err, &foreign) || foreign.Rival == nil || foreign.Rival.Name != name || !strings.HasPrefix(err.Error(), name+" runs this host's firewall") {
			t.Errorf("%s: %v", name, err)
		}
		p, err := Merge(nil, ours, snap(t, live, ""), MergeOptions{Replace: true})
		if err != nil || len(p.Notes) != 1 || !strings.HasPrefix(p.Notes[0], name+" puts its rules back") {
			t.Errorf("%s, replaced: %v, %v", name, err, p)
		}
		// What a script makes with the program is the script's.
		if p, err := Merge(nil, snap(t, live, ""), snap(t, live, ""), MergeOptions{}); err != nil || len(p.Changes)+len(p.Foreign) > 0 {
			t.Errorf("%s, by the script: %v, %+v", name, err, p)
		}
	}
}

func TestFormMatches(t *testing.T) {
	for _, tt := range []struct {
		form form
		rule string
		want map[string]string
	}{
		{"-i <bridge> ! -o <bridge> -j ACCEPT", "-i docker0 ! -o docker0 -j ACCEPT", map[string]string{"<bridge>": "docker0"}},
		{"-i <bridge> ! -o <bridge> -j ACCEPT", "-i docker0 ! -o eth0 -j ACCEPT", nil},
		{"-i <bridge> -j ACCEPT", "-i docker0 -p tcp -j ACCEPT", nil},
		{"-s <net> ! -o <bridge> -j MASQUERADE", `-s 10.0.0.0/8 ! -o "a b" -j MASQUERADE`, map[string]string{"<net>": "10.0.0.0/8", "<bridge>": `"a b"`}},
	} {
		if diff := cmp.Diff(tt.want, tt.form.match(tt.rule)); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", tt.form, tt.rule, diff)
		}
	}
}

// TestManagerTables checks what every entry must have.
func TestManagerTables(t *testing.T) {
	for i := range managers {
		m := &managers[i]
		for _, list := range []Keep{m.chains, m.sets, m.tables} {
			if err := list.check(); err != nil {
				t.Errorf("%s: %v", m.name, err)
			}
		}
		for _, hook := range append(slices.Clone(m.hooks), m.policies...) {
			if table, chain, _ := strings.Cut(hook, " "); !slices.Contains(tableOrder, table) || !slices.Contains(hooks, chain) {
				t.Errorf("%s: no such hook: %s", m.name, hook)
			}
		}
		for _, hook := range hooks {
			if m.chains.match(hook) != "" {
				t.Errorf("%s vouches for %s", m.name, hook)
			}
		}
	}
}
