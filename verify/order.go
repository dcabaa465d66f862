package verify

import (
	"cmp"
	"fmt"
	"time"

	"github.com/fwc-dev/fwc/artifact"
)

// checkTime holds an artifact to this host's clock.
func checkTime(m *artifact.Manifest, p Policy, now time.Time) error {
	if !m.NotAfter.IsZero() && now.After(m.NotAfter) {
		return errorf(ErrExpired, "not valid after %s", m.NotAfter.Format(time.RFC3339)).
			hint("build it again, or set this host's clock, which says %s", now.UTC().Format(time.RFC3339))
	}
	if m.Created.After(now.Add(p.MaxClockSkew)) {
		return errorf(ErrFuture, "created %s", m.Created.Format(time.RFC3339)).
			hint("set this host's clock, which says %s", now.UTC().Format(time.RFC3339))
	}
	return nil
}

// checkOrder holds an artifact to those accepted before. Older says that the
// policy alone lets it pass.
func (s *State) checkOrder(m mark, p Policy, now time.Time) (older bool, err error) {
	if s.problem != nil {
		if p.AllowOlder && s.lost {
			return true, s.checkJump(m, p, now) // it will be the highest
		}
		return false, s.problem
	}
	if s.knows(m) {
		return false, nil
	}
	order := cmp.Or(cmp.Compare(m.epoch, s.highest.epoch), cmp.Compare(m.serial, s.highest.serial))
	switch {
	case p.Boot && !s.fresh && order < 0:
		return false, nil
	case p.Boot:
		return false, errorf(ErrOlder, "%s was never accepted on this host", m)
	case s.fresh || order > 0:
		return false, s.checkJump(m, p, now)
	case p.AllowOlder:
		return true, nil
	case order == 0:
		return false, errorf(ErrSameSerial, "%s was accepted before with the digest %s, this one has %s",
			m, s.highest.digest, m.digest).hint("build it again with a higher --serial")
	}
	return false, errorf(ErrOlder, "%s, the highest accepted is %s", m, s.highest).
		hint("to go back on purpose: fwc apply --allow-older FILE")
}

// knows says whether this very artifact was the last accepted.
func (s *State) knows(m mark) bool {
	return m == s.highest || s.allowed != nil && m == *s.allowed
}

// checkJump refuses a serial or epoch that nothing plausible could follow.
// Serials are seconds by default, so those of the present are always plausible.
func (s *State) checkJump(m mark, p Policy, now time.Time) error {
	base := uint64(0)
	if m.epoch == s.highest.epoch {
		base = s.highest.serial
	}
	limit := max(base+p.MaxSerialStep, uint64(max(0, now.Add(p.MaxClockSkew).Unix())))
	if m.serial > limit {
		return errorf(ErrJump, "%s, at most %d is plausible after %s", m, limit, s.highest).
			hint("check this host's clock and the artifact's --serial; max-serial-step in %s sets the limit", DefaultPolicyFile)
	}
	if m.epoch > s.highest.epoch+p.MaxEpochStep {
		return errorf(ErrJump, "%s, at most epoch %d is plausible after %s", m, s.highest.epoch+p.MaxEpochStep, s.highest).
			hint("max-epoch-step in %s sets the limit", DefaultPolicyFile)
	}
	return nil
}

// String returns the serial, and the epoch if there is one.
func (m mark) String() string {
	if m.epoch == 0 {
		return fmt.Sprintf("serial %d", m.serial)
	}
	return fmt.Sprintf("serial %d of epoch %d", m.serial, m.epoch)
}
