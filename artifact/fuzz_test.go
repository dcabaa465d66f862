package artifact

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

// FuzzContainer: what decodes as a container encodes to the same bytes.
func FuzzContainer(f *testing.F) {
	f.Add(testFile(f, testKey(f, 1)))
	f.Add(smallFile(f))
	f.Add(make([]byte, 2*blockSize))
	f.Fuzz(func(t *testing.T, data []byte) {
		members, err := decodeContainer(data)
		if err != nil {
			mustBeError(t, err)
			return
		}
		again, err := encodeContainer(members)
		if err != nil || !bytes.Equal(data, again) {
			t.Errorf("it does not re-encode to itself (%v)", err)
		}
	})
}

// smallFile returns an artifact with little in it.
func smallFile(t testing.TB, signers ...Signer) []byte {
	t.Helper()
	m := &Manifest{Script: Script{SHA256: hexDigest(nil)}, Builds: []Build{{}}}
	m.Created = time.Unix(0, 0)
	m.Builds[0].Toolchain.Kernel, m.Builds[0].Toolchain.Arch = "6", "x"
	data, err := Encode(m, []Member{{Name: "a", Data: []byte("b")}}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzFile: the whole way that a file takes before anyone vouches for it. The
// fuzzer does not have to find checksums: they are put right.
func FuzzFile(f *testing.F) {
	k := testKey(f, 1)
	data := testFile(f, k)
	f.Add(data, 0)
	f.Add(data[:len(data)-512], 1)
	f.Add(smallFile(f, k), 1)
	f.Fuzz(func(t *testing.T, data []byte, fix int) {
		if fix%2 == 1 {
			data = bytes.Clone(data)
			for off := 0; off+blockSize <= len(data) && off < 8*blockSize; off += blockSize {
				if string(data[off+257:off+262]) == "ustar" {
					copy(data[off:], patched(data[off:off+blockSize], 0, 0, "")[:blockSize])
				}
			}
		}
		a, _, err := Inspect(data)
		if err != nil {
			mustBeError(t, err)
		} else {
			again, err := encodeFile(a.bundles, a.members)
			if err != nil || !bytes.Equal(data, again) {
				t.Errorf("it does not re-encode to itself (%v)", err)
			}
		}
		_, openErr := Open(data, []PublicKey{k.Public()}, 1)
		if openErr == nil && err != nil {
			t.Errorf("Open accepts what Inspect does not: %v", err)
		}
	})
}

// FuzzBundle: what decodes as a bundle encodes to the same bytes.
func FuzzBundle(f *testing.F) {
	for _, s := range [][]Signer{nil, {testKey(f, 1)}} {
		members, err := decodeContainer(testFile(f, s...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(members[0].Data)
	}
	f.Add([]byte(`{"mediaType":"` + bundleMediaType + `","verificationMaterial":{"publicKey":{"hint":""}},` +
		`"dsseEnvelope":{"payload":"","payloadType":"` + payloadType + `","signatures":[]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBundle(data)
		if err != nil {
			return
		}
		again, err := marshal(b)
		if err != nil || !bytes.Equal(data, again) {
			t.Errorf("it does not re-encode to itself (%v)", err)
		}
		keys := map[string]PublicKey{testKey(t, 1).Public().Hint(): testKey(t, 1).Public()}
		verifySignatures([]bundle{*b}, keys, 1)
	})
}

// FuzzPayload: what decodes as a payload encodes to the same bytes, and holds
// nothing that a terminal or a shell would trip over.
func FuzzPayload(f *testing.F) {
	payload, _ := testParts(f)
	f.Add([]byte(payload))
	f.Add([]byte(strings.Replace(payload, `"format":1`, `"format":2`, 1)))
	f.Add([]byte(`{"_type":"` + statementType + `","predicateType":"` + PredicateType + `","predicate":{"format":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		st, err := decodeStatement(data)
		if err != nil {
			mustBeError(t, err)
			return
		}
		again, err := marshal(st)
		if err != nil || !bytes.Equal(data, again) {
			t.Errorf("it does not re-encode to itself (%v)", err)
		}
		if bytes.ContainsAny(data, "\x00\x07\x08\n\r\x1b\x7f") || bytes.Contains(data, []byte(`\u`)) {
			t.Errorf("it holds a control character: %q", data)
		}
		if diff := st.Predicate.canonical().check(); diff != nil {
			t.Errorf("its canonical form is not accepted: %v", diff)
		}
		checkSubjects(st.Subject, nil)
		st.Predicate.checkMembers(nil)
	})
}

// FuzzPublicKey: a key that parses has one encoding, and never panics.
func FuzzPublicKey(f *testing.F) {
	f.Add(testKey(f, 1).Public().PEM(), []byte("m"), []byte("s"))
	f.Add(testECDSA(f).Public().PEM(), []byte("m"), make([]byte, 64))
	f.Fuzz(func(t *testing.T, text, message, sig []byte) {
		k, err := ParsePublicKey(text)
		if err != nil {
			mustBeError(t, err)
			if k.Verify(message, sig) {
				t.Error("no key verifies something")
			}
			return
		}
		again, err := ParsePublicKey(k.PEM())
		if err != nil || !again.Equal(k) || again.Hint() != k.Hint() {
			t.Errorf("%s does not parse as itself (%v)", k.PEM(), err)
		}
		if k.Verify(message, sig) {
			t.Errorf("%s verifies %x over %q", k.PEM(), sig, message)
		}
	})
}

// FuzzPoint: a point that the check takes is one that crypto/ed25519 can verify
// with, and no signature of zeros passes under it.
func FuzzPoint(f *testing.F) {
	f.Add([]byte(testKey(f, 1).key.Public().(ed25519.PublicKey)))
	f.Fuzz(func(t *testing.T, point []byte) {
		if checkEdwardsPoint(point) != nil {
			return
		}
		r := make([]byte, 64)
		r[0] = 1 // the identity as R, S = 0: valid under small-order keys
		if ed25519.Verify(point, []byte("m"), r) {
			t.Errorf("anyone can sign for %x", point)
		}
	})
}

// FuzzPrivateKey: no file makes the reader panic. Deriving a key from the
// passphrase takes 100 ms, so files that get that far stop there.
func FuzzPrivateKey(f *testing.F) {
	text, err := testKey(f, 1).Encrypt(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(testKey(f, 1).Public().PEM())
	for _, box := range []string{
		`{"kdf":{"name":"scrypt","params":{"N":1,"r":8,"p":1},"salt":"AA=="},"cipher":{"name":"nacl/secretbox","nonce":"AA=="},"ciphertext":"AA=="}`,
		`{"kdf":{}}`, `{`, `null`,
	} {
		f.Add([]byte(publicText(privatePEM, []byte(box))))
	}
	slow := regexp.MustCompile("32768|65536|131072|[eE]")
	stop := errors.New("stop")
	f.Fuzz(func(t *testing.T, text []byte) {
		asked := false
		k, err := ParsePrivateKey(text, func() ([]byte, error) {
			asked = true
			if b, _ := onlyBlock(text); slow.Match(b.Bytes) {
				return nil, stop
			}
			return []byte("x"), nil
		})
		if k != nil || err == nil {
			t.Errorf("%v, %v", k, err)
		}
		if !asked || !errors.Is(err, stop) {
			mustBeError(t, err)
		}
	})
}

func mustBeError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("%v is no *Error", err)
	}
}
