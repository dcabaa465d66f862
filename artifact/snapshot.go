package artifact

import (
	"github.com/fwc-dev/fwc/ruleset"
)

// Snapshot returns the state that one build holds, counted from 0 as in
// Manifest.Builds.
func (a *Artifact) Snapshot(build int) (*ruleset.Snapshot, error) {
	dumps, err := a.Dumps(build)
	if err != nil {
		return nil, err
	}
	return ruleset.New(dumps, nil, nil, nil), nil
}
