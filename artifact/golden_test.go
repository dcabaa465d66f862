package artifact

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

// The files v1-*.artifact in testdata were written when the format was fixed.
// They are never written again: a reader that does not take them any more has
// broken the format, whatever its own round trips say.

const goldenDigest = "f796d7cc2479438ba2a94c93daa12a147751b5e5cefe4c5dfad3008d3a1961d9"

// goldenContents uses every field of the format.
func goldenContents() (*Manifest, []Member) {
	m, members := testContents()
	m.Epoch, m.Against = 2, hexDigest([]byte("former"))
	tc := m.Builds[0].Toolchain
	tc.Kernel, tc.Backend = "5.14.0-427.el9.x86_64", ruleset.Legacy
	b, more := NewBuild(1, tc, Accept{Kernel: "~> 5.14.0", IPTables: ">= 1.8.7, < 1.9"}, []ruleset.Dump{
		{Kind: ruleset.IPTables, Backend: ruleset.Legacy, Text: []byte("*raw\n:PREROUTING DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")},
		{Kind: ruleset.NFTables, Backend: ruleset.NFT, Text: []byte("{\"nftables\":[]}\n")},
	})
	b.Wanted = []Sysctl{{"net.netfilter.nf_conntrack_max", "262144"}, {"net.ipv4.tcp_mem", "1 2 \"3\" <&> é"}}
	m.Builds = append(m.Builds, b)
	members = append(members, more...)
	members = append(members, Member{"provenance.json", []byte("{}\n")}, Member{"2.provenance.json", []byte("{}\n")})
	return m, members
}

func TestGolden(t *testing.T) {
	m, members := goldenContents()
	for _, c := range []struct {
		file, digest string
		signers      []Signer
		keys         []string
	}{
		{"testdata/v1-unsigned.artifact", goldenDigest, nil, nil},
		{"testdata/v1-ed25519.artifact", goldenDigest, []Signer{testKey(t, 1)}, []string{"testdata/ed25519.pub"}},
		{"testdata/v1-ed25519-ecdsa.artifact", goldenDigest, nil, []string{"testdata/ed25519.pub", "testdata/ecdsa.pub"}},
	} {
		data, err := ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := Inspect(data)
		if err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		if a.Digest != c.digest {
			t.Errorf("%s: digest %s", c.file, a.Digest)
		}
		if diff := cmp.Diff(m.canonical(), a.Manifest); diff != "" {
			t.Errorf("%s: %s", c.file, diff)
		}
		if len(a.Members()) != len(members) {
			t.Errorf("%s: %d members", c.file, len(a.Members()))
		}
		if len(c.signers) == len(c.keys) { // ECDSA signatures are random
			again, err := Encode(m, members, c.signers...)
			if err != nil || !bytes.Equal(again, data) {
				t.Errorf("%s: today's encoding is another (%v)", c.file, err)
			}
		}
		if len(c.keys) == 0 {
			continue
		}
		var keys []PublicKey
		for _, name := range c.keys {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			k, err := ParsePublicKey(text)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, k)
		}
		if _, err := Open(data, keys, len(keys)); err != nil {
			t.Errorf("%s: %v", c.file, err)
		}
	}
}

// TestGoldenPrivateKeys: keys written by Encrypt when the format was fixed, with
// the passphrases "" and "fwc".
func TestGoldenPrivateKeys(t *testing.T) {
	for name, pass := range map[string]string{"ed25519": "", "ecdsa": "fwc"} {
		text, err := os.ReadFile("testdata/" + name + ".key")
		if err != nil {
			t.Fatal(err)
		}
		k, err := ParsePrivateKey(text, func() ([]byte, error) { return []byte(pass), nil })
		if err != nil {
			t.Fatal(err)
		}
		public, err := os.ReadFile("testdata/" + name + ".pub")
		if err != nil || !bytes.Equal(public, k.Public().PEM()) {
			t.Errorf("%s.pub is another key's (%v)", name, err)
		}
	}
}
