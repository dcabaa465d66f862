package netfilter_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// manyRules returns a dump of n ordinary rules in a chain of their own.
func manyRules(n int) []byte {
	var b strings.Builder
	b.WriteString("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:MANY - [0:0]\n-A FORWARD -j MANY\n")
	for i := range n {
		fmt.Fprintf(&b, "-A MANY -s 10.%d.%d.%d/32 -p tcp -m tcp --dport %d -j ACCEPT\n", i>>16&255, i>>8&255, i&255, i%60000+1)
	}
	b.WriteString("COMMIT\n")
	return []byte(b.String())
}

// BenchmarkSizes compares each operation to the program that does the same.
func BenchmarkSizes(b *testing.B) {
	ctx := context.Background()
	tool := func(name string, stdin []byte) func() error {
		return func() error {
			cmd := exec.Command(name)
			cmd.Stdin = strings.NewReader(string(stdin))
			return cmd.Run()
		}
	}
	for _, backend := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
		for _, n := range []int{100, 1000, 5000, 20000} {
			text := manyRules(n)
			d := ruleset.Dump{Kind: ruleset.IPTables, Backend: backend, Text: text}
			s := ruleset.New([]ruleset.Dump{d}, nil, nil, nil)
			load := func() error { return netfilter.Load(ctx, s) }
			for _, op := range []struct {
				name string
				run  func() error
			}{
				{"load", load},
				{"raw-restore", tool("iptables-"+string(backend)+"-restore", text)},
				{"capture-raw", func() error { _, err := netfilter.CaptureRaw(ctx, netfilter.Scope{}); return err }},
				{"capture", func() error { _, err := netfilter.Capture(ctx, netfilter.Scope{}); return err }},
				{"raw-save", tool("iptables-"+string(backend)+"-save", nil)},
				{"objects", func() error { _, err := netfilter.Objects(ctx); return err }},
			} {
				b.Run(fmt.Sprintf("%s/%s/%d", op.name, backend, n), func(b *testing.B) {
					err := netns.Do(func() error {
						if err := load(); err != nil {
							return err
						}
						for b.Loop() {
							if err := op.run(); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						b.Fatal(err)
					}
				})
			}
		}
	}
}
