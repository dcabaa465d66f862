package main_test

import (
	"archive/tar"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ruleset"
)

// forge makes files as an attacker would: with other programs than fwc, and
// with a trusted key where that is what it takes.
type forge struct {
	t       *testing.T
	key     *artifact.PrivateKey
	build   artifact.Build
	members []artifact.Member
	text    string // of the payload
	home    string // where the test runs
}

func newForge(t *testing.T) *forge {
	build, members := artifact.NewBuild(0, ruleset.Toolchain{
		Kernel: "5.4.0", Arch: "x86_64", IPTables: "1.8.4", Backend: ruleset.NFT,
	}, artifact.Accept{}, []ruleset.Dump{
		{Kind: ruleset.IPTables, Backend: ruleset.NFT, Text: []byte("*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")},
		{Kind: ruleset.IP6Tables, Backend: ruleset.NFT, Text: []byte("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")},
	})
	f := &forge{t: t, home: must(os.Getwd())(t), key: seeded(t, 1), build: build, members: members}
	data := f.encode(nil)
	all := f.read(data)
	bundle := all[0].Data
	_, rest, _ := strings.Cut(string(bundle), `"payload":"`)
	payload, _, _ := strings.Cut(rest, `"`)
	f.text = string(must(base64.StdEncoding.DecodeString(payload))(t))
	f.members = all[1:]
	if again := f.tar(f.bundle(f.text, f.key)); !bytes.Equal(again, data) {
		t.Fatal("the forge does not make what fwc makes")
	}
	return f
}

func seeded(t *testing.T, n byte) *artifact.PrivateKey {
	t.Helper()
	return must(artifact.NewPrivateKey(ed25519.NewKeyFromSeed(append([]byte{n}, make([]byte, 31)...))))(t)
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// encode returns an artifact that fwc makes, signed by the forge's key.
func (f *forge) encode(change func(*artifact.Manifest)) []byte {
	f.t.Helper()
	sum := sha256.Sum256(nil)
	m := &artifact.Manifest{
		Serial: 1750000000, Created: time.Unix(1750000000, 0),
		Script: artifact.Script{Name: "fw.sh", SHA256: hex.EncodeToString(sum[:])},
		Builds: []artifact.Build{f.build},
	}
	if change != nil {
		change(m)
	}
	return must(artifact.Encode(m, f.members, f.key))(f.t)
}

// legacy returns an artifact of the legacy backend.
func (f *forge) legacy() []byte {
	g := *f
	g.build, g.members = artifact.NewBuild(0, ruleset.Toolchain{
		Kernel: "5.4.0", Arch: "x86_64", IPTables: "1.8.4", Backend: ruleset.Legacy,
	}, artifact.Accept{}, []ruleset.Dump{{Kind: ruleset.IPTables, Backend: ruleset.Legacy, Text: f.members[1].Data}})
	return g.encode(nil)
}

func sum256(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// read returns the members of a file in order.
func (f *forge) read(data []byte) (list []artifact.Member) {
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return list
		}
		must(h, err)(f.t)
		list = append(list, artifact.Member{Name: h.Name, Data: must(io.ReadAll(r))(f.t)})
	}
}

// pae is what DSSE signs.
func pae(typ, payload string) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(typ), typ, len(payload), payload)
}

const inToto = "application/vnd.in-toto+json"

// bundle signs a payload, whatever it says.
func (f *forge) bundle(payload string, key *artifact.PrivateKey) string {
	return f.bundleOf(inToto, payload, key.Public().Hint(), must(key.Sign(pae(inToto, payload)))(f.t))
}

func (f *forge) bundleOf(typ, payload, hint string, sig []byte) string {
	return `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"` + hint +
		`"}},"dsseEnvelope":{"payload":"` + base64.StdEncoding.EncodeToString([]byte(payload)) + `","payloadType":"` + typ +
		`","signatures":[{"sig":"` + base64.StdEncoding.EncodeToString(sig) + `","keyid":""}]}}`
}

// tar returns a file of these bundles and the forge's members.
func (f *forge) tar(bundles ...string) []byte { return f.tarOf(f.members, bundles...) }

func (f *forge) tarOf(members []artifact.Member, bundles ...string) []byte {
	var all []tar.Header
	var data [][]byte
	for i, b := range bundles {
		name := "attestation.sigstore.json"
		if i > 0 {
			name = fmt.Sprintf("attestation.%d.sigstore.json", i+1)
		}
		all, data = append(all, tar.Header{Name: name}), append(data, []byte(b))
	}
	for _, m := range members {
		all, data = append(all, tar.Header{Name: m.Name}), append(data, m.Data)
	}
	return f.tarHeaders(all, data)
}

// tarHeaders writes members with what is set in their headers.
func (f *forge) tarHeaders(headers []tar.Header, data [][]byte) []byte {
	f.t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i, h := range headers {
		h.Mode = 0o644
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Format == 0 {
			h.Format = tar.FormatUSTAR
		}
		h.Size = int64(len(data[i]))
		if err := w.WriteHeader(&h); err != nil {
			f.t.Fatal(err)
		}
		must(w.Write(data[i]))(f.t)
	}
	if err := w.Close(); err != nil {
		f.t.Fatal(err)
	}
	return buf.Bytes()
}

// with returns the good file with one more member in front of the last.
func (f *forge) with(h tar.Header, content []byte) []byte {
	headers := []tar.Header{{Name: "attestation.sigstore.json"}, {Name: f.members[0].Name}, h, {Name: f.members[1].Name}}
	return f.tarHeaders(headers, [][]byte{[]byte(f.bundle(f.text, f.key)), f.members[0].Data, content, f.members[1].Data})
}

// edited returns the good file with a signed payload in which old is new.
func (f *forge) edited(old, new string) []byte {
	f.t.Helper()
	return f.tar(f.bundle(f.replace(f.text, old, new), f.key))
}

// rebundled returns the good file with a bundle in which old is new.
func (f *forge) rebundled(old, new string) []byte {
	f.t.Helper()
	return f.tar(f.replace(f.bundle(f.text, f.key), old, new))
}

func (f *forge) replace(s, old, new string) string {
	f.t.Helper()
	if !strings.Contains(s, old) {
		f.t.Fatalf("no %q in %s", old, s)
	}
	return strings.Replace(s, old, new, 1)
}
