package compiler

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/internal/netns"
)

// A script's direct run in a plain namespace, which a benchmark starts in a
// process of its own to count its CPU.
func init() {
	netns.Register("direct", func() int {
		var j job
		if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
			return 1
		}
		err := netns.Do(func() error {
			cmd := exec.Command(filepath.Join(j.Dir, j.Script))
			cmd.Env = environment(nil)
			cmd.Stderr = os.Stderr
			return cmd.Run()
		})
		if err != nil {
			return 1
		}
		return 0
	})
}

// benchScript is a script of n calls that add.
func benchScript(shell, tool string, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/%s\n%s -P INPUT DROP\n", shell, tool)
	for i := range n - 1 {
		fmt.Fprintf(&b, "%s -A INPUT -s 10.%d.%d.%d -p tcp --dport %d -m conntrack --ctstate NEW -j ACCEPT\n",
			tool, i>>16&255, i>>8&255, i&255, 1+i%60000)
	}
	return b.String()
}

// BenchmarkBuild runs scripts directly in a plain namespace and builds them,
// in turns. It reports seconds of both, how many times the build is faster,
// the same of the CPU, and the build's peak memory of all processes in MB.
// 20,000 calls take minutes directly: FWC_BENCH_CALLS chooses other numbers.
func BenchmarkBuild(b *testing.B) {
	sizes := "500 5000 20000"
	if s := os.Getenv("FWC_BENCH_CALLS"); s != "" {
		sizes = s
	}
	for _, size := range strings.Fields(sizes) {
		n, err := strconv.Atoi(size)
		if err != nil {
			b.Fatal(err)
		}
		for _, tool := range []string{"iptables-nft", "iptables-legacy"} {
			for _, shell := range []string{"dash", "bash"} {
				b.Run(fmt.Sprintf("%s/%s/%d", tool, shell, n), func(b *testing.B) {
					benchBuild(b, shell, tool, n)
				})
			}
		}
	}
}

func benchBuild(b *testing.B, shell, tool string, n int) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fw.sh"), []byte(benchScript(shell, tool, n)), 0o755); err != nil {
		b.Fatal(err)
	}
	j := job{Script: "fw.sh", Dir: dir, Timeout: time.Hour}
	var direct, build cost
	for range b.N {
		direct.add(b, "direct", j, nil)
		var o outcome
		build.add(b, "build", j, &o)
		rules := 0
		for _, text := range o.Dumps {
			rules += strings.Count(text, "\n-A ")
		}
		if o.Err != "" || o.Mode != "recorded" || rules != n-1 {
			b.Fatalf("%s %s, %d rules", o.Err, o.Mode, rules)
		}
	}
	b.ReportMetric(0, "ns/op") // of both together, which says nothing
	b.ReportMetric(direct.wall.Seconds()/float64(b.N), "direct-s")
	b.ReportMetric(build.wall.Seconds()/float64(b.N), "build-s")
	b.ReportMetric(direct.wall.Seconds()/build.wall.Seconds(), "times")
	b.ReportMetric(direct.cpu.Seconds()/build.cpu.Seconds(), "times-cpu")
	b.ReportMetric(float64(build.peak)/(1<<20), "peak-MB")
}

// cost is what runs of a process and its children took.
type cost struct {
	wall, cpu time.Duration
	peak      uint64
}

// add runs a job in a stage of the test program.
func (c *cost) add(b *testing.B, stage string, j job, out *outcome) {
	b.Helper()
	cmd := command(nil, j)
	cmd.Args = netns.Argv(stage)
	var text strings.Builder
	cmd.Stdout = &text
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				c.peak = max(c.peak, treeMemory(cmd.Process.Pid))
			}
		}
	}()
	err := cmd.Wait()
	c.wall += time.Since(begin)
	done <- struct{}{}
	if err != nil {
		b.Fatalf("%s: %v", stage, err)
	}
	u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	c.cpu += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	if out != nil {
		if err := json.Unmarshal([]byte(text.String()), out); err != nil {
			b.Fatal(err)
		}
	}
}

// treeMemory sums what a process and its descendants hold, as residentMemory
// does, in bytes.
func treeMemory(root int) uint64 {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		rest := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(rest) > 1 {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			parent, _ := strconv.Atoi(rest[1])
			children[parent] = append(children[parent], pid)
		}
	}
	var pages uint64
	for list := []int{root}; len(list) > 0; list = list[1:] {
		list = append(list, children[list[0]]...)
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", list[0]))
		if f := strings.Fields(string(text)); err == nil && len(f) > 2 {
			resident, _ := strconv.ParseUint(f[1], 10, 64)
			shared, _ := strconv.ParseUint(f[2], 10, 64)
			pages += resident - min(shared, resident)
		}
	}
	return pages * uint64(os.Getpagesize())
}
