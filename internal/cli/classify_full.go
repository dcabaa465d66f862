//go:build !host

package cli

import (
	"errors"

	"github.com/fwc-dev/fwc/compiler"
)

// classifyBuilder knows the errors of what hosts do not carry.
func classifyBuilder(err error) (int, string) {
	var source *compiler.SourceError
	var call *compiler.CallError
	var script *compiler.ScriptError
	var timeout *compiler.TimeoutError
	var refused *compiler.NotPermittedError
	var loss *compiler.LossError
	var record *compiler.RecordError
	switch {
	case errors.As(err, &source):
		hint := source.Hint
		if hint == "" {
			hint = "fwc build SCRIPT -o FILE: SCRIPT is a shell script, or names its interpreter with #!"
		}
		return exitFailure, hint
	case errors.As(err, &script):
		return exitScript, script.Hint()
	case errors.As(err, &call):
		return exitScript, call.Hint()
	case errors.As(err, &timeout):
		return exitScript, "give it more time with --timeout, or look for what it waits for: staging has no network and no terminal"
	case errors.As(err, &loss):
		return exitScript, "write the rule in another way: the tools would load it back as a different rule"
	case errors.As(err, &record):
		return exitScript, "leave /.fwc alone: without the record nothing can be held against what the tools save"
	case errors.As(err, &refused):
		return exitFailure, refused.Advice
	}
	return 0, ""
}
