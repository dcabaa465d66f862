package compiler

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// FuzzParseLog holds that a record that a script bent does no harm.
func FuzzParseLog(f *testing.F) {
	f.Add([]byte("call\x000\x007\x0012\x00\x00/sbin/iptables\x00\x002\x00-A\x00INPUT\x00\x00"))
	f.Add([]byte("call\x002\x007\x00\x00quiet\x00ipset\x00/.fwc/in/9\x000\x00error\x00"))
	f.Add([]byte("call\x000\x007\x00\x00\x00xtables-nft-multi\x00\x0099999999999\x00iptables\x00"))
	f.Fuzz(func(t *testing.T, log []byte) {
		calls, _ := parseLog(log)
		for i := range calls {
			_ = calls[i].String() + calls[i].Message()
			calls[i].adds()
		}
	})
}

// FuzzRestoreWords holds that quoting for iptables-restore is undone by
// splitting.
func FuzzRestoreWords(f *testing.F) {
	f.Add("-A", `a "b\c`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsAny(a+b, "\n\x00") || a == "" || b == "" {
			t.Skip()
		}
		got, _ := xtables.Words(restoreQuote(a) + " " + restoreQuote(b))
		if diff := cmp.Diff([]string{a, b}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAdds(t *testing.T) {
	for call, want := range map[string]bool{
		"iptables -A INPUT -j DROP":              true,
		"iptables -t nat -I PREROUTING 1 -j RET": true,
		"iptables --append INPUT":                true,
		"iptables --app INPUT":                   true,
		"iptables -w -P INPUT DROP":              true,
		"iptables -E a b":                        true,
		"iptables --nonsense":                    true,
		"iptables":                               true,
		"iptables -D INPUT 1":                    false,
		"iptables -nvL":                          false,
		"iptables -n -L":                         false,
		"iptables -L -n":                         false,
		"iptables -t nat -F":                     false,
		"iptables --delete-chain x":              false,
		"ip6tables -C INPUT -j DROP":             false,
		"ip6tables-restore -n":                   true,
		"ebtables --init-table":                  false,
		"ipset add x 1.2.3.4":                    true,
		"ipset -exist add x 1.2.3.4":             true,
		"ipset -! create x hash:ip":              false,
		"ipset -N x iphash":                      false,
		"ipset swap a b":                         true,
		"ipset -q destroy a":                     false,
		"ipset restore":                          true,
		"nft -f /etc/nftables.conf":              true,
		"nft add rule x y accept":                true,
		"nft insert rule x y accept":             true,
		"nft delete table x":                     false,
		"nft -a list ruleset":                    false,
		"nft create table x":                     false,
		"nft --version":                          false,
	} {
		f := strings.Fields(call)
		if got := (&Call{Tool: f[0], Args: f[1:]}).adds(); got != want {
			t.Errorf("%s: adds %v", call, got)
		}
	}
}

func TestMessage(t *testing.T) {
	for stderr, want := range map[string]string{
		"iptables v1.8.9 (nf_tables): unknown option \"--x\"\nTry `iptables -h' for more information.\n": `unknown option "--x"`,
		"iptables-restore v1.8.9 (legacy): \n\niptables-restore: line 3 failed\n":                        "iptables-restore: line 3 failed",
		"ipset v7.17: Element cannot be added to the set: it's already added\n":                          "Element cannot be added to the set: it's already added",
		"": "",
	} {
		if got := (&Call{Stderr: stderr}).Message(); got != want {
			t.Errorf("%q: %q", stderr, got)
		}
	}
}
