package apply

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// large is a firewall of n rules, of which every hundredth depends on variant.
func large(n, variant int) string {
	var b strings.Builder
	b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
	fmt.Fprintf(&b, "-A PREROUTING -p udp -m udp --dport 8800 -j DNAT --to-destination 192.0.2.%d\nCOMMIT\n", variant+1)
	b.WriteString("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:PAD - [0:0]\n-A FORWARD -j PAD\n")
	for i := range n {
		v := 0
		if i%100 == 50 {
			v = variant
		}
		fmt.Fprintf(&b, "-A PAD -d 10.%d.%d.%d/32 -p tcp -m tcp --dport %d -j DROP\n", i>>16&255, i>>8&255, i&255, 1000+v)
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// BenchmarkCost applies a change of 1 %, there and back, and reports how that
// compares with a bare restore of the whole.
func BenchmarkCost(b *testing.B) {
	for _, n := range []int{100, 1000, 5000, 20000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			inside(b, func() {
				h := &host{t: b, ctx: b.Context(), dir: b.TempDir() + "/state"}
				restore := func(variant int) time.Duration {
					began := time.Now()
					cmd := exec.Command("iptables-nft-restore")
					cmd.Stdin = strings.NewReader(large(n, variant))
					if out, err := cmd.CombinedOutput(); err != nil {
						h.fatal(string(out))
					}
					return time.Since(began)
				}
				one, two := h.parsed(large(n, 0)), h.parsed(large(n, 1))
				h.applied(one)
				var commit int64
				b.ResetTimer()
				for i := range b.N {
					s := two
					if i%2 == 1 {
						s = one
					}
					commit += h.applied(s).CommitMillis
				}
				b.StopTimer()
				whole := b.Elapsed() / time.Duration(b.N)
				bare := time.Duration(0)
				inside(b, func() {
					restore(0)
					for i := range 4 {
						bare += restore(i%2) / 4
					}
				})
				b.ReportMetric(float64(bare.Microseconds())/1000, "restore-ms")
				b.ReportMetric(float64(commit)/float64(b.N), "commit-ms")
				b.ReportMetric(float64(whole)/float64(bare), "restores")
			})
		})
	}
}
