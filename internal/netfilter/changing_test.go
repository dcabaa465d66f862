package netfilter_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// Someone else's changes must not tear a picture apart: the two rules that the
// writer adds and removes together are both there or both not.
func TestWhileOthersWrite(t *testing.T) {
	ctx := context.Background()
	inside(t, func() {
		sh(t, "iptables-nft -N WRITER; nft add table inet writer; nft add chain inet writer c")
		writer := exec.Command("sh", "-c", `while :; do
			printf 'add rule ip filter WRITER counter accept\nadd rule inet writer c accept\n' | nft -f -
			sleep 0.02
			printf 'flush chain ip filter WRITER\nflush chain inet writer c\n' | nft -f -
			sleep 0.02
		done`)
		if err := writer.Start(); err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = writer.Process.Kill(); _ = writer.Wait() }()
		seen := map[int]int{}
		for start := time.Now(); time.Since(start) < 1500*time.Millisecond; {
			dumps, err := netfilter.CaptureRaw(ctx, netfilter.Scope{})
			if err != nil {
				t.Error(err)
				return
			}
			d := text(dumps)
			xt, native := strings.Count(d["iptables.rules"], "-A WRITER"), strings.Count(d["nft.json"], `"table": "writer", "chain": "c"`)
			if xt != native {
				t.Errorf("torn picture: %d rules in iptables, %d in nft\n%s", xt, native, d["nft.json"])
				return
			}
			seen[xt]++
			if _, err := netfilter.Objects(ctx); err != nil {
				t.Error(err)
				return
			}
		}
		t.Logf("pictures by rules: %v", seen)
	})
}
