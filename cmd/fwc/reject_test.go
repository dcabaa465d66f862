package main_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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

// containers are archives that are more, less or other than an artifact.
func (f *forge) containers() []refusal {
	good := f.tar(f.bundle(f.text, f.key))
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	must(z.Write(good))(f.t)
	must(0, z.Close())(f.t)
	named := func(name string) []byte {
		data := f.with(tar.Header{Name: "ipset.save"}, []byte("x"))
		return rename(data, "ipset.save", name)
	}
	var many []artifact.Member
	for i := range 1100 {
		many = append(many, artifact.Member{Name: fmt.Sprintf("a%04d", i)})
	}
	list := []refusal{
		{name: "trailing byte", file: append(slices.Clone(good), 0)},
		{name: "leading byte", file: append([]byte{0}, good...)},
		{name: "appended archive", file: append(slices.Clone(good), good...)},
		{name: "cut short", file: good[:len(good)-512]},
		{name: "compressed", file: zipped.Bytes()},
		{name: "too many members", file: f.tarOf(many, f.bundle(f.text, f.key))},
		{name: "duplicate member", file: f.with(tar.Header{Name: f.members[0].Name}, f.members[0].Data)},
		{name: "PAX", file: f.with(tar.Header{Name: "ipset.save", Format: tar.FormatPAX, PAXRecords: map[string]string{"comment": "x"}}, nil)},
		{name: "GNU", file: f.with(tar.Header{Name: "ipset.save" + strings.Repeat("x", 100), Format: tar.FormatGNU}, nil)},
		{name: "name with ..", file: named("../passwd")},
		{name: "absolute name", file: named("/etc/passwd")},
		{name: "name with a slash", file: named("etc/passwd")},
		{name: "name with a NUL", file: named("ipset\x00save")},
		{name: "name with a newline", file: named("ipset\nsave")},
		{name: "file over the limit", host: func(dir string) {
			must(0, os.Truncate(filepath.Join(dir, "fw.artifact"), artifact.MaxSize+1))(f.t)
		}},
		{name: "endless file", host: func(dir string) {
			must(0, os.Truncate(filepath.Join(dir, "fw.artifact"), 1<<40))(f.t)
		}},
	}
	for name, typ := range map[string]byte{
		"sparse member": 'S', "hard link": tar.TypeLink, "symbolic link": tar.TypeSymlink,
		"character device": tar.TypeChar, "block device": tar.TypeBlock, "directory": tar.TypeDir,
	} {
		data := f.with(tar.Header{Name: "ipset.save"}, nil)
		list = append(list, refusal{name: name, file: retype(data, "ipset.save", typ)})
	}
	slices.SortStableFunc(list, func(a, b refusal) int { return strings.Compare(a.name, b.name) })
	return list
}

// rename and retype change a member's header and put its checksum right.
func rename(data []byte, old, name string) []byte {
	return patch(data, old, func(h []byte) { clear(h[:100]); copy(h, name) })
}

func retype(data []byte, name string, typ byte) []byte {
	return patch(data, name, func(h []byte) { h[156] = typ })
}

func patch(data []byte, name string, change func([]byte)) []byte {
	at := bytes.Index(data, append([]byte(name), 0))
	h := data[at : at+512]
	change(h)
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return data
}

// keys are trust roots that are of no use.
func (f *forge) keys() []refusal {
	public := func(key any) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))(f.t)})
	}
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(f.t)
	old := must(rsa.GenerateKey(rand.Reader, 2048))(f.t)
	trusted := func(name string, text []byte) func(string) {
		return func(dir string) { write(f.t, filepath.Join(dir, "trusted.d", name), text) }
	}
	conf := func(text string) func(string) {
		return func(dir string) { write(f.t, filepath.Join(dir, "policy.conf"), []byte(text)) }
	}
	return []refusal{
		{name: "trust root without a key", host: func(dir string) { must(0, os.Remove(filepath.Join(dir, "trusted.d", "ci.pub")))(f.t) }},
		{name: "trust root missing", host: func(dir string) { must(0, os.RemoveAll(filepath.Join(dir, "trusted.d")))(f.t) }},
		{name: "threshold 0", host: conf("threshold = 0\n")},
		{name: "one key under two names", host: func(dir string) {
			trusted("copy.pub", f.key.Public().PEM())(dir)
			trusted("other.pub", seeded(f.t, 2).Public().PEM())(dir)
			conf("threshold = 2\n")(dir)
		}},
		{name: "RSA key", host: trusted("x.pub", public(&old.PublicKey))},
		{name: "P-384 key", host: trusted("x.pub", public(&p384.PublicKey))},
		{name: "key in text", host: trusted("x.pub", append([]byte("x\n"), f.key.Public().PEM()...))},
		{name: "key of small order", host: trusted("x.pub", public(ed25519.PublicKey(make([]byte, 32))))},
		{name: "key writable by others", host: func(dir string) { must(0, os.Chmod(filepath.Join(dir, "trusted.d", "ci.pub"), 0o666))(f.t) }},
		{name: "key out of date", host: conf("key.ci.not-after = 2026-01-01\n")},
	}
}

// policies are good files at the wrong time or place.
func (f *forge) policies() []refusal {
	state := func(serial uint64, damage func(string) string) func(string) {
		return func(dir string) {
			text := fmt.Sprintf("fwc accepted v1\nhighest 1 %d %064d\n", serial, 0)
			text += fmt.Sprintf("sha256 %x\n", sum256(text))
			if damage != nil {
				text = damage(text)
			}
			must(0, os.Mkdir(filepath.Join(dir, "state"), 0o700))(f.t)
			write(f.t, filepath.Join(dir, "state", "accepted"), []byte(text))
		}
	}
	with := func(change func(*artifact.Manifest)) []byte { return f.encode(change) }
	epoch := func(m *artifact.Manifest) { m.Epoch = 1 }
	return []refusal{
		{name: "lower epoch", host: state(1, nil)},
		{name: "lower serial", file: with(epoch), host: state(1750000001, nil)},
		{name: "same serial, another payload", file: with(epoch), host: state(1750000000, nil)},
		{name: "huge serial jump", file: with(func(m *artifact.Manifest) { m.Serial = 1<<53 - 1 })},
		{name: "huge epoch jump", file: with(func(m *artifact.Manifest) { m.Epoch = 1 << 40 })},
		{name: "lost state", host: func(dir string) {
			must(0, os.Mkdir(filepath.Join(dir, "state"), 0o700))(f.t)
			write(f.t, filepath.Join(dir, "state", "journal.json"), nil)
		}},
		{name: "corrupt state", host: state(1, func(s string) string { return strings.Replace(s, "highest 1", "highest 0", 1) })},
		{name: "empty state", host: state(1, func(string) string { return "" })},
		{name: "past not-after", file: with(func(m *artifact.Manifest) { m.NotAfter = m.Created.Add(time.Hour) })},
		{name: "created far in the future", file: with(func(m *artifact.Manifest) { m.Created = time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC) })},
		{name: "label mismatch", file: with(func(m *artifact.Manifest) { m.Labels = map[string]string{"role": "router"} }), host: func(dir string) {
			write(f.t, filepath.Join(dir, "policy.conf"), []byte("label.role = web\n"))
		}},
		{name: "kernel and version mismatch", args: []string{"--host"}},
		{name: "backend mismatch", args: []string{"--host", "--accept-kernel", ">= 1", "--accept-iptables", ">= 1"},
			file: f.legacy()},
	}
}
