package artifact

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"strings"
)

const publicPEM = "PUBLIC KEY"

// PublicKey is an Ed25519 or ECDSA P-256 key that artifacts are verified with.
// The zero PublicKey verifies nothing.
type PublicKey struct {
	key  crypto.PublicKey
	spki string // DER of the SubjectPublicKeyInfo, the one encoding of key
}

// NewPublicKey returns the key as an artifact's, an ed25519.PublicKey or an
// *ecdsa.PublicKey on P-256. Other keys, and points that are not on their curve
// or in a small subgroup, where anyone can sign, are of kind ErrKey.
func NewPublicKey(key crypto.PublicKey) (PublicKey, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
		if err := checkEdwardsPoint(k); err != nil {
			return PublicKey{}, err
		}
	case *ecdsa.PublicKey:
		if k.Curve == nil {
			return PublicKey{}, errorf(ErrKey, "ECDSA on no curve")
		}
		if k.Curve != elliptic.P256() {
			return PublicKey{}, errorf(ErrKey, "ECDSA on %s; Ed25519 and ECDSA P-256 can", k.Params().Name)
		}
		if _, err := k.ECDH(); err != nil {
			return PublicKey{}, errorf(ErrKey, "%v", err)
		}
	}
	der, err := encodeSPKI(key)
	if err != nil {
		return PublicKey{}, err
	}
	return PublicKey{key: key, spki: string(der)}, nil
}

// ParsePublicKey reads one PEM block "PUBLIC KEY" (RFC 7468, section 13) with
// nothing but white space around it. Each key has one encoding that is
// accepted, so no key can pass for two. Errors are of kind ErrKey.
func ParsePublicKey(text []byte) (PublicKey, error) {
	block, err := onlyBlock(text)
	if err != nil {
		return PublicKey{}, err
	}
	switch {
	case strings.Contains(block.Type, "PRIVATE"):
		return PublicKey{}, errorf(ErrKey, "it is a private key, not a public one")
	case block.Type != publicPEM:
		return PublicKey{}, errorf(ErrKey, "PEM type is %q, not %s", block.Type, publicPEM)
	case len(block.Headers) > 0:
		return PublicKey{}, errorf(ErrKey, "PEM headers are not allowed")
	}
	return parseSPKI(block.Bytes)
}

// onlyBlock returns the one PEM block that text consists of.
func onlyBlock(text []byte) (*pem.Block, error) {
	text = bytes.TrimSpace(text)
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errorf(ErrKey, "it is not PEM")
	case !bytes.HasPrefix(text, []byte("-----BEGIN "+block.Type+"-----")) || len(bytes.TrimSpace(rest)) > 0:
		return nil, errorf(ErrKey, "there is more in the file than one PEM block")
	}
	return block, nil
}

// Verify says whether sig is this key's signature of the message itself: plain
// Ed25519 (RFC 8032, never Ed25519ph), or ECDSA over sha256 in ASN.1 form.
func (k PublicKey) Verify(message, sig []byte) bool {
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		return len(sig) == ed25519.SignatureSize && ed25519.Verify(key, message, sig)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		return ecdsa.VerifyASN1(key, sum[:], sig)
	}
	return false
}

// Hint returns base64(sha256(SPKI DER)), the name that a bundle gives the key.
func (k PublicKey) Hint() string {
	sum := sha256.Sum256([]byte(k.spki))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Algorithm returns "ed25519", "ecdsa-p256", or "" for the zero PublicKey.
func (k PublicKey) Algorithm() string {
	switch k.key.(type) {
	case ed25519.PublicKey:
		return "ed25519"
	case *ecdsa.PublicKey:
		return "ecdsa-p256"
	}
	return ""
}

// PEM returns the key as ParsePublicKey reads it.
func (k PublicKey) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: publicPEM, Bytes: []byte(k.spki)})
}

// Equal says whether two keys are the same.
func (k PublicKey) Equal(other PublicKey) bool { return k.spki == other.spki }

// String returns the algorithm and the hint.
func (k PublicKey) String() string { return k.Algorithm() + ":" + k.Hint() }
