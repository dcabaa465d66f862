// Package verify decides whether this host takes an artifact: who signed it
// (the trust root), whether it is for this host (labels and versions), whether
// it is in time and not older than what the host took before (policy and
// state).
//
// An Accepted is the proof. Only this package makes one, so whoever is handed
// one needs to check nothing again.
package verify

import (
	"time"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ruleset"
)

// Checked is an artifact that the trust root signed and the policy lets pass.
// Whether this host can run it is not known yet.
type Checked struct {
	artifact *artifact.Artifact
	trust    Trust
	policy   Policy
	state    *State
	older    bool
}

// Accepted is an artifact that this host may load. Treat it as immutable. The
// zero Accepted holds nothing.
type Accepted struct {
	checked  *Checked
	build    int
	exact    bool
	snapshot *ruleset.Snapshot

	mismatches []Mismatch // that Checked.Boot passed over
}

// Artifact returns the Accepted for an artifact that passes Check and Match.
func Artifact(data []byte, trust Trust, policy Policy, host Host, state *State) (*Accepted, error) {
	c, err := Check(data, trust, policy, host.Now, state)
	if err != nil {
		return nil, err
	}
	return c.Match(host.Toolchain)
}

// Check verifies the signatures before anything else, then the contents, then
// expiry, and what this host accepted before. The zero time stands for time.Now.
//
// Errors are of type *artifact.Error if the file is not intact or not trusted,
// and of type *Error if the policy does not let it pass.
func Check(data []byte, trust Trust, policy Policy, now time.Time, state *State) (*Checked, error) {
	if now.IsZero() {
		now = time.Now()
	}
	if state == nil {
		return nil, errorf(ErrState, "none was given")
	}
	a, err := trust.open(data, policy, now)
	if err != nil {
		return nil, err
	}
	if !policy.Boot {
		if err := checkTime(a.Manifest, policy, now); err != nil {
			return nil, err
		}
	}
	older, err := state.checkOrder(markOf(a), policy, now)
	if err != nil {
		return nil, err
	}
	return &Checked{artifact: a, trust: trust, policy: policy, state: state, older: older}, nil
}

// Match chooses the build of the artifact that was made for this toolchain, an
// exact match before one that a constraint lets pass. If the labels differ or no
// build matches, the error is of type *HostError.
func (c *Checked) Match(host ruleset.Toolchain) (*Accepted, error) {
	m := c.artifact.Manifest
	mismatch := HostError{Labels: matchLabels(m.Labels, c.policy)}
	found, exact := -1, false
	for i := range m.Builds {
		list, same, err := matchBuild(&m.Builds[i], host, c.policy.Accept)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			mismatch.Builds = append(mismatch.Builds, BuildMismatch{m.Builds[i].Toolchain, list})
		} else if found < 0 || same && !exact {
			found, exact = i, same
		}
	}
	if found >= 0 {
		mismatch.Builds = nil
	}
	if len(mismatch.Labels) > 0 || found < 0 {
		return nil, &mismatch
	}
	snapshot, err := c.artifact.Snapshot(found)
	if err != nil {
		return nil, &Error{Kind: ErrContents, Msg: err.Error()}
	}
	return &Accepted{checked: c, build: found, exact: exact, snapshot: snapshot}, nil
}

// Labels returns a *HostError if the artifact is not for a host with the
// policy's labels. Match asks for it too.
func (c *Checked) Labels() error {
	if list := matchLabels(c.artifact.Manifest.Labels, c.policy); len(list) > 0 {
		return &HostError{Labels: list}
	}
	return nil
}

// Artifact returns what was checked.
func (c *Checked) Artifact() *artifact.Artifact { return c.artifact }

// Signers returns the names of the trusted keys that signed; none if the trust
// root was told to accept unsigned artifacts.
func (c *Checked) Signers() []string {
	var names []string
	for _, k := range c.artifact.Signers {
		names = append(names, c.trust.Name(k))
	}
	return names
}

// Older says that only Policy.AllowOlder let the artifact pass.
func (c *Checked) Older() bool { return c.older }

// Checked returns what was known before the host was looked at.
func (a *Accepted) Checked() *Checked { return a.checked }

// Artifact returns the artifact.
func (a *Accepted) Artifact() *artifact.Artifact { return a.checked.artifact }

// Digest returns the artifact's identity, the sha256 of its signed payload.
func (a *Accepted) Digest() string { return a.checked.artifact.Digest }

// Build returns the build that matches this host.
func (a *Accepted) Build() artifact.Build { return a.checked.artifact.Manifest.Builds[a.build] }

// BuildIndex returns the place of Build in the manifest, from 0.
func (a *Accepted) BuildIndex() int { return a.build }

// Exact says that every version is that of the build, without a constraint.
func (a *Accepted) Exact() bool { return a.exact }

// Snapshot returns the build's state, parsed from the signed dumps.
func (a *Accepted) Snapshot() *ruleset.Snapshot { return a.snapshot }

// Prepare makes the state directory. Call it before anything else is written
// there, see State.Prepare, and under the lock that keeps others from accepting
// an artifact: where somebody else accepted one since the state was opened, the
// two are compared as Check does, and the older one is an error.
func (a *Accepted) Prepare() error {
	c := a.checked
	if c.unchanged() != nil {
		now := OpenState(c.state.dir)
		older, err := now.checkOrder(markOf(c.artifact), c.policy, time.Now())
		if err != nil {
			return err
		}
		c.state, c.older = now, older
	}
	return c.state.Prepare()
}

// Record writes down that this host took the artifact: from now on it takes
// none that is older. Call it when the artifact is in effect. It is durable when
// Record returns. An artifact that was older is written down beside the highest,
// which stays; one that followed a lost state is the new highest.
//
// A state that somebody else changed since Prepare, or since it was opened, is
// an error.
func (a *Accepted) Record() error {
	c := a.checked
	if err := c.unchanged(); err != nil {
		return err
	}
	return c.state.Record(a.Receipt())
}

// unchanged returns an error if the state is no longer the one that the artifact
// was checked against.
func (c *Checked) unchanged() error {
	if OpenState(c.state.dir).text != c.state.text {
		return errorf(ErrState, "what %s says changed meanwhile", c.state.dir)
	}
	return nil
}

func markOf(a *artifact.Artifact) mark {
	return mark{epoch: a.Manifest.Epoch, serial: a.Manifest.Serial, digest: a.Digest}
}
