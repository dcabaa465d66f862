package verify

// Receipt is what this host will remember of an artifact that it took, for whom
// to write down later: an artifact that waits for its confirmation is not taken
// yet.
type Receipt struct {
	Epoch  uint64 `json:"epoch"`
	Serial uint64 `json:"serial"`
	Digest string `json:"digest"`
	// Beside says that it was older than the highest, which stays.
	Beside bool `json:"beside,omitempty"`
}

// Receipt returns what Record writes down. Call it after Prepare, under the
// same lock.
func (a *Accepted) Receipt() Receipt {
	c := a.checked
	m := markOf(c.artifact)
	return Receipt{m.epoch, m.serial, m.digest, c.older && c.state.problem == nil}
}

// Record writes down that this host took an artifact, as Accepted.Record does.
// The caller holds the lock that keeps others from accepting one.
func (s *State) Record(r Receipt) error {
	if err := s.Prepare(); err != nil {
		return err
	}
	m := mark{r.Epoch, r.Serial, r.Digest}
	if r.Beside && s.problem == nil {
		return s.write(s.highest, &m)
	}
	if s.allowed != nil && m == *s.allowed {
		return nil
	}
	return s.write(m, nil)
}
