package netfilter

import (
	"context"
	"errors"

	"github.com/fwc-dev/fwc/ruleset"
)

// Whole is CaptureRaw and Objects of the same state, in less time than one
// after the other: the kernel's objects are read while the programs print.
func Whole(ctx context.Context, scope Scope) ([]ruleset.Dump, *State, error) {
	nl, err := dial()
	if err != nil {
		return nil, nil, err
	}
	defer nl.Close()
	for i := range again(ctx) {
		if scope.Impatient && i > 1 {
			break
		}
		before, err := nl.generation()
		if err != nil && !errors.Is(err, errAbsent) {
			return nil, nil, err
		}
		var objects *State
		dumps, err := captureOnce(ctx, nl, scope, before, err, func() (err error) {
			objects, err = Objects(ctx)
			return err
		})
		if !errors.Is(err, errInterrupted) {
			return dumps, objects, err
		}
	}
	return nil, nil, unsettled(ctx)
}
