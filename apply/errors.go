package apply

import (
	"errors"
	"fmt"
)

// ErrBusy says that another fwc holds the state directory, or that others
// change the firewall faster than it can be planned for.
var ErrBusy = errors.New("the firewall is being changed by another program")

// ErrUndone says that an apply failed and that the former firewall stands, as
// it was.
var ErrUndone = errors.New("the former firewall stands")

// ErrNotRestored says that an apply failed and that the former firewall could
// not be put back in full.
var ErrNotRestored = errors.New("the former firewall could not be put back in full")

// ErrNoWayBack says that the live firewall could not be put back if the apply
// failed, since its own dump does not hold all of it. Nothing was touched.
var ErrNoWayBack = errors.New("the live firewall cannot be put back from its own dump")

// ErrNoGeneration says that the history does not hold a generation.
var ErrNoGeneration = errors.New("no such generation")

// ErrState says that the state directory holds what fwc did not write or that
// something damaged it.
var ErrState = errors.New("the state directory is damaged")

// FailedError says why an apply did not end well and how it was left:
// errors.Is finds ErrUndone or ErrNotRestored, and the cause.
type FailedError struct {
	Cause error // what failed first
	Undo  error // why the former firewall is not back; nil if it is
	// Lost is what others had put into the firewall since the apply began and
	// what could not stay.
	Lost []Foreign
}

// Error gives the cause first.
func (e *FailedError) Error() string {
	s := fmt.Sprintf("%v; %v", e.Cause, ErrUndone)
	if e.Undo != nil {
		s = fmt.Sprintf("%v; %v: %v", e.Cause, ErrNotRestored, e.Undo)
	}
	for _, f := range e.Lost {
		s += fmt.Sprintf("; added by others meanwhile, and gone: %v", f)
	}
	return s
}

// Unwrap returns the outcome, the cause, and what stopped the undoing.
func (e *FailedError) Unwrap() []error {
	if e.Undo != nil {
		return []error{ErrNotRestored, e.Cause, e.Undo}
	}
	return []error{ErrUndone, e.Cause}
}

// TrialError says that this host cannot load the wanted firewall, which a
// throwaway namespace showed; nothing was touched.
type TrialError struct{ Err error }

// Error says where it failed.
func (e *TrialError) Error() string { return "trial load on this host: " + e.Err.Error() }

// Unwrap returns the cause, often a *netfilter.LoadError.
func (e *TrialError) Unwrap() error { return e.Err }

// CheckError says that the health check refused the new firewall.
type CheckError struct {
	Command string
	Err     error  // how it ended
	Output  string // its last words, bounded
}

// Error names the command and how it ended.
func (e *CheckError) Error() string {
	s := fmt.Sprintf("check %q: %v", e.Command, e.Err)
	if e.Output != "" {
		s += ": " + e.Output
	}
	return s
}

// Unwrap returns how the command ended.
func (e *CheckError) Unwrap() error { return e.Err }
