// Package artifact is the file that fwc signs and hosts load: a strictly
// canonical ustar archive of netfilter dumps under one or more signatures.
//
// The first member, attestation.sigstore.json, is a Sigstore bundle v0.3 around
// a DSSE envelope whose payload is an in-toto Statement v1. The Statement names
// every other member with its sha256, and its predicate is the Manifest. Further
// signers add attestation.2.sigstore.json and on, over the same payload bytes.
//
// There is one encoding of a file's contents: what decodes re-encodes to the
// same bytes. Open verifies signatures before it parses a byte of the payload;
// Inspect reads a file that nobody vouches for. Neither writes to disk, and the
// members they return are slices of the data they were given.
package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// Limits of what is read, so that a file's claims cost no more than its bytes.
const (
	MaxSize       = 64 << 20 // bytes of a file
	MaxMembers    = 1024     // members beside the attestations
	MaxSignatures = 16       // attestations of a file
	MaxPayload    = 1 << 20  // bytes of the signed payload
	MaxBuilds     = 64       // builds of a manifest
)

// Artifact is the contents of one file. Open and Inspect make it; treat it as
// immutable.
type Artifact struct {
	// Manifest is the signed description of the contents.
	Manifest *Manifest
	// Digest is the sha256 of the signed payload in hexadecimal: the identity
	// of the artifact. The file's own digest is not, since a signer can be
	// added, and an ECDSA signature has more than one valid form.
	Digest string
	// Signers are the trusted keys whose signatures Open verified, in the
	// order of the file. Inspect leaves it empty.
	Signers []PublicKey

	data    []byte
	payload []byte
	members []Member
	bundles []bundle
}

// Member is one file of an artifact.
type Member struct {
	Name string // [a-z0-9._-]+
	Data []byte
}

// UnverifiedSigner is a signature that nobody checked: who says to have signed.
type UnverifiedSigner struct {
	// Hint is base64(sha256(SPKI DER)) of the public key, see PublicKey.Hint.
	Hint string
}

// Open returns the artifact in data if at least threshold of the trusted keys
// signed it and its contents are what they signed. A key counts once, however
// often it is listed. Signatures of keys that are not trusted are passed over;
// one that claims a trusted key and does not verify is an error.
//
// Errors are of type *Error.
func Open(data []byte, trusted []PublicKey, threshold int) (*Artifact, error) {
	keys, err := trustRoot(trusted, threshold)
	if err != nil {
		return nil, err
	}
	f, err := decodeFile(data)
	if err != nil {
		return nil, err
	}
	signers, err := verifySignatures(f.bundles, keys, threshold)
	if err != nil {
		return nil, err
	}
	a, err := f.artifact()
	if err != nil {
		return nil, err
	}
	a.Signers = signers
	return a, nil
}

// Inspect returns the artifact in data without asking who signed it: it checks
// that the file is canonical and that its contents are those that the payload
// names. Use it to show and compare, never to load.
//
// Errors are of type *Error.
func Inspect(data []byte) (*Artifact, []UnverifiedSigner, error) {
	f, err := decodeFile(data)
	if err != nil {
		return nil, nil, err
	}
	a, err := f.artifact()
	if err != nil {
		return nil, nil, err
	}
	return a, a.Unverified(), nil
}

// Unverified returns every signature of the file as it claims to be, the
// verified ones too.
func (a *Artifact) Unverified() []UnverifiedSigner {
	var signers []UnverifiedSigner
	for _, b := range a.bundles {
		if b.signature() != nil {
			signers = append(signers, UnverifiedSigner{Hint: b.Material.PublicKey.Hint})
		}
	}
	return signers
}

// Members returns every member beside the attestations, ordered by name.
func (a *Artifact) Members() []Member { return a.members }

// Member returns the member of that name.
func (a *Artifact) Member(name string) ([]byte, bool) {
	for _, m := range a.members {
		if m.Name == name {
			return m.Data, true
		}
	}
	return nil, false
}

// Data returns the whole file, as it was read.
func (a *Artifact) Data() []byte { return a.data }

// Payload returns the signed bytes, an in-toto Statement v1.
func (a *Artifact) Payload() []byte { return a.payload }

// Dumps returns the dumps of one build, counted from 0 as in Manifest.Builds.
func (a *Artifact) Dumps(build int) ([]ruleset.Dump, error) {
	if build < 0 || build >= len(a.Manifest.Builds) {
		return nil, fmt.Errorf("artifact has no build %d", build)
	}
	var dumps []ruleset.Dump
	for _, d := range a.Manifest.Builds[build].Dumps {
		data, _ := a.Member(d.Member) // checked when the payload was read
		dumps = append(dumps, ruleset.Dump{Kind: d.Kind, Backend: d.Backend, Text: data})
	}
	return dumps, nil
}

// MemberName returns the name that a member of one build has in the file: the
// plain name in the first build, "2.name" in the second.
func MemberName(build int, name string) string {
	if build == 0 {
		return name
	}
	return fmt.Sprintf("%d.%s", build+1, name)
}

// file is a decoded container whose payload nobody has parsed yet.
type file struct {
	data    []byte
	bundles []bundle
	members []Member
}

func decodeFile(data []byte) (*file, error) {
	all, err := decodeContainer(data)
	if err != nil {
		return nil, err
	}
	f := &file{data: data}
	for len(f.bundles) < len(all) && all[len(f.bundles)].Name == attestationName(len(f.bundles)) {
		n := len(f.bundles)
		if n == MaxSignatures {
			return nil, errorf(ErrBundle, "more than %d signatures", MaxSignatures)
		}
		b, err := decodeBundle(all[n].Data)
		if err != nil {
			return nil, wrap(ErrBundle, all[n].Name, err)
		}
		f.bundles = append(f.bundles, *b)
	}
	f.members = all[len(f.bundles):]
	if err := checkBundles(f.bundles); err != nil {
		return nil, err
	}
	return f, checkOrder(f.members)
}

// checkOrder holds the members to the one order they may have, which also
// shuts out duplicates.
func checkOrder(members []Member) error {
	if len(members) > MaxMembers {
		return errorf(ErrContainer, "more than %d members", MaxMembers)
	}
	for i, m := range members {
		if strings.HasPrefix(m.Name, attestationPrefix) {
			return errorf(ErrContainer, "member %s is out of place", m.Name)
		}
		if i > 0 && members[i-1].Name == m.Name {
			return errorf(ErrContainer, "member %s is there twice", m.Name)
		}
		if i > 0 && members[i-1].Name > m.Name {
			return errorf(ErrContainer, "member %s is out of order", m.Name)
		}
	}
	return nil
}

// artifact parses the payload and holds the members to it.
func (f *file) artifact() (*Artifact, error) {
	payload := f.bundles[0].Envelope.Payload
	st, err := decodeStatement(payload)
	if err != nil {
		return nil, err
	}
	if err := checkSubjects(st.Subject, f.members); err != nil {
		return nil, err
	}
	if err := st.Predicate.checkMembers(f.members); err != nil {
		return nil, err
	}
	return &Artifact{
		Manifest: &st.Predicate,
		Digest:   hexDigest(payload),
		data:     f.data,
		payload:  payload,
		members:  f.members,
		bundles:  f.bundles,
	}, nil
}

func hexDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
