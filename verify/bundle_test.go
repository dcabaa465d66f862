package verify

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/google/go-cmp/cmp"
)

// severalBuilds returns an artifact for three toolchains; the third accepts a
// range of kernels that the second lies in.
func severalBuilds(t *testing.T, signers ...artifact.Signer) []byte {
	t.Helper()
	var m artifact.Manifest
	var members []artifact.Member
	for i, change := range []func(*ruleset.Toolchain, *artifact.Accept){
		func(h *ruleset.Toolchain, _ *artifact.Accept) { h.Kernel = "5.10.0-33-amd64"; h.IPTables = "1.8.7" },
		func(h *ruleset.Toolchain, _ *artifact.Accept) { h.Backend = ruleset.Legacy },
		func(h *ruleset.Toolchain, a *artifact.Accept) { h.Kernel = "6.1.0-1-amd64"; a.Kernel = "~> 6.1.0" },
		func(*ruleset.Toolchain, *artifact.Accept) {},
	} {
		tc, accept := testHost.Toolchain, artifact.Accept{}
		change(&tc, &accept)
		b, mem := artifact.NewBuild(i, tc, accept, []ruleset.Dump{{
			Kind: ruleset.IPTables, Backend: ruleset.NFT,
			Text: []byte("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n" +
				strings.Repeat("-A INPUT -j ACCEPT\n", i+1) + "COMMIT\n"),
		}})
		m.Builds, members = append(m.Builds, b), append(members, mem...)
	}
	m.Serial, m.Created = 1, testNow
	m.Script = artifact.Script{Name: "fw.sh", SHA256: strings.Repeat("0", 64)}
	data, err := artifact.Encode(&m, members, signers...)
	must(t, err)
	return data
}

func TestChooseBuild(t *testing.T) {
	k := testKey(t, 1)
	data := severalBuilds(t, k)
	for _, c := range []struct {
		name   string
		change func(*ruleset.Toolchain)
		accept artifact.Accept
		want   int // -1: none
		exact  bool
	}{
		{"Exact", func(h *ruleset.Toolchain) {}, artifact.Accept{}, 3, true},
		{"Signed constraint", func(h *ruleset.Toolchain) { h.Kernel = "6.1.0-99-amd64" }, artifact.Accept{}, 2, false},
		{"First", func(h *ruleset.Toolchain) { h.Kernel, h.IPTables = "5.10.0-33-amd64", "1.8.7" }, artifact.Accept{}, 0, true},
		{"Backend", func(h *ruleset.Toolchain) { h.Backend = ruleset.Legacy }, artifact.Accept{}, 1, true},
		{"Flag", func(h *ruleset.Toolchain) { h.IPTables = "1.8.10" }, artifact.Accept{IPTables: "~> 1.8.9"}, 2, false},
		{"None", func(h *ruleset.Toolchain) { h.Kernel = "6.12.1" }, artifact.Accept{}, -1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			host, p := testHost, DefaultPolicy()
			c.change(&host.Toolchain)
			p.Accept = c.accept
			a, err := Artifact(data, trustOf(k), p, host, OpenState(filepath.Join(t.TempDir(), "s")))
			if c.want < 0 {
				var e *HostError
				if !errors.As(err, &e) || len(e.Builds) != 4 {
					t.Fatalf("%v", err)
				}
				want := "this host is not one that the artifact was built for: " +
					"build 1 (kernel 5.10.0-33-amd64 x86_64, iptables 1.8.7 nft): kernel is 6.12.1, not 5.10.0-33-amd64, iptables is 1.8.9, not 1.8.7; " +
					"build 2 (kernel 6.1.0-28-amd64 x86_64, iptables 1.8.9 legacy): kernel is 6.12.1, not 6.1.0-28-amd64, iptables backend is nft, not legacy; " +
					"build 3 (kernel 6.1.0-1-amd64 x86_64, iptables 1.8.9 nft): kernel is 6.12.1, not 6.1.0-1-amd64 or ~> 6.1.0; " +
					"build 4 (kernel 6.1.0-28-amd64 x86_64, iptables 1.8.9 nft): kernel is 6.12.1, not 6.1.0-28-amd64"
				if diff := cmp.Diff(want, err.Error()); diff != "" {
					t.Error(diff)
				}
				return
			}
			must(t, err)
			if a.BuildIndex() != c.want || a.Exact() != c.exact {
				t.Errorf("build %d, exact %v", a.BuildIndex(), a.Exact())
			}
			if n := strings.Count(string(a.Snapshot().Dumps[0].Text), "-A INPUT"); n != c.want+1 {
				t.Errorf("the snapshot has %d rules", n)
			}
		})
	}
}

// A signed constraint that cannot be read matches nothing, and says so.
func TestRejectSignedConstraint(t *testing.T) {
	k := testKey(t, 1)
	data := testFile(t, func(m *artifact.Manifest) { m.Builds[0].Accept.Kernel = "six" }, k)
	host := testHost
	host.Toolchain.Kernel = "6.2"
	_, err := Artifact(data, trustOf(k), DefaultPolicy(), host, OpenState(filepath.Join(t.TempDir(), "s")))
	rejected(t, err, ErrConstraint, `"six"`)
}
