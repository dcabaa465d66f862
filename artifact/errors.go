package artifact

import (
	"errors"
	"fmt"
)

// What can be wrong with a file. Match them with errors.Is.
var (
	ErrTooLarge  = errors.New("file is too large")
	ErrContainer = errors.New("not an intact artifact")
	ErrBundle    = errors.New("attestation is malformed")
	ErrTrust     = errors.New("trust root cannot be used")
	ErrUnsigned  = errors.New("artifact is not signed")
	ErrUntrusted = errors.New("artifact is not trusted")
	ErrSignature = errors.New("signature does not verify")
	ErrPayload   = errors.New("signed payload is malformed")
	ErrVersion   = errors.New("format version is not supported")
	ErrDigest    = errors.New("contents are not what was signed")
	ErrKey       = errors.New("key cannot be used")
)

// Error says why a file or key was not accepted. It is of one of the Err
// values above, and never of two.
type Error struct {
	Kind error
	Msg  string // the rest of the sentence
}

// Error returns the kind and the details in one sentence.
func (e *Error) Error() string {
	if e.Msg == "" {
		return e.Kind.Error()
	}
	return e.Kind.Error() + ": " + e.Msg
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func errorf(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

// wrap names the member in which err arose, keeping its kind if it has one.
func wrap(kind error, name string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return &Error{Kind: e.Kind, Msg: name + ": " + e.Msg}
	}
	return &Error{Kind: kind, Msg: name + ": " + err.Error()}
}
