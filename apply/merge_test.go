package apply

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// snap reads an iptables-save and an ipset save.
func snap(t *testing.T, rules, sets string) *ruleset.Snapshot {
	t.Helper()
	s, err := parseTexts(rules, sets)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parseTexts(rules, sets string) (*ruleset.Snapshot, error) {
	var dumps []ruleset.Dump
	if rules != "" {
		dumps = append(dumps, ruleset.Dump{Kind: ruleset.IPTables, Backend: ruleset.NFT, Text: []byte(rules)})
	}
	if sets != "" {
		dumps = append(dumps, ruleset.Dump{Kind: ruleset.IPSet, Text: []byte(sets)})
	}
	return dump.Snapshot(dumps)
}

const head = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"

func TestMerge(t *testing.T) {
	hash := func(name string, members ...string) string {
		s := "create " + name + " hash:ip family inet hashsize 1024 maxelem 65536\n"
		for _, m := range members {
			s += "add " + name + " " + m + "\n"
		}
		return s
	}
	timed := func(members ...string) string {
		s := "create dyn hash:ip family inet hashsize 1024 maxelem 65536 timeout 600\n"
		for _, m := range members {
			s += "add dyn " + m + " timeout 600\n"
		}
		return s
	}
	gate := head + ":gate-sshd - [0:0]\n-A INPUT -p tcp -m multiport --dports 22 -j gate-sshd\n-A INPUT -i lo -j ACCEPT\n" +
		"-A gate-sshd -m set --match-set banned src -j REJECT --reject-with icmp-port-unreachable\n-A gate-sshd -j RETURN\nCOMMIT\n"
	ours := head + "-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n"
	for _, tt := range []struct {
		name             string
		base, ours, live [2]string // rules, sets; no base if both are empty
		keep             Keep
		want             [2]string
		lost             []string // as Foreign.String
	}{
		{name: "first apply on an empty host", ours: [2]string{ours}, want: [2]string{ours}},
		{name: "the same by hand before", ours: [2]string{ours}, live: [2]string{ours}, want: [2]string{ours}},
		{name: "ours of before goes",
			base: [2]string{head + "-A INPUT -s 192.0.2.1/32 -j DROP\nCOMMIT\n"},
			live: [2]string{head + "-A INPUT -s 192.0.2.1/32 -j DROP\nCOMMIT\n"},
			ours: [2]string{ours}, want: [2]string{ours}},
		{name: "what somebody deleted comes back",
			base: [2]string{ours}, live: [2]string{head + "-A INPUT -j DROP\nCOMMIT\n"}, ours: [2]string{ours}, want: [2]string{ours}},
		{name: "a foreign rule", base: [2]string{ours}, ours: [2]string{ours},
			live: [2]string{head + "-A INPUT -i lo -j ACCEPT\n-A INPUT -s 192.0.2.7/32 -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n"},
			want: [2]string{ours}, lost: []string{"iptables filter -A INPUT -s 192.0.2.7/32 -j ACCEPT"}},
		{name: "a second copy of our rule is foreign", base: [2]string{ours}, ours: [2]string{ours},
			live: [2]string{head + "-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\n-A INPUT -j DROP\nCOMMIT\n"},
			want: [2]string{ours}, lost: []string{"iptables filter -A INPUT -j DROP"}},
		{name: "a foreign chain", ours: [2]string{ours}, live: [2]string{gate, hash("banned", "192.0.2.9")},
			want: [2]string{ours}, lost: []string{
				"iptables filter -A INPUT -p tcp -m multiport --dports 22 -j gate-sshd",
				"iptables filter chain gate-sshd (2 rules)", "ipset banned (1 member)"}},
		{name: "a kept chain, with its jump and its set", keep: Keep{"gate-*"},
			ours: [2]string{ours}, live: [2]string{gate, hash("banned", "192.0.2.9")},
			want: [2]string{head + ":gate-sshd - [0:0]\n-A INPUT -p tcp -m multiport --dports 22 -j gate-sshd\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\n" +
				"-A gate-sshd -m set --match-set banned src -j REJECT --reject-with icmp-port-unreachable\n-A gate-sshd -j RETURN\nCOMMIT\n",
				hash("banned", "192.0.2.9")}},
		{name: "a kept chain keeps the chains it jumps to", keep: Keep{"one"}, ours: [2]string{ours},
			live: [2]string{head + ":one - [0:0]\n:two - [0:0]\n-A INPUT -j one\n-A one -g two\n-A two -j DROP\nCOMMIT\n"},
			want: [2]string{head + ":one - [0:0]\n:two - [0:0]\n-A INPUT -j one\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\n-A one -g two\n-A two -j DROP\nCOMMIT\n"}},
		{name: "a kept rule must not lose its target", keep: Keep{"INPUT"},
			base: [2]string{head + ":mine - [0:0]\n-A INPUT -j mine\nCOMMIT\n"},
			live: [2]string{head + ":mine - [0:0]\n-A INPUT -j mine\n-A INPUT -s 192.0.2.1/32 -j mine\nCOMMIT\n"},
			ours: [2]string{ours}, want: [2]string{ours},
			lost: []string{"iptables filter -A INPUT -s 192.0.2.1/32 -j mine: it jumps to chain mine, which the artifact removes"}},
		{name: "a table of others alone", keep: Keep{"DOCKER"}, ours: [2]string{ours},
			live: [2]string{"*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\nCOMMIT\n"},
			want: [2]string{"*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\nCOMMIT\n" + ours}},
		{name: "a policy that somebody closed", ours: [2]string{ours},
			live: [2]string{"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"},
			want: [2]string{ours}, lost: []string{"iptables filter -P FORWARD DROP"}},
		{name: "a policy that somebody closed, kept", ours: [2]string{ours}, keep: Keep{"FORWARD"},
			live: [2]string{"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"},
			want: [2]string{"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n"}},
		{name: "a policy that somebody opened closes again",
			base: [2]string{"*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"},
			ours: [2]string{"*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"},
			want: [2]string{"*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"}},
		{name: "members that others added",
			base: [2]string{"", hash("s", "192.0.2.1", "192.0.2.2")}, live: [2]string{"", hash("s", "192.0.2.1", "192.0.2.9")},
			ours: [2]string{"", hash("s", "192.0.2.3")}, want: [2]string{"", hash("s", "192.0.2.3")},
			lost: []string{"ipset s: 1 member: 192.0.2.9"}},
		{name: "members that others added, kept", keep: Keep{"s"},
			base: [2]string{"", hash("s", "192.0.2.1", "192.0.2.2")}, live: [2]string{"", hash("s", "192.0.2.1", "192.0.2.9")},
			ours: [2]string{"", hash("s", "192.0.2.3")}, want: [2]string{"", hash("s", "192.0.2.3", "192.0.2.9")}},
		{name: "a set with time-outs lives its own life",
			base: [2]string{"", timed("192.0.2.1", "192.0.2.2", "192.0.2.4")}, live: [2]string{"", timed("192.0.2.1", "192.0.2.2", "192.0.2.9")},
			ours: [2]string{"", timed("192.0.2.1", "192.0.2.3", "192.0.2.4")}, want: [2]string{"", timed("192.0.2.1", "192.0.2.3", "192.0.2.9")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var base *ruleset.Snapshot
			if tt.base != [2]string{} {
				base = snap(t, tt.base[0], tt.base[1])
			}
			ours, live := snap(t, tt.ours[0], tt.ours[1]), snap(t, tt.live[0], tt.live[1])
			p, err := Merge(base, ours, live, MergeOptions{Keep: tt.keep, Replace: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(texts(snap(t, tt.want[0], tt.want[1])), texts(p.Wanted)); diff != "" {
				t.Errorf("wanted (-want +got):\n%s", diff)
			}
			var lost []string
			for _, f := range p.Lost {
				lost = append(lost, f.String())
			}
			if diff := cmp.Diff(tt.lost, lost); diff != "" {
				t.Errorf("lost (-want +got):\n%s", diff)
			}
			_, err = Merge(base, ours, live, MergeOptions{Keep: tt.keep})
			var foreign *ForeignError
			if errors.As(err, &foreign) != (len(tt.lost) > 0) {
				t.Errorf("without Replace: %v", err)
			}
			again, err := Merge(ours, ours, p.Wanted, MergeOptions{Keep: tt.keep})
			if err != nil || len(again.Changes) > 0 {
				t.Errorf("what is wanted is not settled: %v, %+v", err, again)
			}
		})
	}
}

func TestMergeRefusesBadPattern(t *testing.T) {
	if _, err := Merge(nil, snap(t, "", ""), snap(t, "", ""), MergeOptions{Keep: Keep{"a[*"}}); err == nil {
		t.Error("a malformed pattern passed")
	}
}

func TestRuleWords(t *testing.T) {
	for _, tt := range []struct {
		rule, target string
		sets         []string
	}{
		{`-p tcp -m comment --comment "go -j DROP or --match-set x src" -j web`, "web", nil},
		{`-m set ! --match-set a src -m set --match-set b dst,dst -j SET --add-set c src --timeout 5`, "SET", []string{"a", "b", "c"}},
		{`-m comment --comment "a \" -j no" -g there`, "there", nil},
		{`-p tcp`, "", nil},
		{`-j LOG --log-prefix "-j X "`, "LOG", nil},
	} {
		if got := target(tt.rule); got != tt.target {
			t.Errorf("%s: target %q, want %q", tt.rule, got, tt.target)
		}
		if diff := cmp.Diff(tt.sets, setsOf(tt.rule)); diff != "" {
			t.Errorf("%s: sets (-want +got):\n%s", tt.rule, diff)
		}
	}
}
