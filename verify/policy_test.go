package verify

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParsePolicy(t *testing.T) {
	got, err := ParsePolicy("policy.conf", []byte(`
# who we are
threshold = 2  # both of us
label.role = web server	# a tab
label.site=fra#1
require-labels = site, role
max-serial-step = 5
max-epoch-step = 1
max-clock-skew = 90m
key.ops-2025.not-before = 2025-01-01
key.ops-2025.not-after = 2025-12-31
key.a.b.not-after = 2026-01-01T01:00:00+01:00
boot = lockdown
management-ports = 22, 2222/tcp,51820/udp
management-from = 192.0.2.0/24, 2001:db8::1
keep = MINE-*,!Docker
keep = blocklist
`))
	must(t, err)
	want := Policy{
		Threshold: 2, Labels: map[string]string{"role": "web server", "site": "fra#1"},
		RequireLabels: []string{"role", "site"}, MaxSerialStep: 5, MaxEpochStep: 1, MaxClockSkew: 90 * time.Minute,
		Keys: map[string]Validity{
			"ops-2025": {time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC)},
			"a.b":      {NotAfter: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		},
		OnBoot: Lockdown,
		Management: Management{
			Ports: []Port{{"tcp", 22}, {"tcp", 2222}, {"udp", 51820}},
			From:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
		},
		Keep: []string{"MINE-*", "!Docker", "blocklist"},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestRejectPolicy(t *testing.T) {
	for text, words := range map[string]string{
		"threshold = 0":                  "p:1: threshold: must be 1 or more",
		"threshold = -1":                 "must be 1 or more",
		"threshold = x":                  "invalid syntax",
		"\nthreshold = 1\nthreshold=2":   "p:3: threshold is there twice",
		"treshold = 1":                   "p:1: treshold: unknown key",
		"threshold":                      "not of the form",
		"threshold =":                    "not of the form",
		"= 1":                            "not of the form",
		"label. = x":                     "label",
		"label.a b = x":                  "label",
		"label.a = \x1b[1m":              "U+001B",
		"require-labels = a,,b":          "label",
		"max-serial-step = -1":           "invalid syntax",
		"max-epoch-step = 1e99":          "invalid syntax",
		"max-clock-skew = -1h":           "negative",
		"max-clock-skew = 1":             "missing unit",
		"key.a = 2026-01-01":             "unknown key",
		"key..not-after = 2026-01-01":    "unknown key",
		"key.a.not-after = tomorrow":     "not a time",
		"boot = open":                    "must be compatible or lockdown",
		"keep = MINE-*, ":                "a pattern is empty",
		"keep = 'MINE-*'":                "p:1: keep: 'MINE-*': write it without quotes",
		"keep = MINE[":                   `"MINE[" is not a pattern`,
		"management-ports = ssh":         `"ssh" is not a port`,
		"management-ports = 0":           "is not a port",
		"management-ports = 22,":         "is not a port",
		"management-ports = 70000":       "is not a port",
		"management-ports = 22/sctp":     "is not a port",
		"management-from = here":         "is not a network",
		"management-from = fe80::1%eth0": "is not a network",
		"management-from = 192.0.2.1/24": "192.0.2.0/24 is the network",
		"key.a.notafter = 2026-01-01":    "unknown key",
		"key.a.not-after = 2026-02-30":   "not a time",
		"a = " + string(make([]byte, 9)): "unknown key",
	} {
		_, err := ParsePolicy("p", []byte(text))
		rejected(t, err, ErrPolicy, words)
	}
}

func TestLoadPolicy(t *testing.T) {
	name := filepath.Join(t.TempDir(), "policy.conf")
	got, err := LoadPolicy(name)
	must(t, err)
	if diff := cmp.Diff(DefaultPolicy(), got); diff != "" {
		t.Error(diff)
	}
	must(t, os.WriteFile(name, []byte("threshold = 2\n"), 0o644))
	must(t, os.Chmod(name, 0o644))
	got, err = LoadPolicy(name)
	must(t, err)
	if got.Threshold != 2 {
		t.Errorf("threshold %d", got.Threshold)
	}
	must(t, os.Chmod(name, 0o666))
	_, err = LoadPolicy(name)
	rejected(t, err, ErrPolicy, "writable by others")
}

func FuzzPolicy(f *testing.F) {
	f.Add("threshold = 2\nlabel.role = web\nkey.a.not-after = 2026-01-01\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePolicy("p", []byte(text))
		if err == nil && p.Threshold < 1 {
			t.Errorf("threshold %d", p.Threshold)
		}
	})
}
