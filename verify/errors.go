package verify

import (
	"errors"
	"fmt"
)

// Why an artifact that is intact and signed is not accepted, or could not be
// judged. Match them with errors.Is.
var (
	ErrTrustRoot  = errors.New("trust root cannot be used")
	ErrPolicy     = errors.New("policy cannot be used")
	ErrExpired    = errors.New("artifact has expired")
	ErrFuture     = errors.New("artifact was created in the future")
	ErrOlder      = errors.New("artifact is older than the one applied")
	ErrSameSerial = errors.New("artifact has the serial of another one")
	ErrJump       = errors.New("artifact's serial is implausibly high")
	ErrState      = errors.New("state cannot be used")
	ErrConstraint = errors.New("version constraint cannot be read")
	ErrContents   = errors.New("a dump cannot be read")
)

// Error says why an artifact was not accepted. It is of one of the Err values
// above. What is wrong with the file itself is an *artifact.Error, and a host
// that it was not built for a *HostError.
type Error struct {
	Kind error
	Msg  string // the rest of the sentence
	Hint string // what to do about it, or ""
	Err  error  // the system's, if it is one
}

// Error returns the kind and the details in one sentence.
func (e *Error) Error() string { return e.Kind.Error() + ": " + e.Msg }

// Unwrap returns the kind, and the system's error.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// systemf is errorf for an error of the system's.
func systemf(kind, err error) *Error { return &Error{Kind: kind, Msg: err.Error(), Err: err} }

func errorf(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

func (e *Error) hint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}
