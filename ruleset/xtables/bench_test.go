package xtables_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// dump returns a save of n rules in 10 chains, of the sorts that firewalls
// are made of.
func dump(n int) []byte {
	var b bytes.Buffer
	b.WriteString("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n")
	for i := range 10 {
		fmt.Fprintf(&b, ":chain-%d - [0:0]\n", i)
	}
	for i := range n {
		fmt.Fprintf(&b, "-A chain-%d -s 10.%d.%d.%d/32 ", i%10, i>>16&255, i>>8&255, i&255)
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "-p tcp -m tcp --dport %d -j ACCEPT\n", i%65536)
		case 1:
			b.WriteString("-i eth0 -p udp -m multiport --dports 53,123,1000:2000 -m comment --comment \"some words\" -j DROP\n")
		case 2:
			b.WriteString("-m conntrack --ctstate NEW -m limit --limit 10/min -j LOG --log-prefix \"new: \"\n")
		default:
			b.WriteString("-d 192.0.2.0/24 -j RETURN\n")
		}
	}
	b.WriteString("COMMIT\n")
	return b.Bytes()
}

var sizes = []int{100, 1000, 10000, 100000}

func BenchmarkParse(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			text := dump(n)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := xtables.Parse(ruleset.IPTables, ruleset.NFT, "f", text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFormat(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tables, err := xtables.Parse(ruleset.IPTables, ruleset.NFT, "f", dump(n))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				xtables.Format(tables)
			}
		})
	}
}

// BenchmarkInsert is the order in which scripts of old build a chain.
func BenchmarkInsert(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			text := bytes.ReplaceAll(dump(n), []byte("-A chain-"), []byte("-I chain-"))
			for b.Loop() {
				if _, err := xtables.Parse(ruleset.IPTables, ruleset.NFT, "f", text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestLongLines holds that a line may be as long as people's addresses are
// many.
func TestLongLines(t *testing.T) {
	addresses := make([]string, 60000)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
	}
	text := "*filter\n-A INPUT -s " + strings.Join(addresses, ",") + " -j DROP\nCOMMIT\n"
	tables, err := xtables.Parse(ruleset.IPTables, ruleset.NFT, "f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(tables[0].Chains[0].Rules); n != len(addresses) {
		t.Errorf("%d rules, want %d", n, len(addresses))
	}
	if _, err := xtables.Parse(ruleset.IPTables, ruleset.NFT, "f", []byte("*filter\n-A INPUT -s "+strings.Repeat("1", 1<<20))); err == nil {
		t.Error("a line of more than 1 MiB is read")
	}
}
