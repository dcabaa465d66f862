//go:build !host

package artifact

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// The PEM types that cosign writes and has written.
const (
	privatePEM    = "ENCRYPTED SIGSTORE PRIVATE KEY"
	oldPrivatePEM = "ENCRYPTED COSIGN PRIVATE KEY"
)

// Algorithm is a kind of key.
type Algorithm string

// The algorithms. Ed25519 is the default; ECDSA P-256 is what key management
// services and cosign make.
const (
	Ed25519   Algorithm = "ed25519"
	ECDSAP256 Algorithm = "ecdsa-p256"
)

// PrivateKey signs artifacts. It is a Signer.
type PrivateKey struct {
	key    crypto.Signer
	public PublicKey
}

// GenerateKey returns a new key; "" stands for Ed25519.
func GenerateKey(alg Algorithm) (*PrivateKey, error) {
	switch alg {
	case Ed25519, "":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return NewPrivateKey(key)
	case ECDSAP256:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return NewPrivateKey(key)
	}
	return nil, errorf(ErrKey, "algorithm %q; Ed25519 and ECDSA P-256 can", alg)
}

// NewPrivateKey returns the key as an artifact's, under the conditions of
// NewPublicKey.
func NewPrivateKey(key crypto.Signer) (*PrivateKey, error) {
	public, err := NewPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	return &PrivateKey{key: key, public: public}, nil
}

// Public returns the key that verifies.
func (k *PrivateKey) Public() PublicKey { return k.public }

// Sign signs the message.
func (k *PrivateKey) Sign(message []byte) ([]byte, error) {
	if k.public.Algorithm() == string(Ed25519) {
		return k.key.Sign(rand.Reader, message, crypto.Hash(0))
	}
	sum := sha256.Sum256(message)
	return k.key.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// Encrypt returns the key in cosign's format: PKCS #8 in NaCl secretbox under a
// key that scrypt derives from the passphrase, in PEM. The passphrase may be
// empty, for pipelines that keep the file itself secret.
func (k *PrivateKey) Encrypt(passphrase []byte) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return nil, errorf(ErrKey, "%v", err)
	}
	box, err := encrypted.Encrypt(der, passphrase)
	if err != nil {
		return nil, errorf(ErrKey, "%v", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: privatePEM, Bytes: box}), nil
}

// ParsePrivateKey reads what Encrypt and cosign write. It calls passphrase once
// the file is known to be such a key, and returns its error unchanged. Other
// errors are of kind ErrKey.
func ParsePrivateKey(text []byte, passphrase func() ([]byte, error)) (*PrivateKey, error) {
	block, err := onlyBlock(text)
	if err != nil {
		return nil, err
	}
	switch {
	case block.Type == publicPEM:
		return nil, errorf(ErrKey, "it is a public key, not a private one")
	case block.Type == privatePEM || block.Type == oldPrivatePEM:
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errorf(ErrKey, "it is not in cosign's encrypted format but %q", block.Type)
	default:
		return nil, errorf(ErrKey, "PEM type is %q, not %s", block.Type, privatePEM)
	}
	secret, err := passphrase()
	if err != nil {
		return nil, err
	}
	der, err := encrypted.Decrypt(block.Bytes, secret)
	if err != nil {
		return nil, errorf(ErrKey, "wrong passphrase or damaged file (%v)", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errorf(ErrKey, "%v", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errorf(ErrKey, "%T cannot sign", key)
	}
	return NewPrivateKey(signer)
}
