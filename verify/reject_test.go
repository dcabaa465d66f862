package verify

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ruleset"
)

// rejected checks that an artifact is not accepted, for the reason of that kind
// and in a sentence that holds the words.
func rejected(t *testing.T, err, kind error, words string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), words) {
		t.Errorf("%v; want %v … %s", err, kind, words)
	}
}

// taken accepts an artifact and writes it down.
func taken(t *testing.T, dir string, p Policy, change edit) {
	t.Helper()
	k := testKey(t, 1)
	a, err := Artifact(testFile(t, change, k), trustOf(k), p, testHost, OpenState(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Record(); err != nil {
		t.Fatal(err)
	}
}

// TestRejectOrder: what a host that has taken serial 1000 does not take.
func TestRejectOrder(t *testing.T) {
	k := testKey(t, 1)
	other := func(m *artifact.Manifest) { m.Serial, m.Labels = 1000, nil; m.Against = strings.Repeat("0", 64) }
	for _, c := range []struct {
		name    string
		applied []edit
		change  edit
		policy  func(*Policy)
		kind    error
		words   string
	}{
		{"LowerSerial", []edit{serial(0, 1000)}, serial(0, 999), nil, ErrOlder, "serial 999, the highest accepted is serial 1000"},
		{"LowerEpoch", []edit{serial(3, 1000)}, serial(2, 5000), nil, ErrOlder, "serial 5000 of epoch 2, the highest accepted is serial 1000 of epoch 3"},
		{"SameSerialOtherPayload", []edit{serial(0, 1000)}, other, nil, ErrSameSerial, "serial 1000 was accepted before with the digest"},
		{"HugeSerialJump", []edit{serial(0, 1000)}, serial(0, 1<<53-1), nil, ErrJump, "serial 9007199254740991, at most 1772452800 is plausible"},
		{"HugeFirstSerial", nil, serial(0, 1<<53-1), nil, ErrJump, ""},
		{"SerialJumpBeyondNow", []edit{serial(0, 1<<40)}, serial(0, 1<<40+1_000_001), func(p *Policy) { p.MaxSerialStep = 1 << 50 }, nil, ""},
		{"SerialOfTheFuture", []edit{serial(0, 1000)}, serial(0, uint64(testNow.Add(48*time.Hour).Unix())), nil, ErrJump, ""},
		{"HugeEpochJump", []edit{serial(0, 1000)}, serial(101, 1), nil, ErrJump, "at most epoch 100"},
		{"HigherSerial", []edit{serial(0, 1000)}, serial(0, 1001), nil, nil, ""},
		{"HigherEpoch", []edit{serial(0, 1000)}, serial(1, 1), nil, nil, ""},
		{"TheSameAgain", []edit{serial(0, 1000)}, serial(0, 1000), nil, nil, ""},
		{"OlderAllowed", []edit{serial(0, 1000)}, serial(0, 999), func(p *Policy) { p.AllowOlder = true }, nil, ""},
		{"SameSerialAllowed", []edit{serial(0, 1000)}, other, func(p *Policy) { p.AllowOlder = true }, nil, ""},
		{"HugeJumpNotAllowedByAllowOlder", []edit{serial(0, 1000)}, serial(0, 1<<53-1), func(p *Policy) { p.AllowOlder = true }, ErrJump, ""},
		{"BootOfANewOne", []edit{serial(0, 1000)}, serial(0, 1001), func(p *Policy) { p.Boot = true }, ErrOlder, "never accepted on this host"},
		{"BootWithoutState", nil, serial(0, 1000), func(p *Policy) { p.Boot = true }, ErrOlder, "never accepted"},
		{"BootOfAFormerOne", []edit{serial(0, 1000)}, serial(0, 999), func(p *Policy) { p.Boot = true }, nil, ""},
		{"BootOfAnotherOne", []edit{serial(0, 1000)}, other, func(p *Policy) { p.Boot = true }, ErrOlder, "never accepted"},
		{"BootOfTheLast", []edit{serial(0, 1000)}, serial(0, 1000), func(p *Policy) { p.Boot = true }, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			p := DefaultPolicy()
			p.MaxSerialStep = 1_000_000
			for _, e := range c.applied {
				wide := p
				wide.MaxSerialStep = 1 << 52
				taken(t, dir, wide, e)
			}
			if c.policy != nil {
				c.policy(&p)
			}
			a, err := Artifact(testFile(t, c.change, k), trustOf(k), p, testHost, OpenState(dir))
			if c.kind != nil {
				rejected(t, err, c.kind, c.words)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.Checked().Older() != strings.HasSuffix(c.name, "Allowed") {
				t.Errorf("older: %v", a.Checked().Older())
			}
		})
	}
}

// TestRejectTime: what does not fit this host's clock. At boot the clock may be
// wrong, and what was accepted before is accepted again.
func TestRejectTime(t *testing.T) {
	k := testKey(t, 1)
	for _, c := range []struct {
		name   string
		change edit
		now    time.Time
		kind   error
		words  string
	}{
		{"PastNotAfter", func(m *artifact.Manifest) { m.NotAfter = testNow.Add(-time.Minute) }, testNow, ErrExpired, "not valid after 2026-03-01T11:59:00Z"},
		{"CreatedFarInTheFuture", func(m *artifact.Manifest) { m.Created = testNow.Add(25 * time.Hour) }, testNow, ErrFuture, "created 2026-03-02T13:00:00Z"},
		{"ClockOf1970", nil, time.Unix(60, 0), ErrFuture, ""},
		{"CreatedALittleAhead", func(m *artifact.Manifest) { m.Created = testNow.Add(time.Hour) }, testNow, nil, ""},
		{"BeforeNotAfter", func(m *artifact.Manifest) { m.NotAfter = testNow.Add(time.Minute) }, testNow, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := testFile(t, c.change, k)
			dir := filepath.Join(t.TempDir(), "state")
			host := testHost
			host.Now = c.now
			_, err := Artifact(data, trustOf(k), DefaultPolicy(), host, OpenState(dir))
			if c.kind == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			rejected(t, err, c.kind, c.words)
			var e *Error
			if !errors.As(err, &e) || e.Hint == "" {
				t.Error("no hint")
			}
			// It was accepted while the clock was right.
			host.Now = testNow.Add(-30 * time.Minute)
			wide := DefaultPolicy()
			wide.MaxClockSkew = 48 * time.Hour
			a, err := Artifact(data, trustOf(k), wide, host, OpenState(dir))
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Record(); err != nil {
				t.Fatal(err)
			}
			host.Now = c.now
			p := DefaultPolicy()
			if _, err := Artifact(data, trustOf(k), p, host, OpenState(dir)); !errors.Is(err, c.kind) {
				t.Errorf("a second apply: %v", err)
			}
			p.Boot = true
			if _, err := Artifact(data, trustOf(k), p, host, OpenState(dir)); err != nil {
				t.Errorf("at boot: %v", err)
			}
		})
	}
}

// TestRejectHost: hosts that the artifact was not built for, and the whole
// sentence.
func TestRejectHost(t *testing.T) {
	k := testKey(t, 1)
	p := DefaultPolicy()
	p.Labels = map[string]string{"role": "db", "site": "fra1"}
	p.RequireLabels = []string{"site"}
	labels := func(kv ...string) edit {
		return func(m *artifact.Manifest) {
			m.Labels = map[string]string{"site": "fra1"}
			for i := 0; i < len(kv); i += 2 {
				m.Labels[kv[i]] = kv[i+1]
			}
		}
	}
	for _, c := range []struct {
		name   string
		change edit
		host   func(*ruleset.Toolchain)
		words  string
	}{
		{"Kernel", labels(), func(h *ruleset.Toolchain) { h.Kernel = "6.18.44-fc-v595" }, "kernel is 6.18.44-fc-v595, not 6.1.0-28-amd64"},
		{"KernelSuffix", labels(), func(h *ruleset.Toolchain) { h.Kernel = "6.1.0-29-amd64" }, "kernel is 6.1.0-29-amd64, not 6.1.0-28-amd64"},
		{"Architecture", labels(), func(h *ruleset.Toolchain) { h.Arch = "aarch64" }, "architecture is aarch64, not x86_64"},
		{"Version", labels(), func(h *ruleset.Toolchain) { h.IPTables = "1.8.11" }, "iptables is 1.8.11, not 1.8.9"},
		{"VersionAbsent", labels(), func(h *ruleset.Toolchain) { h.IPTables = "" }, "iptables is absent, not 1.8.9"},
		{"Backend", labels(), func(h *ruleset.Toolchain) { h.Backend = ruleset.Legacy }, "iptables backend is legacy, not nft"},
		{"SeveralAtOnce", labels(), func(h *ruleset.Toolchain) { h.Kernel, h.IPTables = "5.10.0-1", "1.8.7" },
			"kernel is 5.10.0-1, not 6.1.0-28-amd64, iptables is 1.8.7, not 1.8.9"},
		{"Label", labels("role", "web"), nil, "built for: the artifact is for role=web, and this host is role=db"},
		{"LabelAbsentOnHost", labels("rack", "7"), nil, "the artifact is for rack=7, and this host has no label rack"},
		{"RequiredLabelAbsent", nil, nil, "the artifact has no label site, and this host wants site=fra1"},
		{"LabelAndKernel", labels("role", "web"), func(h *ruleset.Toolchain) { h.Kernel = "5.10" }, "the artifact is for role=web, and this host is role=db; kernel is 5.10"},
		{"UnusedToolsDoNotCount", labels(), func(h *ruleset.Toolchain) { h.IPSet, h.NFT, h.ARPTables, h.EBTables = "", "", "", "9" }, ""},
		{"RightLabel", labels("role", "db"), nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := testHost
			if c.host != nil {
				c.host(&host.Toolchain)
			}
			_, err := Artifact(testFile(t, c.change, k), trustOf(k), p, host, OpenState(filepath.Join(t.TempDir(), "state")))
			if c.words == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var e *HostError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.words) {
				t.Fatalf("%v; want %s", err, c.words)
			}
			// The labels are known before the host's versions are.
			checked, err := Check(testFile(t, c.change, k), trustOf(k), p, testNow, OpenState(filepath.Join(t.TempDir(), "state")))
			must(t, err)
			if labels := checked.Labels(); (labels != nil) != (len(e.Labels) > 0) {
				t.Errorf("labels alone: %v", labels)
			}
		})
	}
}

// TestRejectSignature: what the artifact package refuses comes through whole.
func TestRejectSignature(t *testing.T) {
	k, other := testKey(t, 1), testKey(t, 2)
	good := testFile(t, nil, k)
	zero := DefaultPolicy()
	zero.Threshold = 0
	bounded := DefaultPolicy()
	bounded.Keys = map[string]Validity{"key1": {NotAfter: testNow.Add(-time.Hour)}}
	early := DefaultPolicy()
	early.Keys = map[string]Validity{"key1": {NotBefore: testNow.Add(time.Hour)}}
	for _, c := range []struct {
		name   string
		data   []byte
		trust  Trust
		policy Policy
		kind   error
		words  string
	}{
		{"Unsigned", testFile(t, nil), trustOf(k), DefaultPolicy(), artifact.ErrUnsigned, ""},
		{"UnknownKey", good, trustOf(other), DefaultPolicy(), artifact.ErrUntrusted, k.Public().Hint()},
		{"EmptyTrustRoot", good, Trust{}, DefaultPolicy(), artifact.ErrTrust, ""},
		{"ThresholdZero", good, trustOf(k), zero, artifact.ErrTrust, ""},
		{"ZeroPolicy", good, trustOf(k), Policy{}, artifact.ErrTrust, ""},
		{"KeyOutOfDate", good, trustOf(k, other), bounded, artifact.ErrUntrusted, "key key1 is not valid after 2026-03-01T11:00:00Z"},
		{"OnlyKeyOutOfDate", good, trustOf(k), bounded, artifact.ErrTrust, "key key1 is not valid after"},
		{"KeyNotYetValid", good, trustOf(k), early, artifact.ErrTrust, "key key1 is not valid before"},
		{"KeyOutOfDateUnderOneOfTwoNames", good, Trust{Keys: []Key{{"key1", k.Public()}, {"copy", k.Public()}, {"key2", other.Public()}}}, bounded,
			artifact.ErrUntrusted, "key key1 is not valid after"},
		{"PolicyOfAnUnknownKey", good, Trust{Keys: []Key{{"kye1", k.Public()}}, dir: "/etc/fwc/trusted.d"}, bounded,
			ErrPolicy, "it bounds key key1, and /etc/fwc/trusted.d holds no key1.pub"},
		{"FlippedBit", flip(good, bytes.Index(good, []byte("INPUT DROP"))), trustOf(k), DefaultPolicy(), artifact.ErrDigest, ""},
		{"FlippedBitWithInsecureUnsigned", flip(good, len(good)-1200), Trust{InsecureUnsigned: true}, DefaultPolicy(), artifact.ErrContainer, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := Artifact(c.data, c.trust, c.policy, testHost, OpenState(filepath.Join(t.TempDir(), "state")))
			rejected(t, err, c.kind, c.words)
			if a != nil {
				t.Error("an Accepted with an error")
			}
		})
	}
	for name, data := range map[string][]byte{"unsigned": testFile(t, nil), "anyone's": good} {
		if _, err := Artifact(data, Trust{InsecureUnsigned: true}, DefaultPolicy(), testHost, OpenState(filepath.Join(t.TempDir(), "state"))); err != nil {
			t.Errorf("%s artifact with InsecureUnsigned: %v", name, err)
		}
	}
	if _, err := Artifact(good, trustOf(k), DefaultPolicy(), testHost, nil); !errors.Is(err, ErrState) {
		t.Errorf("without a state: %v", err)
	}
}

func flip(data []byte, at int) []byte {
	out := append([]byte{}, data...)
	out[at] ^= 1
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
