package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/verify"
)

// signed returns a signed artifact of a snapshot and the trust in its signer.
func (h *host) signed(s *ruleset.Snapshot, serial uint64) ([]byte, verify.Trust) {
	h.t.Helper()
	key, err := artifact.GenerateKey(artifact.Ed25519)
	h.must(err)
	tools, err := netfilter.Probe(h.ctx)
	h.must(err)
	build, members := artifact.NewBuild(0, tools, artifact.Accept{}, s.Dumps)
	build.Wanted = []artifact.Sysctl{{Key: "net.ipv4.tcp_syncookies", Value: "2"}}
	sum := sha256.Sum256(nil)
	m := &artifact.Manifest{Serial: serial, Created: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		Script: artifact.Script{Name: "fw.sh", SHA256: hex.EncodeToString(sum[:])}, Builds: []artifact.Build{build}}
	data, err := artifact.Encode(m, members, key)
	h.must(err)
	return data, verify.Trust{Keys: []verify.Key{{Name: "k", Public: key.Public()}}}
}

func (h *host) accept(data []byte, trust verify.Trust) (*verify.Accepted, error) {
	h.t.Helper()
	tools, err := netfilter.Probe(h.ctx)
	h.must(err)
	return verify.Artifact(data, trust, verify.DefaultPolicy(), verify.Host{Toolchain: tools}, verify.OpenState(h.dir))
}

// TestApplyAccepted goes the whole way with a signed file.
func TestApplyAccepted(t *testing.T) {
	onHost(t, func(h *host) {
		now := uint64(time.Now().Unix())
		sa := h.built(scriptA)
		data, trust := h.signed(sa, now)
		a, err := h.accept(data, trust)
		h.must(err)
		r, err := Apply(h.ctx, a, Options{State: h.dir, DryRun: true})
		h.must(err)
		if r.Result != Planned {
			t.Errorf("dry run: %+v", r)
		}
		if _, err := os.Stat(h.dir); !os.IsNotExist(err) {
			t.Errorf("a dry run made a state directory: %v", err)
		}
		r, err = Apply(h.ctx, a, Options{State: h.dir})
		h.must(err)
		h.is(sa)
		if got := h.sh("cat /proc/sys/net/ipv4/tcp_syncookies"); got != "2\n" {
			t.Errorf("a wanted sysctl is %s", got)
		}
		if r.Result != Applied || r.Digest != a.Digest() || r.Generation != 1 || r.Fallback == "" {
			t.Errorf("result %+v", r)
		}
		stored, err := os.ReadFile(filepath.Join(h.dir, "generations/1/artifact"))
		h.must(err)
		if string(stored) != string(data) {
			t.Error("the history holds another file")
		}
		for _, dir := range []string{"", "generations", "generations/1", "generations/1/applied"} {
			fi, err := os.Stat(filepath.Join(h.dir, dir))
			h.must(err)
			if fi.Mode().Perm() != 0o700 {
				t.Errorf("%s has mode %v", dir, fi.Mode())
			}
		}
		// The serial counts from here on.
		older, trustOlder := h.signed(sa, now-10)
		if _, err := h.accept(older, trustOlder); !errors.Is(err, verify.ErrOlder) {
			t.Errorf("an older artifact: %v", err)
		}
		// A failed apply must not count its serial.
		newer, trustNewer := h.signed(h.built(scriptB), now+10)
		b, err := h.accept(newer, trustNewer)
		h.must(err)
		if _, err := Apply(h.ctx, b, Options{State: h.dir, Check: "false"}); !errors.Is(err, ErrUndone) {
			t.Errorf("a failed check: %v", err)
		}
		a, err = h.accept(data, trust)
		h.must(err)
		r, err = Apply(h.ctx, a, Options{State: h.dir})
		h.must(err)
		if r.Result != Unchanged || r.Transactions != 0 || r.Generation != 1 {
			t.Errorf("a second time: %+v", r)
		}
	})
}

// TestOlderLosesTheRace applies an artifact that was accepted before a newer
// one was applied.
func TestOlderLosesTheRace(t *testing.T) {
	onHost(t, func(h *host) {
		now := uint64(time.Now().Unix())
		old, trustOld := h.signed(h.built(scriptA), now)
		slow, err := h.accept(old, trustOld)
		h.must(err)
		sb := h.built(scriptB)
		newer, trustNewer := h.signed(sb, now+1)
		fast, err := h.accept(newer, trustNewer)
		h.must(err)
		_, err = Apply(h.ctx, fast, Options{State: h.dir})
		h.must(err)
		before := h.saves()
		if _, err := Apply(h.ctx, slow, Options{State: h.dir, Replace: true}); err == nil {
			t.Error("the older artifact replaced the newer one")
		}
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("not as before (-want +got):\n%s", diff)
		}
		h.is(sb)
	})
}

// TestNewerWinsTheRace accepts two artifacts on a host that had none, and
// applies the older one first.
func TestNewerWinsTheRace(t *testing.T) {
	onHost(t, func(h *host) {
		now := uint64(time.Now().Unix())
		old, trustOld := h.signed(h.built(scriptA), now)
		sb := h.built(scriptB)
		newer, trustNewer := h.signed(sb, now+1)
		first, err := h.accept(old, trustOld)
		h.must(err)
		second, err := h.accept(newer, trustNewer)
		h.must(err)
		for _, a := range []*verify.Accepted{first, second} {
			_, err = Apply(h.ctx, a, Options{State: h.dir})
			h.must(err)
		}
		h.is(sb)
	})
}

// BenchmarkApply applies a change of one rule, and the whole, beside the tool's
// own restore.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{100, 5000, 20000} {
		var rules strings.Builder
		for i := range n {
			fmt.Fprintf(&rules, "-A INPUT -s 10.%d.%d.%d/32 -j ACCEPT\n", i>>16, i>>8&255, i&255)
		}
		text := head + rules.String() + "COMMIT\n"
		other := head + "-A INPUT -j ACCEPT\n" + rules.String() + "COMMIT\n"
		b.Run(fmt.Sprintf("restore-%d", n), func(b *testing.B) {
			benchHost(b, func(h *host) {
				d := ruleset.Dump{Kind: ruleset.IPTables, Backend: ruleset.NFT, Text: []byte(text)}
				for b.Loop() {
					h.must(netfilter.Restore(h.ctx, d, netfilter.RestoreOptions{}))
				}
			})
		})
		b.Run(fmt.Sprintf("apply-%d", n), func(b *testing.B) {
			benchHost(b, func(h *host) {
				states := []*ruleset.Snapshot{h.parsed(text), h.parsed(other)}
				for i := 0; b.Loop(); i++ {
					_, err := h.apply(states[i%2])
					h.must(err)
				}
			})
		})
		b.Run(fmt.Sprintf("unchanged-%d", n), func(b *testing.B) {
			benchHost(b, func(h *host) {
				s := h.parsed(text)
				_, err := h.apply(s)
				h.must(err)
				for b.Loop() {
					_, err := h.apply(s)
					h.must(err)
				}
			})
		})
	}
}

func benchHost(b *testing.B, fn func(h *host)) {
	b.Helper()
	inside(b, func() { fn(&host{t: b, ctx: context.Background(), dir: b.TempDir() + "/state"}) })
}

func (h *host) parsed(text string) *ruleset.Snapshot {
	h.t.Helper()
	s, err := parseTexts(text, "")
	h.must(err)
	return s
}
