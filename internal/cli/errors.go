package cli

import (
	"errors"
	"fmt"
)

// Exit codes, as docs and pipelines know them.
const (
	exitFailure      = 1
	exitUsage        = 2
	exitHostMismatch = 3
	exitBusy         = 4
	exitUntrusted    = 5
	exitUndone       = 6
	exitNotRestored  = 7
	exitScript       = 8
	exitForeign      = 9
	exitInterrupted  = 130
)

var errInterrupted = errors.New("interrupted")

// usage is wrong usage of the command line.
type usage struct{ msg string }

func (e *usage) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usage{fmt.Sprintf(format, args...)} }

// quietError ends fwc with a code and without a word: the command has said
// what there is to say.
type quietError struct{ code int }

func (e *quietError) Error() string { return fmt.Sprintf("exit %d", e.code) }

// hinted carries a hint that only the command could know.
type hinted struct {
	error
	hint string
}

func (e *hinted) Unwrap() error { return e.error }

func hintf(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}
