package artifact

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode"
	"unicode/utf8"
)

var errNotCanonical = errors.New("JSON is not in canonical form")

// marshal returns the canonical JSON of v: fields in the order of the struct,
// map keys sorted, no white space. The strings we write hold no character that
// JSON encoders differ about (see checkText), so the form is unambiguous.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// unmarshal reads JSON into v and accepts nothing but what marshal makes of v.
// encoding/json alone lets pass keys that are there twice or in another case,
// null for a value, invalid UTF-8, and base64 with line ends or loose last bits;
// comparing bytes shuts out all of them at once.
func unmarshal(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	again, err := marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(data, again) {
		return errNotCanonical
	}
	return nil
}

// checkText allows short printable text: a string that looks the same to
// everyone who reads it, in JSON and on a terminal.
func checkText(what, s string, limit int) error {
	if len(s) > limit {
		return errorf(ErrPayload, "%s is longer than %d bytes", what, limit)
	}
	if !utf8.ValidString(s) {
		return errorf(ErrPayload, "%s is not UTF-8", what)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return errorf(ErrPayload, "%s has the character %U", what, r)
		}
	}
	return nil
}
