package artifact

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
)

// TestRejectBundle: envelopes and bundles that are not the one form.
func TestRejectBundle(t *testing.T) {
	payload, members := testParts(t)
	if len(payload)%3 == 0 { // so that base64 has padding to play with
		t.Fatal("the test payload's length is a multiple of 3")
	}
	k := testKey(t, 1)
	b, err := sign([]byte(payload), k)
	if err != nil {
		t.Fatal(err)
	}
	good := bundleText(t, b)
	edit := func(old, by string) string { return replaced(t, good, old, by) }
	b64 := base64.StdEncoding.EncodeToString([]byte(payload))
	sig := base64.StdEncoding.EncodeToString(b.signature())
	hint := k.Public().Hint()
	for _, c := range []struct{ name, bundle, words string }{
		{"WrongPayloadType", edit(payloadType, "application/json"), "payload type is"},
		{"MissingPayloadType", edit(`"payloadType":"application/vnd.in-toto+json",`, ""), "canonical"},
		{"EmptyPayloadType", edit(payloadType, ""), `payload type is ""`},
		{"WrongMediaType", edit("v0.3+json", "v0.2+json"), "media type is"},
		{"DuplicateKey", edit(`"payloadType"`, `"payload":"","payloadType"`), "canonical"},
		{"DuplicatePayload", edit(`"dsseEnvelope":{`, `"dsseEnvelope":{"payload":"e30=",`), "canonical"},
		{"CaseVariantKey", edit(`"payload"`, `"Payload"`), "canonical"},
		{"UnknownKey", edit(`"keyid":""`, `"keyid":"","x":1`), `unknown field "x"`},
		{"TrailingJSON", good + "{}", "canonical"},
		{"TrailingGarbage", good + "x", "canonical"},
		{"LeadingSpace", " " + good, "canonical"},
		{"Base64LineEnd", edit(b64, b64[:64]+`\n`+b64[64:]), "canonical"},
		{"Base64CarriageReturn", edit(b64, b64[:64]+`\r\n`+b64[64:]), "canonical"},
		{"Base64WithoutPadding", edit(b64, strings.TrimRight(b64, "=")), "base64"},
		{"Base64LooseBits", edit(b64, loosened(b64)), "canonical"},
		{"Base64LooseBitsInSignature", edit(sig, loosened(sig)), "canonical"},
		{"Base64URLAlphabet", edit(sig, strings.NewReplacer("+", "-", "/", "_").Replace(sig)), "base64"},
		{"Base64LooseHint", edit(hint, loosened(hint)), "not the base64 of a sha256"},
		{"Certificate", edit(`"publicKey":{"hint":"`+hint+`"}`, `"certificate":{"rawBytes":"AA=="}`), `unknown field "certificate"`},
		{"CertificateChain", edit(`"publicKey":{"hint":"`+hint+`"}`, `"x509CertificateChain":{"certificates":[]}`), `unknown field "x509CertificateChain"`},
		{"LogEntries", edit(`"verificationMaterial":{`, `"verificationMaterial":{"tlogEntries":[],`), `unknown field "tlogEntries"`},
		{"TimeStamps", edit(`"verificationMaterial":{`, `"verificationMaterial":{"timestampVerificationData":{},`), `unknown field "timestampVerificationData"`},
		{"MessageSignature", edit(`"dsseEnvelope"`, `"messageSignature":{},"dsseEnvelope"`), `unknown field "messageSignature"`},
		{"TwoSignatures", edit(`"signatures":[`, `"signatures":[{"sig":"AAAA","keyid":""},`), "2 signatures in one bundle"},
		{"TooManySignatures", edit(`"signatures":[`, `"signatures":[`+strings.Repeat(`{"sig":"AAAA","keyid":""},`, 10000)), "signatures in one bundle"},
		{"KeyID", edit(`"keyid":""`, `"keyid":"k"`), "is not empty"},
		{"EmptySignature", edit(sig, ""), "a signature of 0 bytes"},
		{"HugeSignature", edit(sig, strings.Repeat("AAAA", 100)), "a signature of 300 bytes"},
		{"NullSignatures", good[:strings.Index(good, `"signatures":`)] + `"signatures":null}}`, "canonical"},
		{"NoHint", edit(hint, ""), "not the base64 of a sha256"},
		{"HintWithoutSignature", good[:strings.Index(good, `"signatures":`)] + `"signatures":[]}}`, "hint without a signature"},
		{"NotJSON", "x", "invalid"},
		{"Empty", "", "EOF"},
		{"HugePayload", edit(b64, base64.StdEncoding.EncodeToString(make([]byte, MaxPayload+3))), "more than 1048576 bytes"},
		{"HugeBundle", edit(b64, strings.Repeat("A", 3*MaxPayload)), "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rejected(t, assembled(t, []string{c.bundle}, members), ErrBundle, c.words)
		})
	}
	t.Run("Control", func(t *testing.T) {
		if _, err := Open(assembled(t, []string{good}, members), []PublicKey{k.Public()}, 1); err != nil {
			t.Errorf("the untouched bundle: %v", err)
		}
	})
}

// loosened returns base64 that decodes to the same bytes for a loose decoder.
func loosened(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	i := len(strings.TrimRight(s, "=")) - 1
	return s[:i] + string(alphabet[strings.IndexByte(alphabet, s[i])|1]) + s[i+1:]
}

// TestRejectSeveralBundles: bundles that do not go together.
func TestRejectSeveralBundles(t *testing.T) {
	payload, members := testParts(t)
	a, b := testKey(t, 1), testKey(t, 2)
	text := func(payload string, s Signer) string {
		bundle, err := sign([]byte(payload), s)
		if err != nil {
			t.Fatal(err)
		}
		return bundleText(t, bundle)
	}
	unsigned := newBundle([]byte(payload), "", nil)
	var many []string
	for i := range MaxSignatures + 1 {
		many = append(many, text(payload, testKey(t, byte(i+1))))
	}
	for _, c := range []struct {
		name    string
		bundles []string
		words   string
	}{
		{"PayloadsDiffer", []string{text(payload, a), text(replaced(t, payload, `"epoch":0`, `"epoch":1`), b)}, "its payload is not that of"},
		{"OneKeyTwice", []string{text(payload, a), text(payload, a)}, "a second signature of key"},
		{"OneKeyTwiceApart", []string{text(payload, a), text(payload, b), text(payload, a)}, "a second signature of key"},
		{"UnsignedBesideSigned", []string{text(payload, a), bundleText(t, &unsigned)}, "no signature"},
		{"SignedBesideUnsigned", []string{bundleText(t, &unsigned), text(payload, a)}, "no signature"},
		{"TooManySignatures", many, "more than 16 signatures"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rejected(t, assembled(t, c.bundles, members), ErrBundle, c.words)
		})
	}
}

// TestRejectECDSATwice: an ECDSA signature has a second valid form, which must
// not count as a second signer.
func TestRejectECDSATwice(t *testing.T) {
	payload, members := testParts(t)
	k := testECDSA(t)
	one, err := sign([]byte(payload), k)
	if err != nil {
		t.Fatal(err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(one.signature(), &rs); err != nil {
		t.Fatal(err)
	}
	rs.S.Sub(elliptic.P256().Params().N, rs.S)
	other, err := asn1.Marshal(rs)
	if err != nil {
		t.Fatal(err)
	}
	if !k.Public().Verify(pae([]byte(payload)), other) {
		t.Fatal("the other form does not verify")
	}
	two := newBundle([]byte(payload), k.Public().Hint(), other)
	keys := []PublicKey{k.Public(), testKey(t, 1).Public()}
	data := assembled(t, []string{bundleText(t, one), bundleText(t, &two)}, members)
	notOpened(t, data, keys, 2, ErrBundle, "a second signature of key")
	// Under another key's name it is not that key's.
	two = newBundle([]byte(payload), testKey(t, 1).Public().Hint(), other)
	data = assembled(t, []string{bundleText(t, one), bundleText(t, &two)}, members)
	notOpened(t, data, keys, 2, ErrSignature, "")
}

// TestRejectTrust: whom a host believes, and what they signed.
func TestRejectTrust(t *testing.T) {
	payload, members := testParts(t)
	a, b := testKey(t, 1), testKey(t, 2)
	one, two := testFile(t, a), testFile(t, a, b)
	pa, pb := a.Public(), b.Public()
	again, err := ParsePublicKey(pa.PEM())
	if err != nil {
		t.Fatal(err)
	}
	with := func(hint string, sig []byte) []byte {
		bundle := newBundle([]byte(payload), hint, sig)
		return assembled(t, []string{bundleText(t, &bundle)}, members)
	}
	sign := func(msg []byte) []byte {
		sig, err := a.Sign(msg)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	wrongType := []byte("DSSEv1 16 application/json " + string(pae([]byte(payload))[len("DSSEv1 28 application/vnd.in-toto+json "):]))
	for _, c := range []struct {
		name      string
		data      []byte
		keys      []PublicKey
		threshold int
		kind      error
		words     string
	}{
		{"NoSignature", testFile(t), []PublicKey{pa}, 1, ErrUnsigned, ""},
		{"EmptyTrustRoot", one, nil, 1, ErrTrust, "no key"},
		{"EmptyKey", one, []PublicKey{{}}, 1, ErrTrust, "empty key"},
		{"ThresholdZero", one, []PublicKey{pa}, 0, ErrTrust, "threshold of 0"},
		{"ThresholdNegative", one, []PublicKey{pa}, -1, ErrTrust, "threshold of -1"},
		{"OneKeyListedTwice", one, []PublicKey{pa, again}, 2, ErrTrust, "threshold of 2 signatures with 1 different keys"},
		{"ThresholdNotMet", one, []PublicKey{pa, pb}, 2, ErrUntrusted, "1 of 2 signatures"},
		{"ThresholdAboveKeys", two, []PublicKey{pa, pb}, 3, ErrTrust, "threshold of 3"},
		{"UnknownKey", one, []PublicKey{pb}, 1, ErrUntrusted, pa.Hint()},
		{"UnknownKeyDoesNotCount", two, []PublicKey{pa, testKey(t, 3).Public()}, 2, ErrUntrusted, "1 of 2 signatures"},
		{"AnotherPayloadsSignature", with(pa.Hint(), sign(pae([]byte("x")))), []PublicKey{pa}, 1, ErrSignature, ""},
		{"PayloadWithoutPAE", with(pa.Hint(), sign([]byte(payload))), []PublicKey{pa}, 1, ErrSignature, ""},
		{"PAEOfAnotherType", with(pa.Hint(), sign(wrongType)), []PublicKey{pa}, 1, ErrSignature, ""},
		{"AnothersHint", with(pb.Hint(), sign(pae([]byte(payload)))), []PublicKey{pa, pb}, 1, ErrSignature, ""},
		{"Ed25519ph", with(pa.Hint(), prehashed(t, a, payload)), []PublicKey{pa}, 1, ErrSignature, ""},
		{"ShortSignature", with(pa.Hint(), sign(pae([]byte(payload)))[:63]), []PublicKey{pa}, 1, ErrSignature, ""},
		{"LongSignature", with(pa.Hint(), append(sign(pae([]byte(payload))), 0)), []PublicKey{pa}, 1, ErrSignature, ""},
		{"OneBadOfTwo", badSecond(t, payload, members, a, b), []PublicKey{pa, pb}, 1, ErrSignature, "attestation.2.sigstore.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			notOpened(t, c.data, c.keys, c.threshold, c.kind, c.words)
		})
	}
}

func prehashed(t *testing.T, k *PrivateKey, payload string) []byte {
	t.Helper()
	sum := sha512.Sum512(pae([]byte(payload)))
	sig, err := k.key.(ed25519.PrivateKey).Sign(nil, sum[:], &ed25519.Options{Hash: crypto.SHA512})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func badSecond(t *testing.T, payload string, members []Member, a, b Signer) []byte {
	t.Helper()
	one, err := sign([]byte(payload), a)
	if err != nil {
		t.Fatal(err)
	}
	two := newBundle([]byte(payload), b.Public().Hint(), make([]byte, 64))
	return assembled(t, []string{bundleText(t, one), bundleText(t, &two)}, members)
}

// A signer that returns what its key does not verify is found out at once.
func TestEncodeRejectsBadSigner(t *testing.T) {
	m, members := testContents()
	_, err := Encode(m, members, liar{testKey(t, 1)})
	checkError(t, "Encode", err, ErrSignature, "not by its own key")
	key, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, err = NewPrivateKey(key)
	checkError(t, "NewPrivateKey", err, ErrKey, "P-384")
}

type liar struct{ *PrivateKey }

func (liar) Sign([]byte) ([]byte, error) { return make([]byte, 64), nil }
