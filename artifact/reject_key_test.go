package artifact

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// edSPKI is the DER in front of an Ed25519 key's 32 bytes (RFC 8410).
var edSPKI = []byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}

func publicText(typ string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
}

func edText(t testing.TB, point string) string {
	t.Helper()
	raw, err := hex.DecodeString(point)
	if err != nil || len(raw) != 32 {
		t.Fatalf("%q is not 32 bytes", point)
	}
	return publicText(publicPEM, slices.Concat(edSPKI, raw))
}

func spki(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestRejectKey: public keys that a trust root must not hold.
func TestRejectKey(t *testing.T) {
	good := string(testKey(t, 1).Public().PEM())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	x25519, _ := ecdh.X25519().GenerateKey(rand.Reader)
	p256DER := spki(t, &p256.PublicKey)
	offCurve := bytes.Clone(p256DER)
	offCurve[len(offCurve)-1] ^= 1
	// The same point in compressed form: lengths shrink by 32.
	compressed := slices.Concat(p256DER[:26], elliptic.MarshalCompressed(elliptic.P256(), p256.X, p256.Y))
	compressed[1] -= 32
	compressed[24] -= 32
	hybrid := bytes.Clone(p256DER)
	hybrid[26] = 6 | hybrid[len(hybrid)-1]&1
	private, _ := x509.MarshalPKCS8PrivateKey(p256)
	edDER := spki(t, testKey(t, 1).Public().key)
	zeros := func(n int) string { return strings.Repeat("00", n) }
	for _, c := range []struct{ name, text, words string }{
		{"RSA", publicText(publicPEM, spki(t, &rsaKey.PublicKey)), "RSA"},
		{"RSAInPKCS1", publicText("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)), "PEM type"},
		{"P384", publicText(publicPEM, spki(t, &p384.PublicKey)), "P-384"},
		{"P521", publicText(publicPEM, spki(t, &p521.PublicKey)), "P-521"},
		{"P256Hybrid", publicText(publicPEM, hybrid), ""},
		{"P256Infinity", publicText(publicPEM, []byte("\x30\x18\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x01\x00")), ""},
		{"P256TrailingDER", publicText(publicPEM, append(bytes.Clone(p256DER), 0)), "trailing data"},
		{"P256Short", publicText(publicPEM, p256DER[:len(p256DER)-1]), ""},
		{"LongFormLength", publicText(publicPEM, slices.Concat([]byte{0x30, 0x81, 0x2a}, edDER[2:])), ""},
		{"IndefiniteLength", publicText(publicPEM, slices.Concat([]byte{0x30, 0x80}, edDER[2:], []byte{0, 0})), ""},
		{"Ed25519WithNULL", publicText(publicPEM, slices.Concat([]byte("\x30\x2c\x30\x07\x06\x03\x2b\x65\x70\x05\x00\x03\x21\x00"), edDER[12:])), ""},
		{"UnusedBits", publicText(publicPEM, slices.Concat(edDER[:11], []byte{1}, edDER[12:])), ""},
		{"X25519", publicText(publicPEM, spki(t, x25519.PublicKey())), "Ed25519 and ECDSA P-256 can"},
		{"P256OffCurve", publicText(publicPEM, offCurve), ""},
		{"P256Compressed", publicText(publicPEM, compressed), ""},
		{"ShortEd25519", publicText(publicPEM, append([]byte{0x30, 0x29, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x20, 0x00}, make([]byte, 31)...)), ""},
		{"EmptyEd25519", publicText(publicPEM, []byte{0x30, 0x0a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x01, 0x00}), ""},
		{"TrailingDER", publicText(publicPEM, append(bytes.Clone(edDER), 0)), "trailing data"},
		{"PrivateKey", publicText("PRIVATE KEY", private), "it is a private key"},
		{"Certificate", publicText("CERTIFICATE", edDER), "PEM type"},
		{"PEMHeader", strings.Replace(good, "KEY-----\n", "KEY-----\nA: b\n\n", 1), "headers"},
		{"TwoKeys", good + string(testKey(t, 2).Public().PEM()), "more in the file than one"},
		{"TextBefore", "my key\n" + good, "more in the file than one"},
		{"TextAfter", good + "x", "more in the file than one"},
		{"NotPEM", "ssh-ed25519 AAAA", "not PEM"},
		{"Empty", "", "not PEM"},
		{"EmptyPEM", publicText(publicPEM, nil), ""},
		{"Identity", edText(t, "01"+zeros(31)), "small order"},
		{"Order2", edText(t, "ec"+strings.Repeat("ff", 30)+"7f"), "small order"},
		{"Order4", edText(t, zeros(32)), "small order"},
		{"Order4Negative", edText(t, zeros(31)+"80"), "small order"},
		{"Order8", edText(t, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "small order"},
		{"Order8Negative", edText(t, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"), "small order"},
		{"Order8Other", edText(t, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "small order"},
		{"Order8OtherNegative", edText(t, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"), "small order"},
		{"IdentityPlusP", edText(t, "ee"+strings.Repeat("ff", 30)+"7f"), "not canonical"},
		{"ZeroPlusP", edText(t, "ed"+strings.Repeat("ff", 30)+"7f"), "not canonical"},
		{"IdentityNegative", edText(t, "01"+zeros(30)+"80"), "not canonical"},
		{"AllOnes", edText(t, strings.Repeat("ff", 32)), "not canonical"},
		{"NotOnCurve", edText(t, "02"+zeros(31)), "not on the curve"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := ParsePublicKey([]byte(c.text))
			checkError(t, "ParsePublicKey", err, ErrKey, c.words)
			if k.Verify([]byte("x"), make([]byte, 64)) {
				t.Error("it verifies")
			}
		})
	}
}

// TestSmallOrderKeyIsForgeable shows why such keys are refused: for the identity
// anyone can sign anything.
func TestSmallOrderKeyIsForgeable(t *testing.T) {
	identity := make([]byte, 32)
	identity[0] = 1
	forged := append(bytes.Clone(identity), make([]byte, 32)...)
	if !ed25519.Verify(identity, []byte("anything"), forged) {
		t.Error("crypto/ed25519 refuses it by itself now")
	}
}

// TestEdwardsPoints compares the check with keys from crypto/ed25519 and with
// random numbers, half of which are points.
func TestEdwardsPoints(t *testing.T) {
	on := 0
	for i := range 400 {
		seed := sha512.Sum512([]byte{byte(i), byte(i >> 8)})
		key := ed25519.NewKeyFromSeed(seed[:32]).Public().(ed25519.PublicKey)
		if err := checkEdwardsPoint(key); err != nil {
			t.Fatalf("key %x: %v", key, err)
		}
		if checkEdwardsPoint(seed[32:]) == nil {
			on++
		}
	}
	if on < 150 || on > 250 {
		t.Errorf("%d of 400 random numbers are points", on)
	}
	// The base point, whose y is 4/5, and no multiple of it is of small order.
	y := new(big.Int).ModInverse(big.NewInt(5), edwardsP)
	base := mulP(y, big.NewInt(4)).FillBytes(make([]byte, 32))
	slices.Reverse(base)
	if err := checkEdwardsPoint(base); err != nil {
		t.Error(err)
	}
}

// TestRejectPrivateKey: files that cannot sign.
func TestRejectPrivateKey(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKCS8PrivateKey(p256)
	for _, c := range []struct{ name, text, words string }{
		{"PublicKey", string(testKey(t, 1).Public().PEM()), "it is a public key"},
		{"NotEncrypted", publicText("PRIVATE KEY", der), "not in cosign's encrypted format"},
		{"OpenSSH", publicText("OPENSSH PRIVATE KEY", der), "not in cosign's encrypted format"},
		{"Certificate", publicText("CERTIFICATE", der), "PEM type"},
		{"NotJSON", publicText(privatePEM, der), "damaged file"},
		{"Truncated", publicText(privatePEM, []byte(`{"kdf":{"name":"scrypt"`)), "damaged file"},
		{"HugeScrypt", publicText(privatePEM, []byte(`{"kdf":{"name":"scrypt","params":{"N":1073741824,"r":8,"p":1},"salt":""},"cipher":{"name":"nacl/secretbox","nonce":""},"ciphertext":""}`)), "unsupported scrypt parameters"},
		{"ShortNonce", publicText(privatePEM, []byte(`{"kdf":{"name":"scrypt","params":{"N":32768,"r":8,"p":1},"salt":""},"cipher":{"name":"nacl/secretbox","nonce":""},"ciphertext":""}`)), "nonce"},
		{"Empty", "", "not PEM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := ParsePrivateKey([]byte(c.text), func() ([]byte, error) { return nil, nil })
			checkError(t, "ParsePrivateKey", err, ErrKey, c.words)
			if k != nil {
				t.Error("a key with an error")
			}
		})
	}
}

// TestSPKI compares the encoding of keys with crypto/x509's.
func TestSPKI(t *testing.T) {
	for range 20 {
		ed, _, _ := ed25519.GenerateKey(rand.Reader)
		ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		for _, key := range []any{ed, &ec.PublicKey} {
			der := spki(t, key)
			k, err := parseSPKI(der)
			if err != nil {
				t.Fatalf("%x: %v", der, err)
			}
			again, err := encodeSPKI(k.key)
			if err != nil || !bytes.Equal(der, again) || k.spki != string(der) {
				t.Errorf("%x encodes as %x (%v)", der, again, err)
			}
		}
	}
}
