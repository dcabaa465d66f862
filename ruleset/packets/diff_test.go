package packets

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
	"github.com/google/go-cmp/cmp"
)

// snapshot parses dumps: iptables-save text, and ipset save text if it
// begins with create.
func snapshot(t testing.TB, kind ruleset.Kind, texts ...string) *ruleset.Snapshot {
	t.Helper()
	var dumps []ruleset.Dump
	for _, text := range texts {
		d := ruleset.Dump{Kind: kind, Backend: ruleset.NFT, Text: []byte(text)}
		if strings.HasPrefix(text, "create") {
			d = ruleset.Dump{Kind: ruleset.IPSet, Text: []byte(text)}
		}
		dumps = append(dumps, d)
	}
	s, err := dumpSnapshot(dumps...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dumpSnapshot(dumps ...ruleset.Dump) (*ruleset.Snapshot, error) { return dump.Snapshot(dumps) }

// filter is a dump of rules in the filter table.
func filter(rules ...string) string {
	return "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + strings.Join(rules, "\n") + "\nCOMMIT\n"
}

func nat(rules ...string) string {
	return "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + strings.Join(append(rules, "COMMIT\n"), "\n")
}

// mangle is a dump of rules that packets meet on their way out.
func mangle(rules ...string) string {
	return "*mangle\n:OUTPUT ACCEPT [0:0]\n" + strings.Join(rules, "\n") + "\nCOMMIT\n"
}

func TestDiffWords(t *testing.T) {
	drop := ":FORWARD DROP [0:0]"
	netmap := "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 192.0.2.0/24 -j NETMAP --to 10.4.0.0/24\nCOMMIT\n"
	const hash = "-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-rnd 0x00000007 --hmark-mod 4 --hmark-offset 1"
	halved, made := strings.Replace(hash, "mod 4", "mod 2", 1), " of a mark that is not followed"
	redirect := "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -m tcp --dport 80 -j REDIRECT\nCOMMIT\n"
	for _, tt := range []struct {
		name     string
		old, new []string
		want     []string
	}{
		{"one rule", []string{filter(drop)}, []string{filter(drop, "-A FORWARD -i veth2 -d 172.16.100.5 -p tcp --dport 8800 -j ACCEPT")},
			[]string{"forward allowed: tcp  any → 172.16.100.5:8800  in veth2: dropped → accepted by FORWARD 1, was FORWARD 0"}},
		{"a rule moves up", []string{filter("-A FORWARD -p tcp -m tcp --dport 22 -j DROP", "-A FORWARD -s 10.0.0.0/8 -j ACCEPT")},
			[]string{filter("-A FORWARD -s 10.0.0.0/8 -j ACCEPT", "-A FORWARD -p tcp -m tcp --dport 22 -j DROP")},
			[]string{"forward allowed: tcp  10.0.0.0/8 → any:22: dropped → accepted by FORWARD 1, was FORWARD 1"}},
		{"text without effect", []string{filter("-A INPUT -s 10.0.0.0/9 -j DROP", "-A INPUT -s 10.128.0.0/9 -j DROP")}, []string{filter("-A INPUT -s 10.0.0.0/8 -j DROP")}, nil},
		{"a log", []string{filter()}, []string{filter("-A INPUT -p tcp -j LOG")}, nil},
		{"reject kind", []string{filter("-A INPUT -p tcp -j DROP")}, []string{filter("-A INPUT -p tcp -j REJECT --reject-with tcp-reset")},
			[]string{"input other: tcp  any → any: dropped → rejected with tcp-reset by INPUT 1, was INPUT 1"}},
		{"a member", []string{filter("-A INPUT -m set --match-set s src -j DROP"), "create s hash:net\nadd s 10.0.0.0/8\n"},
			[]string{filter("-A INPUT -m set --match-set s src -j DROP"), "create s hash:net\nadd s 10.0.0.0/8\nadd s 10.1.0.0/16 nomatch\n"},
			[]string{"input allowed: any  10.1.0.0/16 → any: dropped → accepted by INPUT 0, was INPUT 1"}},
		{"a mark on the way", []string{"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth0 -j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n" + filter("-A FORWARD -m mark ! --mark 0x1 -j DROP")},
			[]string{"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth+ -j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n" + filter("-A FORWARD -m mark ! --mark 0x1 -j DROP")},
			[]string{"input other: any  any → any  in eth+,!eth0: accepted → accepted, mark 0x1 by PREROUTING 1, was INPUT 0",
				"forward allowed: any  any → any  in eth+,!eth0  mark !0x1: dropped → accepted, mark 0x1 by FORWARD 0, was FORWARD 1"}},
		{"a mark in the same chain", []string{"*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n"},
			[]string{"*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -j MARK --set-xmark 0x1/0xffffffff\n-A OUTPUT -p udp -m mark --mark 0x1 -j DROP\nCOMMIT\n"},
			[]string{"output blocked: udp  any → any: accepted, mark 0x1 → dropped by OUTPUT 2, was POSTROUTING 0"}},
		{"a hash for a mark", []string{mangle("-A OUTPUT -p udp "+hash, "-A OUTPUT -p tcp -j MARK --set-xmark 0x2/0xffffffff")},
			[]string{mangle("-A OUTPUT -p udp "+hash, "-A OUTPUT -p tcp -j MARK --set-xmark 0x2/0xffffffff", "-A OUTPUT -m mark --mark 0x2 -j DROP")},
			[]string{"output blocked: tcp  any → any; tcp,udp  any → any  if -m mark --mark 0x2" + made + " (mangle OUTPUT new rule 3); !udp  any → any  mark 0x2: accepted, partly mark 0x2, partly mark not followed, partly " + hash + " → dropped by OUTPUT 3, was POSTROUTING 0"}},
		{"another hash for a mark", []string{mangle("-A OUTPUT -p udp "+hash, "-A OUTPUT -p udp -m mark --mark 0x2 -j DROP")},
			[]string{mangle("-A OUTPUT -p udp "+halved, "-A OUTPUT -p udp -m mark --mark 0x2 -j DROP")},
			[]string{"output allowed: udp  any → any  if -m mark --mark 0x2" + made + " (mangle OUTPUT rule 2)  unless -m mark --mark 0x2" + made + " (mangle OUTPUT rule 2 as it is now): dropped → accepted, mark not followed, " + halved + " by POSTROUTING 0, was OUTPUT 2",
				"output blocked: udp  any → any  unless -m mark --mark 0x2" + made + " (mangle OUTPUT rule 2)  if -m mark --mark 0x2" + made + " (mangle OUTPUT rule 2 as it is now): accepted, mark not followed, " + hash + " → dropped by OUTPUT 2, was POSTROUTING 0",
				"output other: udp  any → any  unless -m mark --mark 0x2" + made + " (mangle OUTPUT rule 2)  unless -m mark --mark 0x2" + made + " (mangle OUTPUT rule 2 as it is now): accepted, mark not followed, " + hash + " → accepted, mark not followed, " + halved + " by OUTPUT 1, was OUTPUT 1"}},
		{"another hop", []string{"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth2 -j TTL --ttl-inc 1\nCOMMIT\n"}, []string{"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth2 -j TTL --ttl-inc 1\n-A PREROUTING -i eth1 -j TTL --ttl-inc 1\nCOMMIT\n"},
			[]string{"input other: any  any → any  in eth1: accepted → accepted, ttl +1 by PREROUTING 2, was INPUT 0",
				"forward allowed: any  any → any  in eth1  ttl 1: dropped → accepted, ttl +1 by POSTROUTING 0, was PREROUTING 0",
				"forward other: any  any → any  in eth1  ttl 2-255: accepted → accepted, ttl +1 by PREROUTING 2, was POSTROUTING 0"}},
		{"no more hops", []string{"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth2 -j TTL --ttl-inc 1\nCOMMIT\n"},
			[]string{"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth2 -j TTL --ttl-inc 1\n-A PREROUTING -i eth1 -j TTL --ttl-set 1\nCOMMIT\n"},
			[]string{"input other: any  any → any  in eth1: accepted → accepted, ttl 1 by PREROUTING 2, was INPUT 0",
				"forward blocked: any  any → any  in eth1  ttl 2-255: accepted → dropped by PREROUTING 2, was POSTROUTING 0"}},
		{"a template in the same chain", []string{"*raw\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -j CT --ctevents new\nCOMMIT\n"},
			[]string{"*raw\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -j CT --ctevents new\n-A OUTPUT -m conntrack --ctstate NEW -j DROP\nCOMMIT\n"},
			[]string{"output blocked: udp  any → any: accepted, -j CT --ctevents new → dropped by OUTPUT 2, was OUTPUT 0"}},
		{"a mark of the same table", []string{"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 10.0.0.0/8 -j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n" + filter(":FORWARD DROP [0:0]")},
			[]string{"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 10.0.0.0/8 -j MARK --set-xmark 0x1/0xffffffff\n-A PREROUTING -m mark --mark 0x1 -j DROP\nCOMMIT\n" + filter(":FORWARD DROP [0:0]")},
			[]string{"input blocked: any  10.0.0.0/8 → any; any  any → any  mark 0x1: accepted, partly mark 0x1 → dropped by PREROUTING 2, was INPUT 0"}},
		{"an unknown", []string{filter(drop)}, []string{filter(drop, "-A FORWARD -p udp -m time --timestart 08:00:00 --timestop 18:00:00 -j ACCEPT")},
			[]string{"forward allowed: udp  any → any  if -m time --timestart 08:00:00 --timestop 18:00:00: dropped → accepted by FORWARD 1, was FORWARD 0"}},
		{"wider hours", []string{filter(drop, "-A FORWARD -m time --timestart 08:00:00 --timestop 18:00:00 --weekdays Mon,Tue -j ACCEPT")},
			[]string{filter(drop, "-A FORWARD -m time --timestart 07:00:00 --timestop 20:00:00 --weekdays Mon,Tue,Wed -j ACCEPT")},
			[]string{"forward allowed: any  any → any  unless -m time --timestart 08:00:00 --timestop 18:00:00 --weekdays Mon,Tue  if -m time --timestart 07:00:00 --timestop 20:00:00 --weekdays Mon,Tue,Wed: dropped → accepted by FORWARD 1, was FORWARD 0"}},
		{"more connections", []string{filter("-A INPUT -p tcp -m connlimit --connlimit-above 20 --connlimit-mask 32 --connlimit-saddr -j DROP")},
			[]string{filter("-A INPUT -p tcp -m connlimit --connlimit-above 50 --connlimit-mask 32 --connlimit-saddr -j DROP")},
			[]string{"input allowed: tcp  any → any  if -m connlimit --connlimit-above 20 (filter INPUT rule 1)  unless -m connlimit --connlimit-above 50 (filter INPUT rule 1): dropped → accepted by INPUT 0, was INPUT 1"}},
		{"two owners", []string{filter("-A OUTPUT -m owner --uid-owner 0 -j ACCEPT", "-A OUTPUT -j DROP")},
			[]string{filter("-A OUTPUT -m owner --uid-owner 0 -j ACCEPT", "-A OUTPUT -m owner --uid-owner 1000-1999 -j ACCEPT", "-A OUTPUT -j DROP")},
			[]string{"output allowed: any  any → any  if -m owner --uid-owner 1000-1999: dropped → accepted by OUTPUT 2, was OUTPUT 2"}},
		{"a redirect is not forwarded", []string{nat("-A PREROUTING -i eth1 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128") + filter(":INPUT DROP [0:0]", "-A INPUT -p tcp -m tcp --dport 3128 -j ACCEPT")},
			[]string{nat("-A PREROUTING ! -d 10.0.0.1/32 -i eth1 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3129") + filter(":INPUT DROP [0:0]", "-A INPUT -p tcp -m tcp --dport 3128 -j ACCEPT")},
			[]string{"input blocked: tcp  any → any:80  in eth1  NEW,RELATED: accepted, REDIRECT --to-ports 3128 → dropped by INPUT 0, was INPUT 1",
				"forward other: tcp  any → 10.0.0.1:80  in eth1  NEW,RELATED: accepted, REDIRECT --to-ports 3128 → accepted by FORWARD 0, was PREROUTING 1"}},
		{"a redirect into nothing", []string{nat() + filter(":INPUT DROP [0:0]")},
			[]string{nat("-A PREROUTING -i eth1 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128") + filter(":INPUT DROP [0:0]")},
			[]string{"forward blocked: tcp  any → any:80  in eth1  NEW,RELATED: accepted → dropped by INPUT 0, was FORWARD 0"}},
		{"a list", []string{filter("-A INPUT -p tcp -j ACCEPT", "-A INPUT -j DROP")},
			[]string{filter("-A INPUT -p tcp -m recent --set --name ssh --mask 255.255.255.255 --rsource -j ACCEPT", "-A INPUT -j DROP")},
			[]string{"input other: tcp  any → any: accepted → accepted, -m recent --set --name ssh by INPUT 1, was INPUT 1"}},
		{"a list that is filled no more", []string{filter("-A INPUT -p tcp -m tcp --dport 23 -m recent --set --name bad -j DROP")}, []string{filter("-A INPUT -p tcp -m tcp --dport 23 -j DROP")},
			[]string{"input other: tcp  any → any:23: dropped, -m recent --set --name bad → dropped by INPUT 1, was INPUT 1"}},
		{"and on the way to a chain", []string{filter(":trap - [0:0]", "-A INPUT -p tcp -m recent --set --name bad -j trap", "-A trap -s 10.0.0.1 -j DROP")},
			[]string{filter(":trap - [0:0]", "-A INPUT -p tcp -j trap", "-A trap -s 10.0.0.1 -j DROP")},
			[]string{"input other: tcp  10.0.0.1 → any: dropped, -m recent --set --name bad → dropped by trap 1, was trap 1",
				"input other: tcp  not 10.0.0.1 → any: accepted, -m recent --set --name bad → accepted by INPUT 0, was INPUT 1"}},
		{"translation", []string{filter(drop, "-A FORWARD -d 10.0.0.5 -p tcp -m tcp --dport 80 -j ACCEPT")},
			[]string{filter(drop, "-A FORWARD -d 10.0.0.5 -p tcp -m tcp --dport 80 -j ACCEPT") + "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 192.0.2.1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.5:80\nCOMMIT\n"},
			[]string{"input other: tcp  any → 192.0.2.1:8080  NEW,RELATED: accepted → accepted, DNAT --to-destination 10.0.0.5:80 by PREROUTING 1, was INPUT 0",
				"forward allowed: tcp  any → 192.0.2.1:8080  NEW,RELATED: dropped → accepted, DNAT --to-destination 10.0.0.5:80 by FORWARD 1, was FORWARD 0"}},
		{"an empty set", []string{filter("-A INPUT -m set --match-set s src -j DROP"), "create s hash:ip\n"}, []string{filter("-A FORWARD -j LOG"), "create s hash:ip\n"},
			[]string{"input allowed: any  any → any  if -m set --match-set s src: dropped → accepted by INPUT 0, was INPUT 1"}},
		{"the first member of a set", []string{filter("-A INPUT -m set --match-set s src -j DROP"), "create s hash:ip\n"},
			[]string{filter("-A INPUT -m set --match-set s src -j DROP"), "create s hash:ip\nadd s 10.0.0.1\n"},
			[]string{"input blocked: any  10.0.0.1 → any  unless -m set --match-set s src: accepted → dropped by INPUT 1, was INPUT 0"}},
		{"a set that rules fill", []string{filter("-A INPUT -p tcp -j SET --add-set s src", "-A INPUT -m set --match-set s src -j DROP"), "create s hash:ip\nadd s 10.0.0.1\n"},
			[]string{filter("-A INPUT -p tcp -j SET --add-set s src"), "create s hash:ip\nadd s 10.0.0.1\n"},
			[]string{"input allowed: any  any → any  if -m set --match-set s src that rules add to (filter INPUT rule 2); any  10.0.0.1 → any  " +
				"unless -m set --match-set s src that rules remove from (filter INPUT rule 2): dropped, partly -j SET --add-set s src → accepted, partly -j SET --add-set s src by INPUT 0, was INPUT 2"}},
		{"a redirect on the way out", []string{filter("-A OUTPUT -j LOG") + redirect}, []string{filter("-A OUTPUT -d 127.0.0.1 -p tcp -j DROP") + redirect},
			[]string{"output blocked: tcp  any → any:80  NEW,RELATED; tcp  any → 127.0.0.1: accepted, partly REDIRECT → dropped by OUTPUT 1, was OUTPUT 0"}},
		{"another type of address", []string{filter("-A INPUT -m addrtype --dst-type LOCAL -j DROP")}, []string{filter("-A INPUT -m addrtype --dst-type LOCAL,BROADCAST -j DROP")},
			[]string{"input blocked: any  any → any  unless -m addrtype --dst-type LOCAL  if -m addrtype --dst-type BROADCAST: accepted → dropped by INPUT 1, was INPUT 0"}},
		{"a mapped network", []string{filter(drop) + netmap}, []string{filter(drop, "-A FORWARD -d 10.4.0.7 -p tcp -j ACCEPT") + netmap},
			[]string{"forward allowed: tcp  any → 10.4.0.7: dropped → accepted by FORWARD 1, was FORWARD 0",
				"forward allowed: tcp  any → 192.0.2.7  NEW,RELATED: dropped → accepted, NETMAP --to 10.4.0.0/24 by FORWARD 1, was FORWARD 0"}},
		{"mapped to where it is", []string{filter(drop) + strings.Replace(netmap, "-d 192.0.2.0/24", "-d 10.4.0.0/23", 1)},
			[]string{filter(drop, "-A FORWARD -d 10.4.0.0/24 -m conntrack --ctstate DNAT -j ACCEPT") + strings.Replace(netmap, "-d 192.0.2.0/24", "-d 10.4.0.0/23", 1)},
			[]string{"forward allowed: any  any → 10.4.0.0/24  ESTABLISHED,RELATED  DNAT; !icmp  any → 10.4.1.0/24  NEW,RELATED; any  any → 10.4.1.0/24  type 8,13,15,17  new: dropped → accepted, partly NETMAP --to 10.4.0.0/24 by FORWARD 1, was FORWARD 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Diff(context.Background(), snapshot(t, ruleset.IPTables, tt.old...), snapshot(t, ruleset.IPTables, tt.new...), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range r.Regions {
				got = append(got, fmt.Sprintf("%s %s: %s: %s → %s by %s %d, was %s %d", x.Journey, x.Change, x.Words(), x.Old, x.New,
					x.NewRules[0].Chain, x.NewRules[0].Index, x.OldRules[0].Chain, x.OldRules[0].Index))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
