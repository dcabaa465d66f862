package artifact

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	bundleMediaType   = "application/vnd.dev.sigstore.bundle.v0.3+json"
	payloadType       = "application/vnd.in-toto+json"
	attestationPrefix = "attestation."
	attestationSuffix = "sigstore.json"
)

// bundle is a Sigstore bundle v0.3 with a public key: no certificate, no log
// entries, no time stamps. See sigstore/protobuf-specs, sigstore_bundle.proto.
type bundle struct {
	MediaType string   `json:"mediaType"`
	Material  material `json:"verificationMaterial"`
	Envelope  envelope `json:"dsseEnvelope"`
}

type material struct {
	PublicKey struct {
		Hint string `json:"hint"`
	} `json:"publicKey"`
}

// envelope is a DSSE envelope. See secure-systems-lab/dsse, envelope.md.
type envelope struct {
	Payload     []byte      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

// signature keeps the key id empty: sigstore-go and cosign take a non-empty one
// for a name that they must know.
type signature struct {
	Sig   []byte `json:"sig"`
	KeyID string `json:"keyid"`
}

// newBundle returns the bundle of one signature, or, with a nil sig, the
// envelope that an unsigned artifact carries.
func newBundle(payload []byte, hint string, sig []byte) bundle {
	b := bundle{
		MediaType: bundleMediaType,
		Envelope:  envelope{Payload: payload, PayloadType: payloadType, Signatures: []signature{}},
	}
	if sig != nil {
		b.Material.PublicKey.Hint = hint
		b.Envelope.Signatures = []signature{{Sig: sig}}
	}
	return b
}

func decodeBundle(data []byte) (*bundle, error) {
	if len(data) > base64.StdEncoding.EncodedLen(MaxPayload)+4096 {
		return nil, fmt.Errorf("longer than a payload of %d bytes needs", MaxPayload)
	}
	b := new(bundle)
	if err := unmarshal(data, b); err != nil {
		return nil, err
	}
	hint := b.Material.PublicKey.Hint
	switch {
	case b.MediaType != bundleMediaType:
		return nil, fmt.Errorf("media type is %q, not %s", b.MediaType, bundleMediaType)
	case b.Envelope.PayloadType != payloadType:
		return nil, fmt.Errorf("payload type is %q, not %s", b.Envelope.PayloadType, payloadType)
	case len(b.Envelope.Payload) > MaxPayload:
		return nil, fmt.Errorf("payload has more than %d bytes", MaxPayload)
	case b.Envelope.Signatures == nil: // "null" in the file
		return nil, errNotCanonical
	case len(b.Envelope.Signatures) > 1:
		return nil, fmt.Errorf("%d signatures in one bundle", len(b.Envelope.Signatures))
	case len(b.Envelope.Signatures) == 0:
		if hint != "" {
			return nil, fmt.Errorf("a key hint without a signature")
		}
		return b, nil
	}
	if id := b.Envelope.Signatures[0].KeyID; id != "" {
		return nil, fmt.Errorf("key id %q is not empty", id)
	}
	if n := len(b.Envelope.Signatures[0].Sig); n == 0 || n > 128 {
		return nil, fmt.Errorf("a signature of %d bytes", n)
	}
	sum, err := base64.StdEncoding.DecodeString(hint)
	if err != nil || len(sum) != 32 || base64.StdEncoding.EncodeToString(sum) != hint {
		return nil, fmt.Errorf("key hint %q is not the base64 of a sha256", hint)
	}
	return b, nil
}

// checkBundles holds the bundles of one file to each other: one payload, one
// signature a key, and none without a signature unless it stands alone.
func checkBundles(bundles []bundle) error {
	if len(bundles) == 0 {
		return errorf(ErrContainer, "the first member is not %s", attestationName(0))
	}
	seen := map[string]bool{}
	for i, b := range bundles {
		name, hint := attestationName(i), b.Material.PublicKey.Hint
		if !bytes.Equal(b.Envelope.Payload, bundles[0].Envelope.Payload) {
			return errorf(ErrBundle, "%s: its payload is not that of %s", name, attestationName(0))
		}
		if b.signature() == nil && len(bundles) > 1 {
			return errorf(ErrBundle, "%s: no signature", name)
		}
		if seen[hint] {
			return errorf(ErrBundle, "%s: a second signature of key %s", name, hint)
		}
		seen[hint] = true
	}
	return nil
}

// signature returns the bundle's signature, or nil.
func (b *bundle) signature() []byte {
	if len(b.Envelope.Signatures) == 0 {
		return nil
	}
	return b.Envelope.Signatures[0].Sig
}

// trustRoot returns the distinct keys by their hint.
func trustRoot(trusted []PublicKey, threshold int) (map[string]PublicKey, error) {
	keys := map[string]PublicKey{}
	for _, k := range trusted {
		if k.key == nil {
			return nil, errorf(ErrTrust, "it holds an empty key")
		}
		keys[k.Hint()] = k
	}
	switch {
	case len(keys) == 0:
		return nil, errorf(ErrTrust, "it holds no key")
	case threshold < 1:
		return nil, errorf(ErrTrust, "a threshold of %d signatures", threshold)
	case threshold > len(keys):
		return nil, errorf(ErrTrust, "a threshold of %d signatures with %d different keys", threshold, len(keys))
	}
	return keys, nil
}

// verifySignatures returns the keys that signed. The hint names the one key a
// signature is tried with, and the bundles have no hint twice, so no key counts
// twice.
func verifySignatures(bundles []bundle, keys map[string]PublicKey, threshold int) ([]PublicKey, error) {
	var signers []PublicKey
	var unknown []string
	msg := pae(bundles[0].Envelope.Payload)
	for i, b := range bundles {
		sig, hint := b.signature(), b.Material.PublicKey.Hint
		if sig == nil {
			return nil, errorf(ErrUnsigned, "")
		}
		k, ok := keys[hint]
		if !ok {
			unknown = append(unknown, hint)
			continue
		}
		if !k.Verify(msg, sig) {
			return nil, errorf(ErrSignature, "%s: not made by key %s over this payload", attestationName(i), hint)
		}
		signers = append(signers, k)
	}
	if len(signers) < threshold {
		msg := fmt.Sprintf("%d of %d signatures needed are by trusted keys", len(signers), threshold)
		if len(unknown) > 0 {
			msg += "; not trusted: " + strings.Join(slices.Compact(unknown), ", ")
		}
		return nil, errorf(ErrUntrusted, "%s", msg)
	}
	return signers, nil
}

// pae is DSSE's pre-authentication encoding, the bytes that are signed. See
// secure-systems-lab/dsse, protocol.md.
func pae(payload []byte) []byte {
	out := make([]byte, 0, len(payload)+64)
	out = append(out, "DSSEv1 "+strconv.Itoa(len(payloadType))+" "+payloadType+" "...)
	out = append(out, strconv.Itoa(len(payload))+" "...)
	return append(out, payload...)
}

// attestationName returns the name of the n-th bundle, from 0.
func attestationName(n int) string {
	if n == 0 {
		return attestationPrefix + attestationSuffix
	}
	return fmt.Sprintf("%s%d.%s", attestationPrefix, n+1, attestationSuffix)
}
