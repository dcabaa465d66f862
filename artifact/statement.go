package artifact

import (
	"encoding/json"
	"fmt"
)

// PredicateType names the Manifest as an in-toto predicate. cosign asks for it
// with --type.
const PredicateType = "https://fwc.dev/artifact/v1"

const statementType = "https://in-toto.io/Statement/v1"

// statement is an in-toto Statement v1. See in-toto/attestation,
// spec/v1/statement.md.
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     Manifest  `json:"predicate"`
}

// subject is one member with its digest.
type subject struct {
	Name   string `json:"name"`
	Digest struct {
		SHA256 string `json:"sha256"`
	} `json:"digest"`
}

// encodeStatement returns the payload that describes the members, which are in
// canonical order.
func encodeStatement(m *Manifest, members []Member) ([]byte, error) {
	st := statement{Type: statementType, PredicateType: PredicateType, Predicate: *m}
	for _, mem := range members {
		s := subject{Name: mem.Name}
		s.Digest.SHA256 = hexDigest(mem.Data)
		st.Subject = append(st.Subject, s)
	}
	payload, err := marshal(&st)
	if err != nil {
		return nil, errorf(ErrPayload, "%v", err)
	}
	if len(payload) > MaxPayload {
		return nil, errorf(ErrPayload, "%d bytes, more than %d", len(payload), MaxPayload)
	}
	return payload, nil
}

func decodeStatement(payload []byte) (*statement, error) {
	// The types first, read loosely: a payload of another kind or of a later
	// format is better told so than that its fields are unknown.
	var types struct {
		Type          string `json:"_type"`
		PredicateType string `json:"predicateType"`
		Predicate     struct {
			Format json.Number `json:"format"`
		} `json:"predicate"`
	}
	if err := json.Unmarshal(payload, &types); err != nil {
		return nil, errorf(ErrPayload, "%v", err)
	}
	switch {
	case types.Type != statementType:
		return nil, errorf(ErrPayload, "_type is %q, not %s", types.Type, statementType)
	case types.PredicateType != PredicateType:
		return nil, errorf(ErrPayload, "predicateType is %q, not %s", types.PredicateType, PredicateType)
	case types.Predicate.Format.String() != fmt.Sprint(Format):
		return nil, errorf(ErrVersion, "%q, this fwc reads %d", types.Predicate.Format, Format)
	}
	st := new(statement)
	if err := unmarshal(payload, st); err != nil {
		return nil, errorf(ErrPayload, "%v", err)
	}
	if err := st.Predicate.check(); err != nil {
		return nil, err
	}
	return st, nil
}

// checkSubjects holds the members to the digests that were signed: the same
// names in the same order, so that neither side has one more.
func checkSubjects(subjects []subject, members []Member) error {
	if len(subjects) > MaxMembers {
		return errorf(ErrPayload, "more than %d subjects", MaxMembers)
	}
	if len(subjects) == 0 {
		return errorf(ErrPayload, "it names no member")
	}
	for i := 1; i < len(subjects); i++ {
		if subjects[i-1].Name >= subjects[i].Name {
			return errorf(ErrPayload, "subject %s is out of order", subjects[i].Name)
		}
	}
	for i := range max(len(subjects), len(members)) {
		switch {
		case i == len(members) || i < len(subjects) && subjects[i].Name < members[i].Name:
			return errorf(ErrDigest, "member %s is missing", subjects[i].Name)
		case i == len(subjects) || members[i].Name < subjects[i].Name:
			return errorf(ErrDigest, "member %s was not signed", members[i].Name)
		case hexDigest(members[i].Data) != subjects[i].Digest.SHA256:
			return errorf(ErrDigest, "member %s has another sha256", members[i].Name)
		}
	}
	return nil
}
