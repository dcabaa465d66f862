package verify

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ruleset"
)

// TestBootOnAnotherKernel: what the policy makes of a host that changed since
// the artifact was accepted.
func TestBootOnAnotherKernel(t *testing.T) {
	k := testKey(t, 1)
	label := func(m *artifact.Manifest) { m.Labels = map[string]string{"role": "db"} }
	other := testHost.Toolchain
	other.Kernel = "6.12.9"
	for _, c := range []struct {
		name   string
		policy Policy
		change edit
		host   ruleset.Toolchain
		words  string // of the error
		passed string // over
	}{
		{"Same", Policy{}, nil, testHost.Toolchain, "", ""},
		{"Silent", Policy{}, nil, other, "", "kernel is 6.12.9, not 6.1.0-28-amd64"},
		{"Compatible", Policy{OnBoot: Compatible}, nil, other, "", "kernel is 6.12.9, not 6.1.0-28-amd64"},
		{"Lockdown", Policy{OnBoot: Lockdown}, nil, other, "kernel is 6.12.9", ""},
		{"LockdownOfTheSame", Policy{OnBoot: Lockdown}, nil, testHost.Toolchain, "", ""},
		{"Label", Policy{}, label, other, "the artifact is for role=db, and this host has no label role", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := DefaultPolicy()
			p.OnBoot = c.policy.OnBoot
			dir := filepath.Join(t.TempDir(), "state")
			first := p
			first.Labels = map[string]string{"role": "db"}
			data := testFile(t, c.change, k)
			a, err := Artifact(data, trustOf(k), first, testHost, OpenState(dir))
			must(t, err)
			must(t, a.Record())
			p.Boot = true
			checked, err := Check(data, trustOf(k), p, testHost.Now, OpenState(dir))
			must(t, err)
			a, err = checked.Boot(c.host)
			var mismatch *HostError
			if c.words != "" {
				if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), c.words) {
					t.Fatalf("error %v", err)
				}
				return
			}
			must(t, err)
			passed := ""
			for _, m := range a.Mismatches() {
				passed += m.String()
			}
			if passed != c.passed || a.Snapshot() == nil {
				t.Errorf("passed over %q", passed)
			}
		})
	}
	// Without Policy.Boot it is Match.
	checked, err := Check(testFile(t, nil, k), trustOf(k), DefaultPolicy(), testHost.Now, OpenState(filepath.Join(t.TempDir(), "s")))
	must(t, err)
	var mismatch *HostError
	if _, err := checked.Boot(other); !errors.As(err, &mismatch) {
		t.Errorf("error %v", err)
	}
}
