package dump_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

func TestSnapshot(t *testing.T) {
	idle := "*filter\n:INPUT ACCEPT [5:300]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
	busy := "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [1:60]\n" +
		"[7:420] -A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n"
	s, err := dump.Snapshot([]ruleset.Dump{
		{Kind: ruleset.SysctlSet, Text: []byte("net/ipv4/ip_forward=1\n")},
		{Kind: ruleset.IPSet, Text: []byte("create s hash:ip\nadd s 192.0.2.1\n")},
		{Kind: ruleset.NFTables, Backend: ruleset.NFT, Text: []byte(`{"nftables": []}`)},
		{Kind: ruleset.IP6Tables, Backend: ruleset.NFT, Text: []byte(idle)},
		{Kind: ruleset.IPTables, Backend: ruleset.NFT, Text: []byte(idle + busy)},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range s.Dumps {
		got[d.Name()] = string(d.Text)
	}
	want := map[string]string{
		"iptables.rules": "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" +
			":POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n",
		"ipset.save":  "create s hash:ip family inet hashsize 1024 maxelem 65536\nadd s 192.0.2.1\n",
		"sysctl.conf": "net.ipv4.ip_forward = 1\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(s.Tables) != 1 || s.Tables[0].Chain("POSTROUTING").Rules[0].Line != 6 {
		t.Errorf("tables: %+v", s.Tables)
	}
}

// TestSnapshotIdle: one rule, one chain of the user's or one other policy makes
// a table count.
func TestSnapshotIdle(t *testing.T) {
	for name, test := range map[string]struct {
		chains string
		counts bool
	}{
		"idle":   {":INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n", false},
		"policy": {":INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n", true},
		"chain":  {":INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:mine - [0:0]\n", true},
		"rule":   {":INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, b := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
				s, err := dump.Snapshot([]ruleset.Dump{{Kind: ruleset.IPTables, Backend: b,
					Text: []byte("*filter\n" + test.chains + "COMMIT\n")}})
				if err != nil {
					t.Fatal(err)
				}
				if got := len(s.Dumps) == 1 && len(s.Tables) == 1; got != test.counts {
					t.Errorf("counts: %v", got)
				}
			}
		})
	}
}

func TestSnapshotIdleBridge(t *testing.T) {
	for text, counts := range map[string]bool{
		"*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n":               false,
		"*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:mine ACCEPT\n": true,
	} {
		s, err := dump.Snapshot([]ruleset.Dump{{Kind: ruleset.EBTables, Backend: ruleset.NFT, Text: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(s.Tables) == 1; got != counts {
			t.Errorf("%q counts: %v", text, got)
		}
	}
}

func TestSnapshotErrors(t *testing.T) {
	for name, test := range map[string]struct {
		dumps []ruleset.Dump
		want  string
	}{
		"line": {[]ruleset.Dump{{Kind: ruleset.IPTables, Backend: ruleset.Legacy, Text: []byte("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j\nCOMMIT\n")}},
			"iptables-legacy.rules:3: "},
		"ipset": {[]ruleset.Dump{{Kind: ruleset.IPSet, Text: []byte("\nadd x 192.0.2.1\n")}}, "ipset.save:2: "},
		"nft":   {[]ruleset.Dump{{Kind: ruleset.NFTables, Backend: ruleset.NFT, Text: []byte("{\"nftables\": [\n{}]}")}}, "nft.json:2: "},
		"twice": {[]ruleset.Dump{{Kind: ruleset.IPSet}, {Kind: ruleset.IPSet}}, "two dumps are named ipset.save"},
		"kind":  {[]ruleset.Dump{{Kind: "pf"}}, `dumps of kind "pf" are not known`},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := dump.Snapshot(test.dumps)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if s != nil {
				t.Error("a Snapshot beside an error")
			}
		})
	}
}

func TestSysctl(t *testing.T) {
	text := "# comment\n; comment\n\nnet.ipv6.conf.all.forwarding=0\n  -net/ipv4/conf/eth0.5/rp_filter =  2 \n" +
		"net.ipv4.tcp_rmem = 4096\t131072   6291456\nnet.ipv6.conf.all.forwarding = 1\nnet.ipv4.empty =\n"
	got, err := dump.ParseSysctl("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := "net.ipv4.conf.eth0/5.rp_filter = 2\nnet.ipv4.empty =\nnet.ipv4.tcp_rmem = 4096 131072 6291456\n" +
		"net.ipv6.conf.all.forwarding = 1\n"
	if diff := cmp.Diff(want, string(dump.FormatSysctl(got))); diff != "" {
		t.Error(diff)
	}
	if p := dump.SysctlPath(got[0].Key); p != "net/ipv4/conf/eth0.5/rp_filter" {
		t.Error(p)
	}
	for _, bad := range []string{"net.ipv4.ip_forward 1", "kernel.sysrq = 1", "net.ipv4.* = 1", "net.ipv4...x = 1",
		"net/../../etc/passwd = x", "=1", "net. = 1", "net.ipv4.x = \x00"} {
		var se *ruleset.SyntaxError
		if _, err := dump.ParseSysctl("x", []byte("# \n"+bad)); !errors.As(err, &se) || se.Line != 2 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestFile(t *testing.T) {
	for name, test := range map[string]struct {
		file, text string
		kind       ruleset.Kind
		backend    ruleset.Backend
		err        error
	}{
		"iptables":      {"a", "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 192.0.2.1/32 -j ACCEPT\nCOMMIT\n", ruleset.IPTables, ruleset.NFT, nil},
		"legacy header": {"a", "# Generated by iptables-save v1.8.9 on Sat Nov 21 2026\n*filter\nCOMMIT\n", ruleset.IPTables, ruleset.Legacy, nil},
		"nft header":    {"a", "# Generated by ip6tables-nft-save v1.8.9 (nf_tables) on Sat\n*filter\nCOMMIT\n", ruleset.IP6Tables, ruleset.NFT, nil},
		"address":       {"a", "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 2001:db8::/32 -j ACCEPT\nCOMMIT\n", ruleset.IP6Tables, ruleset.NFT, nil},
		"icmpv6":        {"a", "*filter\n:INPUT DROP [0:0]\n-A INPUT -p ipv6-icmp -j ACCEPT\nCOMMIT\n", ruleset.IP6Tables, ruleset.NFT, nil},
		"name":          {"rules.v6", "*filter\n:INPUT DROP [0:0]\nCOMMIT\n", ruleset.IP6Tables, ruleset.NFT, nil},
		"member":        {"x/ip6tables-legacy.rules", "*filter\n:INPUT DROP [0:0]\nCOMMIT\n", ruleset.IP6Tables, ruleset.Legacy, nil},
		"a mac":         {"a", "*filter\n:INPUT DROP [0:0]\n-A INPUT -m mac --mac-source 00:11:22:33:44:55 -s 192.0.2.1 -j DROP\nCOMMIT\n", ruleset.IPTables, ruleset.NFT, nil},
		"arptables":     {"a", "*filter\n:INPUT ACCEPT\n:OUTPUT DROP\n-A INPUT -j ACCEPT -s 10.0.0.0/8\n", ruleset.ARPTables, ruleset.NFT, nil},
		"ebtables":      {"a", "*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n-A INPUT -p IPv4 -j ACCEPT\n", ruleset.EBTables, ruleset.NFT, nil},
		"ipset":         {"a", "create x hash:ip\n", ruleset.IPSet, "", nil},
		"ipset old":     {"a", "-N x iphash\n", ruleset.IPSet, "", nil},
		"nft":           {"a", `{"nftables": []}`, ruleset.NFTables, ruleset.NFT, nil},
		"sysctl":        {"a", "# x\nnet.ipv4.ip_forward = 1\n", ruleset.SysctlSet, "", nil},
		"nft text":      {"a", "table inet x {\n}\n", "", "", dump.ErrNFTText},
		"nft script":    {"a", "#!/usr/sbin/nft -f\nflush ruleset\n", "", "", dump.ErrNFTText},
		"empty":         {"a", "# nothing\n", "", "", dump.ErrUnknown},
		"script":        {"a", "#!/bin/sh\niptables -F\n", "", "", dump.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := dump.File(test.file, []byte(test.text))
			if !errors.Is(err, test.err) || err == nil && (d.Kind != test.kind || d.Backend != test.backend) {
				t.Errorf("%s %s, %v", d.Kind, d.Backend, err)
			}
		})
	}
}

func FuzzSysctl(f *testing.F) {
	f.Add([]byte("net.ipv4.ip_forward = 1\n-net/ipv4/conf/eth0.5/x=2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := dump.ParseSysctl("x", text)
		if err != nil {
			return
		}
		out := dump.FormatSysctl(keys)
		again, err := dump.ParseSysctl("x", out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(keys, again); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add("rules.v6", []byte("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		d, err := dump.File(name, text)
		if err != nil {
			return
		}
		if s, err := dump.FileSnapshot(name, d); err == nil {
			if again, err := dump.Snapshot(s.Dumps); err != nil || again.Digest() != s.Digest() {
				t.Errorf("no fixed point: %v", err)
			}
		}
	})
}
