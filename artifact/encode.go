package artifact

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Signer signs artifacts: a private key in memory, in an agent, in a machine.
type Signer interface {
	// Public returns the key that verifies.
	Public() PublicKey
	// Sign signs the message itself, not a digest of it: plain Ed25519, or
	// ECDSA over its sha256 in ASN.1 form.
	Sign(message []byte) ([]byte, error)
}

// Encode returns the file that holds the manifest and the members under the
// signers' signatures. Without a signer it is an unsigned artifact, which Open
// never accepts.
//
// It puts lists in canonical order and times in whole seconds of UTC, so the
// same contents give the same payload, and refuses what Open would refuse. The
// format version in m is ignored. Errors about the contents are of type *Error.
func Encode(m *Manifest, members []Member, signers ...Signer) ([]byte, error) {
	members = slices.Clone(members)
	slices.SortStableFunc(members, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	if err := checkOrder(members); err != nil {
		return nil, err
	}
	m = m.canonical()
	if err := m.check(); err != nil {
		return nil, err
	}
	payload, err := encodeStatement(m, members)
	if err != nil {
		return nil, err
	}
	if len(signers) > MaxSignatures {
		return nil, errorf(ErrBundle, "more than %d signatures", MaxSignatures)
	}
	bundles := []bundle{newBundle(payload, "", nil)}
	for i, s := range signers {
		b, err := sign(payload, s)
		if err != nil {
			return nil, err
		}
		bundles = append(bundles[:i], *b)
	}
	return encodeFile(bundles, members)
}

// ErrSigned says that a key has signed an artifact already.
var ErrSigned = errors.New("it is signed by this key already")

// AddSignature returns data with one signature more, over the same payload. An
// unsigned artifact becomes a signed one. A key that has signed already is an
// ErrSigned.
func AddSignature(data []byte, signer Signer) ([]byte, error) {
	a, _, err := Inspect(data)
	if err != nil {
		return nil, err
	}
	hint := signer.Public().Hint()
	for _, u := range a.Unverified() {
		if u.Hint == hint {
			return nil, fmt.Errorf("%w: %s", ErrSigned, hint)
		}
	}
	b, err := sign(a.payload, signer)
	if err != nil {
		return nil, err
	}
	bundles := slices.Clone(a.bundles)
	if bundles[0].signature() == nil {
		bundles = nil
	}
	if len(bundles) == MaxSignatures {
		return nil, errorf(ErrBundle, "it has %d signatures already", MaxSignatures)
	}
	return encodeFile(append(bundles, *b), a.members)
}

// sign makes a signature and holds the signer to it: one that no host accepts
// is better found here than there.
func sign(payload []byte, s Signer) (*bundle, error) {
	msg := pae(payload)
	sig, err := s.Sign(msg)
	if err != nil {
		return nil, err
	}
	k := s.Public()
	if !k.Verify(msg, sig) {
		return nil, errorf(ErrSignature, "the signer's signature is not by its own key %s", k.Hint())
	}
	b := newBundle(payload, k.Hint(), sig)
	return &b, nil
}

// encodeFile writes the file and reads it back: nothing leaves that a reader
// would not take.
func encodeFile(bundles []bundle, members []Member) ([]byte, error) {
	var all []Member
	for i := range bundles {
		text, err := marshal(&bundles[i])
		if err != nil {
			return nil, err
		}
		all = append(all, Member{Name: attestationName(i), Data: text})
	}
	data, err := encodeContainer(append(all, members...))
	if err != nil {
		return nil, err
	}
	a, _, err := Inspect(data)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(a.payload, bundles[0].Envelope.Payload) {
		return nil, errorf(ErrPayload, "it does not read back")
	}
	return data, nil
}
