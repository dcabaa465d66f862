package artifact

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
)

// BenchmarkOpen verifies artifacts of growing size, without parsing the dumps.
func BenchmarkOpen(b *testing.B) {
	for _, rules := range []int{100, 5_000, 20_000, 100_000} {
		var text bytes.Buffer
		text.WriteString("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n")
		for i := range rules {
			fmt.Fprintf(&text, "-A INPUT -s 10.%d.%d.%d/32 -p tcp -m tcp --dport 22 -j ACCEPT\n", i>>16, i>>8&255, i&255)
		}
		text.WriteString("COMMIT\n")
		m, _ := testContents()
		build, members := NewBuild(0, m.Builds[0].Toolchain, Accept{},
			[]ruleset.Dump{{Kind: ruleset.IPTables, Backend: ruleset.NFT, Text: text.Bytes()}})
		m.Builds = []Build{build}
		for _, k := range []*PrivateKey{testKey(b, 1), testECDSA(b)} {
			data, err := Encode(m, members, k)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("rules=%d/%s", rules, k.Public().Algorithm()), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					if _, err := Open(data, []PublicKey{k.Public()}, 1); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
