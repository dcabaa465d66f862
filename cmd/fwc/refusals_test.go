package main_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/artifact"
)

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
