package netfilter

import (
	"context"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// Capture returns the whole state of the namespace: every family of both
// backends, native tables, ipsets, and the sysctls that scope names. It
// creates nothing by looking and runs only the programs that have something
// to print.
//
// It returns a *NoToolError where the kernel holds something whose program is
// missing, a *ToolError where one fails, a *MixedError for a table that no
// program prints whole, and ErrChanging if the ruleset does not hold still.
func Capture(ctx context.Context, scope Scope) (*ruleset.Snapshot, error) {
	raw, err := CaptureRaw(ctx, scope)
	if err != nil {
		return nil, err
	}
	return dump.Snapshot(raw)
}
