package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ruleset"
)

// coldLimit is what a cold fwc verify of 500 KB may take more than /bin/true.
const coldLimit = 10 * time.Millisecond

// TestColdVerify holds the program for hosts to coldLimit. It takes the best of
// many runs, which a busy machine changes least.
func TestColdVerify(t *testing.T) {
	verify, idle := coldRuns(t, hostProgram(t), 40)
	best := slices.Min(verify) - slices.Min(idle)
	t.Logf("fwc verify of 500 KB: best %v, median %v; /bin/true: best %v, median %v",
		slices.Min(verify), median(verify), slices.Min(idle), median(idle))
	if best > coldLimit {
		t.Errorf("fwc verify takes %v more than /bin/true, not %v at most", best, coldLimit)
	}
}

func BenchmarkColdVerify(b *testing.B) {
	verify, idle := coldRuns(b, hostProgram(b), max(b.N, 20))
	b.ReportMetric(float64(median(verify).Microseconds())/1000, "ms/verify")
	b.ReportMetric(float64(median(idle).Microseconds())/1000, "ms/true")
	b.ReportMetric(0, "ns/op")
}

// coldRuns starts fwc verify and /bin/true in turns and returns how long each
// run of them took.
func coldRuns(t testing.TB, program string, n int) (verify, idle []time.Duration) {
	t.Helper()
	dir := t.TempDir()
	file, key := bigArtifact(t, dir)
	policy := filepath.Join(dir, "policy.conf")
	if err := os.WriteFile(policy, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for range n {
		verify = append(verify, timed(t, program, "verify", file, "--trust", key,
			"--state", filepath.Join(dir, "state"), "--policy", policy))
		idle = append(idle, timed(t, "/bin/true"))
	}
	return verify, idle
}

func timed(t testing.TB, name string, args ...string) time.Duration {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out.Bytes())
	}
	return took
}

func median(d []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(d))[len(d)/2]
}

// bigArtifact writes a signed artifact of 500 KB and the key that signed it.
func bigArtifact(t testing.TB, dir string) (file, public string) {
	t.Helper()
	var text bytes.Buffer
	text.WriteString("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n")
	for i := 0; text.Len() < 500_000; i++ {
		fmt.Fprintf(&text, "-A INPUT -s 10.%d.%d.%d/32 -p tcp -m tcp --dport 22 -j ACCEPT\n", i>>16, i>>8&255, i&255)
	}
	text.WriteString("COMMIT\n")
	build, members := artifact.NewBuild(0, ruleset.Toolchain{
		Kernel: "6.1.0", Arch: "x86_64", IPTables: "1.8.9", Backend: ruleset.NFT,
	}, artifact.Accept{}, []ruleset.Dump{{Kind: ruleset.IPTables, Backend: ruleset.NFT, Text: text.Bytes()}})
	key, err := artifact.GenerateKey(artifact.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	data, err := artifact.Encode(&artifact.Manifest{
		Serial: 1, Created: time.Unix(1750000000, 0),
		Script: artifact.Script{Name: "fw.sh", SHA256: hex.EncodeToString(sum[:])},
		Builds: []artifact.Build{build},
	}, members, key)
	if err != nil {
		t.Fatal(err)
	}
	file, public = filepath.Join(dir, "big.artifact"), filepath.Join(dir, "big.pub")
	for name, content := range map[string][]byte{file: data, public: key.Public().PEM()} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return file, public
}
