package main_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/cli"
)

var update = flag.Bool("update", false, "write the golden files")

// refusal is a file that no host takes, or a host that takes none.
type refusal struct {
	name string
	file []byte
	// host changes the directory in which fwc runs: trusted.d, policy.conf,
	// state. Nil leaves a host that takes the good file.
	host func(dir string)
	args []string // beside those of fwc verify FILE
}

// TestRefusals runs fwc verify on every file that DESIGN's list of rejections
// names. testdata/refusals.golden has what a user sees: exit code and sentence.
func TestRefusals(t *testing.T) {
	f := newForge(t)
	var got strings.Builder
	for _, r := range slices.Concat(f.envelopes(), f.payloads(), f.containers(), f.keys(), f.policies()) {
		code, out := f.verify(r)
		if code != 5 && code != 3 {
			t.Errorf("%s: exit code %d\n%s", r.name, code, out)
		}
		fmt.Fprintf(&got, "# %s\nexit %d\n%s\n", r.name, code, steady(out))
	}
	if code, out := f.verify(refusal{file: f.tar(f.bundle(f.text, f.key))}); code != 0 {
		t.Errorf("the good file: exit code %d\n%s", code, out)
	}
	golden := filepath.Join("..", "..", "testdata", "refusals.golden")
	if *update {
		must(0, os.WriteFile(golden, []byte(got.String()), 0o644))(t)
	}
	want := must(os.ReadFile(golden))(t)
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-update writes it):\n%s", golden, diff)
	}
}

// verify runs fwc in a directory of its own and returns its exit code and what
// it said.
func (f *forge) verify(r refusal) (int, string) {
	f.t.Helper()
	dir := f.t.TempDir()
	write(f.t, filepath.Join(dir, "trusted.d", "ci.pub"), f.key.Public().PEM())
	if r.file == nil {
		r.file = f.tar(f.bundle(f.text, f.key))
	}
	write(f.t, filepath.Join(dir, "fw.artifact"), r.file)
	write(f.t, filepath.Join(dir, "policy.conf"), nil)
	if r.host != nil {
		r.host(dir)
	}
	f.t.Chdir(dir)
	var out bytes.Buffer
	args := append([]string{"fwc", "verify", "fw.artifact", "--trust", "trusted.d", "--policy", "policy.conf", "--state", "state"}, r.args...)
	code := cli.Run(context.Background(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out})
	f.t.Chdir(f.home)
	return code, out.String()
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	must(0, os.MkdirAll(filepath.Dir(name), 0o755))(t)
	must(0, os.WriteFile(name, data, 0o644))(t)
}

// steady hides what differs between runs and hosts.
func steady(out string) string {
	for _, r := range [][2]string{
		{`which says \S+`, "which says NOW"}, {`at most \d+`, "at most N"},
		{`(kernel|iptables|architecture|backend) is \S+, not`, "$1 is THIS, not"},
		{`not made by key \S+`, "not made by key K"},
	} {
		out = regexp.MustCompile(r[0]).ReplaceAllString(out, r[1])
	}
	return out
}

// envelopes are bundles that are not as they must be.
func (f *forge) envelopes() []refusal {
	good := f.bundle(f.text, f.key)
	hint := f.key.Public().Hint()
	other := f.bundle(f.text, seeded(f.t, 2))
	ph := must(ed25519.NewKeyFromSeed(append([]byte{1}, make([]byte, 31)...)).Sign(rand.Reader, digest512(pae(inToto, f.text)), crypto.SHA512))(f.t)
	var many []string
	for n := range byte(17) {
		many = append(many, f.bundle(f.text, seeded(f.t, n+1)))
	}
	return []refusal{
		{name: "payloadType wrong", file: f.tar(f.bundleOf("text/plain", f.text, hint, must(f.key.Sign(pae("text/plain", f.text)))(f.t)))},
		{name: "payloadType missing", file: f.rebundled(`"payloadType":"`+inToto+`",`, "")},
		{name: "no signature", file: f.tar(f.replace(f.replace(good, `"hint":"`+hint+`"`, `"hint":""`), good[strings.Index(good, `{"sig"`):strings.Index(good, `]}}`)], ""))},
		{name: "too many signatures", file: f.tar(many...)},
		{name: "one key signs twice", file: f.tar(good, good)},
		{name: "one key signs under another's hint", file: f.tar(f.replace(good, hint, seeded(f.t, 2).Public().Hint()))},
		{name: "another key", file: f.tar(other)},
		{name: "duplicate key in the envelope", file: f.rebundled(`"payloadType":`, `"payloadType":"text/plain","payloadType":`)},
		{name: "case-variant key in the envelope", file: f.rebundled(`"payloadType":`, `"payloadtype":`)},
		{name: "unknown key in the envelope", file: f.rebundled(`"payloadType":`, `"x":1,"payloadType":`)},
		{name: "trailing JSON in the envelope", file: f.tar(good + "{}")},
		{name: "base64 with a line end", file: f.rebundled(`"payload":"`, `"payload":"\n`)},
		{name: "base64 of another alphabet", file: f.rebundled(`"sig":"`, `"sig":"-_`)},
		{name: "Ed25519ph", file: f.tar(f.bundleOf(inToto, f.text, hint, ph))},
		{name: "certificate in the bundle", file: f.rebundled(`"publicKey":{"hint":"`+hint+`"}`, `"certificate":{"rawBytes":"AA=="}`)},
		{name: "log entry in the bundle", file: f.rebundled(`"publicKey":`, `"tlogEntries":[{}],"publicKey":`)},
		{name: "bundles whose payloads differ", file: f.tar(good, f.bundle(f.text+" ", seeded(f.t, 2)))},
		{name: "signature of another payload", file: f.tar(f.bundleOf(inToto, f.text, hint, must(f.key.Sign(pae(inToto, "x")))(f.t)))},
	}
}

func digest512(b []byte) []byte {
	sum := sha512.Sum512(b)
	return sum[:]
}

// payloads are signed and yet refused.
func (f *forge) payloads() []refusal {
	renamed := slices.Clone(f.members)
	renamed[0].Data, renamed[1].Data = renamed[1].Data, renamed[0].Data
	changed := slices.Clone(f.members)
	changed[1].Data = bytes.Replace(changed[1].Data, []byte("DROP"), []byte("ACCEPT"), 1)
	extra := append(slices.Clone(f.members), artifact.Member{Name: "z.rules", Data: []byte("x")})
	var subjects strings.Builder
	for i := range 1025 {
		fmt.Fprintf(&subjects, `{"name":"a%04d","digest":{"sha256":"%064d"}},`, i, 0)
	}
	return []refusal{
		{name: "_type wrong", file: f.edited(`in-toto.io/Statement/v1`, `in-toto.io/Statement/v0.1`)},
		{name: "_type missing", file: f.edited(`"_type":"https://in-toto.io/Statement/v1",`, "")},
		{name: "predicateType wrong", file: f.edited(`fwc.dev/artifact/v1`, `slsa.dev/provenance/v1`)},
		{name: "predicateType missing", file: f.edited(`"predicateType":"https://fwc.dev/artifact/v1",`, "")},
		{name: "unknown format version", file: f.edited(`"format":1`, `"format":2`)},
		{name: "duplicate key in the payload", file: f.edited(`"serial":`, `"serial":1,"serial":`)},
		{name: "case-variant key in the payload", file: f.edited(`"serial":`, `"Serial":`)},
		{name: "unknown key in the payload", file: f.edited(`"serial":`, `"x":1,"serial":`)},
		{name: "trailing JSON in the payload", file: f.tar(f.bundle(f.text+"{}", f.key))},
		{name: "too many subjects", file: f.edited(`"subject":[`, `"subject":[`+subjects.String())},
		{name: "subject without a member", file: f.tarOf(f.members[:1], f.bundle(f.text, f.key))},
		{name: "member without a subject", file: f.tarOf(extra, f.bundle(f.text, f.key))},
		{name: "swapped names", file: f.tarOf(renamed, f.bundle(f.text, f.key))},
		{name: "wrong digest", file: f.tarOf(changed, f.bundle(f.text, f.key))},
	}
}
