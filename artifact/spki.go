package artifact

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"slices"
)

// A SubjectPublicKeyInfo (RFC 5280, section 4.1) of each kind of key has one DER
// encoding: these bytes, then the key's own. So no parser is needed, and none
// that reads other keys gets into what hosts run.
var (
	// RFC 8410, sections 3 and 4: the point, 32 bytes.
	ed25519SPKI = []byte("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00")
	// RFC 5480, section 2: id-ecPublicKey, secp256r1; the point is 04, x, y.
	p256SPKI = []byte("\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00")
)

const p256PointSize = 65

// parseSPKI returns the key that der encodes, checked as NewPublicKey does.
func parseSPKI(der []byte) (PublicKey, error) {
	if point, ok := bytes.CutPrefix(der, ed25519SPKI); ok {
		if len(point) > ed25519.PublicKeySize {
			return PublicKey{}, errorf(ErrKey, "trailing data after it")
		}
		return NewPublicKey(ed25519.PublicKey(slices.Clone(point)))
	}
	if point, ok := bytes.CutPrefix(der, p256SPKI); ok {
		if len(point) > p256PointSize {
			return PublicKey{}, errorf(ErrKey, "trailing data after it")
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return PublicKey{}, errorf(ErrKey, "its P-256 point cannot be used (%v)", err)
		}
		return NewPublicKey(key)
	}
	if kind := foreignKey(der); kind != "" {
		return PublicKey{}, errorf(ErrKey, "%s; Ed25519 and ECDSA P-256 can", kind)
	}
	return PublicKey{}, errorf(ErrKey, "its DER is not that of an Ed25519 or ECDSA P-256 key")
}

// encodeSPKI returns the DER of a key that NewPublicKey takes.
func encodeSPKI(key crypto.PublicKey) ([]byte, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return slices.Concat(ed25519SPKI, k), nil
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return nil, errorf(ErrKey, "%v", err)
		}
		return slices.Concat(p256SPKI, point), nil
	}
	return nil, errorf(ErrKey, "%T; Ed25519 and ECDSA P-256 can", key)
}

// foreignKey names the kind of a key that artifacts are not signed with, by the
// object identifiers near the start of its DER.
func foreignKey(der []byte) string {
	head := der[:min(len(der), 40)]
	for _, f := range []struct{ oid, name string }{
		{"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", "RSA"}, // RFC 8017, appendix A.1
		{"\x06\x05\x2b\x81\x04\x00\x22", "ECDSA on P-384"},      // RFC 5480, section 2.1.1.1
		{"\x06\x05\x2b\x81\x04\x00\x23", "ECDSA on P-521"},
		{"\x06\x03\x2b\x65\x6e", "X25519"}, // RFC 8410, section 3
		{"\x06\x03\x2b\x65\x71", "Ed448"},
	} {
		if bytes.Contains(head, []byte(f.oid)) {
			return f.name
		}
	}
	return ""
}
