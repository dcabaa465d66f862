package artifact

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoundTrip(t *testing.T) {
	ed, ec := testKey(t, 1), testECDSA(t)
	for name, signers := range map[string][]Signer{
		"unsigned": nil, "ed25519": {ed}, "ecdsa": {ec}, "both": {ec, ed},
	} {
		t.Run(name, func(t *testing.T) {
			data := testFile(t, signers...)
			a, unverified, err := Inspect(data)
			if err != nil {
				t.Fatal(err)
			}
			if len(unverified) != len(signers) {
				t.Errorf("%d signers, want %d", len(unverified), len(signers))
			}
			want, members := testContents()
			if diff := cmp.Diff(want.canonical(), a.Manifest); diff != "" {
				t.Error(diff)
			}
			for _, m := range members {
				if got, ok := a.Member(m.Name); !ok || !bytes.Equal(got, m.Data) {
					t.Errorf("member %s is %q, %v", m.Name, got, ok)
				}
			}
			again, err := encodeFile(a.bundles, a.members)
			if err != nil || !bytes.Equal(again, data) {
				t.Errorf("encoded again it is not the same (%v)", err)
			}
			if len(signers) == 0 {
				return
			}
			opened, err := Open(data, []PublicKey{ed.Public(), ec.Public()}, len(signers))
			if err != nil {
				t.Fatal(err)
			}
			if len(opened.Signers) != len(signers) || opened.Digest != a.Digest {
				t.Errorf("opened with %v", opened.Signers)
			}
		})
	}
}

func TestEncodeIsDeterministic(t *testing.T) {
	k := testKey(t, 1)
	m, members := testContents()
	one, err := Encode(m, members, k)
	if err != nil {
		t.Fatal(err)
	}
	for i, j := 0, len(members)-1; i < j; i, j = i+1, j-1 {
		members[i], members[j] = members[j], members[i]
	}
	two, err := Encode(m, members, k)
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("the order of members shows (%v)", err)
	}
}

func TestAddSignature(t *testing.T) {
	a, b := testKey(t, 1), testECDSA(t)
	unsigned := testFile(t)
	one, err := AddSignature(unsigned, a)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, testFile(t, a)) {
		t.Error("signed later is not the same as signed at once")
	}
	two, err := AddSignature(one, b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(two, []PublicKey{b.Public(), a.Public()}, 2)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := Inspect(unsigned)
	if got.Digest != first.Digest {
		t.Error("a signature changed the identity")
	}
	if _, err := AddSignature(two, a); !errors.Is(err, ErrSigned) {
		t.Errorf("a second signature by the same key: %v", err)
	}
}

func TestKeyFiles(t *testing.T) {
	for _, alg := range []Algorithm{"", ECDSAP256} {
		for _, pass := range []string{"", "correct horse"} {
			k, err := GenerateKey(alg)
			if err != nil {
				t.Fatal(err)
			}
			text, err := k.Encrypt([]byte(pass))
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParsePrivateKey(text, func() ([]byte, error) { return []byte(pass), nil })
			if err != nil {
				t.Fatal(err)
			}
			public, err := ParsePublicKey(k.Public().PEM())
			if err != nil {
				t.Fatal(err)
			}
			if !got.Public().Equal(public) {
				t.Errorf("%s: the key is not the same", public.Algorithm())
			}
			_, err = ParsePrivateKey(text, func() ([]byte, error) { return []byte("wrong"), nil })
			if !errors.Is(err, ErrKey) {
				t.Errorf("wrong passphrase: %v", err)
			}
		}
	}
	if _, err := GenerateKey("rsa"); !errors.Is(err, ErrKey) {
		t.Errorf("rsa: %v", err)
	}
}
