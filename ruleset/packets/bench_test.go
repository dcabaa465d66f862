package packets

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
)

// benchRules are rules as a grown firewall has them: services of hosts and
// networks, some of any source, some of any destination.
func benchRules(n int, seed uint64) []string {
	r := rand.New(rand.NewPCG(seed, 7))
	rules := make([]string, n)
	for i := range rules {
		var b strings.Builder
		b.WriteString("-A FORWARD")
		kind := r.IntN(5) // 0: of any source, 1: to any destination
		if kind > 0 {
			fmt.Fprintf(&b, " -s 10.%d.%d.%d/%d", r.IntN(256), r.IntN(256), 0, 16+r.IntN(9))
		}
		if kind != 1 {
			fmt.Fprintf(&b, " -d 172.%d.%d.%d/32", 16+r.IntN(16), r.IntN(256), r.IntN(256))
		}
		if r.IntN(3) == 0 {
			fmt.Fprintf(&b, " -i eth%d", r.IntN(6))
		}
		fmt.Fprintf(&b, " -p %s -m %[1]s --dport %d", []string{"tcp", "udp"}[r.IntN(2)], []int{22, 53, 80, 443, 5432, 8080, 1 + r.IntN(65000)}[r.IntN(7)])
		b.WriteString([]string{" -j ACCEPT", " -j ACCEPT", " -j DROP"}[r.IntN(3)])
		rules[i] = b.String()
	}
	return rules
}

// edited returns the rules with a share of them changed.
func edited(rules []string, percent float64, seed uint64) []string {
	r := rand.New(rand.NewPCG(seed, 8))
	out := append([]string(nil), rules...)
	fresh := benchRules(len(rules), seed+1)
	for range max(1, int(float64(len(rules))*percent/100)) {
		out[r.IntN(len(out))] = fresh[r.IntN(len(fresh))]
	}
	return out
}

func benchSnapshot(b testing.TB, policy string, rules []string) *ruleset.Snapshot {
	return snapshot(b, ruleset.IPTables, "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD "+policy+" [0:0]\n:OUTPUT ACCEPT [0:0]\n"+strings.Join(rules, "\n")+"\nCOMMIT\n")
}

// serving are the rules with what most firewalls have beside them: established
// connections first, a mark, and ports forwarded to hosts behind.
func serving(rules []string) string {
	var b strings.Builder
	b.WriteString("*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" +
		"-A PREROUTING -i eth5 -j MARK --set-xmark 0x1/0x1\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
	for i := range min(50, len(rules)/20) {
		fmt.Fprintf(&b, "-A PREROUTING -d 192.0.2.%d/32 -p tcp -m tcp --dport %d -j DNAT --to-destination 172.20.0.%[1]d:8080\n", 1+i%5, 8000+i)
	}
	return b.String() + "-A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n" +
		filter(append([]string{":FORWARD DROP [0:0]", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -m mark --mark 0x1/0x1 -p udp -j DROP"}, rules...)...)
}

// benchSizes are the sizes that a benchmark grows over; without -short it goes
// on to the largest.
var benchSizes = []int{100, 1000, 5000}

func BenchmarkDiff(b *testing.B) {
	sizes := benchSizes
	if !testing.Short() {
		sizes = append(sizes, 20000, 100000)
	}
	for _, n := range sizes {
		rules := benchRules(n, 1)
		old := benchSnapshot(b, "DROP", rules)
		for _, c := range []struct {
			name     string
			old, new *ruleset.Snapshot
		}{
			{"one-percent", old, benchSnapshot(b, "DROP", edited(rules, 1, 2))},
			{"serving", snapshot(b, ruleset.IPTables, serving(rules)), snapshot(b, ruleset.IPTables, serving(edited(rules, 1, 2)))},
			{"twenty", old, benchSnapshot(b, "DROP", edited(rules, 2000/float64(n), 2))},
			{"policy", old, benchSnapshot(b, "ACCEPT", rules)},
		} {
			if c.name == "policy" && n > 5000 {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				start := processorTime()
				for range b.N {
					r, err := Diff(context.Background(), c.old, c.new, Options{})
					if errors.Is(err, ErrTooLarge) {
						b.Skip(err)
					}
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(len(r.Regions)), "regions")
				}
				b.ReportMetric((processorTime()-start)/float64(b.N), "cpu-s/op")
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/1e6, "MB/op")
				b.ReportMetric(float64(after.Sys)/1e6, "MB-sys")
			})
		}
	}
}

// processorTime is what the process has used, in seconds: on a busy machine
// it says more than the clock.
func processorTime() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func BenchmarkLint(b *testing.B) {
	for _, n := range []int{100, 1000, 5000} {
		s := benchSnapshot(b, "DROP", benchRules(n, 1))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			start := processorTime()
			for range b.N {
				found, err := Lint(context.Background(), s, Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(found.Findings)), "findings")
			}
			b.ReportMetric((processorTime()-start)/float64(b.N), "cpu-s/op")
		})
	}
}
