package artifact

import (
	"fmt"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// Snapshot parses the dumps of one build, counted from 0 as in Manifest.Builds.
// A dump that cannot be read is a *ruleset.SyntaxError.
func (a *Artifact) Snapshot(build int) (*ruleset.Snapshot, error) {
	dumps, err := a.Dumps(build)
	if err != nil {
		return nil, err
	}
	s, err := dump.Snapshot(dumps)
	if err != nil {
		return nil, fmt.Errorf("build %d: %w", build+1, err)
	}
	return s, nil
}
