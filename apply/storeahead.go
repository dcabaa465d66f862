package apply

import "time"

// storeAhead begins to store the generation that a draft will be, while the
// trial runs: nothing refers to it before the journal does, see
// writeGeneration. Ahead of the first one comes the journal.
func (s *store) storeAhead(c *candidate, d *draft) {
	if used, err := inUse(s.dir); err == nil && used && d.storing == nil {
		s.store(c, d)
	}
}

// store begins to store the generation.
func (s *store) store(c *candidate, d *draft) {
	if s.Void != 0 {
		_ = s.drop(s.Void) // left by one that was cut short while it forgot it
	}
	g := c.generation
	g.Number, g.Parent, g.At = s.Last+1, s.Current, time.Now().UTC().Truncate(time.Second)
	g.Keep = d.keep
	switch {
	case g.Parent == 0:
		g.First = g.Number
	case d.last != nil:
		g.First = d.last.First
	}
	if !c.back {
		g.Former, g.Since = formerValues(d.formerOf(), d.base, c.ours, d.live.Snapshot), d.since(*c)
	}
	applied := c.ours
	if c.back {
		applied = d.plan.Wanted // for a recovery only: the generation is not kept
	}
	d.storing, d.storedAs = make(chan error, 1), &g
	go func(done chan<- error, artifact []byte) {
		done <- s.writeGeneration(&g, artifact, applied, d.live)
	}(d.storing, c.artifact)
}

// stored waits until the generation is on the disk, and hands it over.
func (d *draft) stored() (*Generation, error) {
	err := <-d.storing
	d.storing = nil
	return d.storedAs, err
}

// unstore removes what was stored of a draft that does not come to be.
func (s *store) unstore(d *draft) {
	if d != nil && d.storing != nil {
		g, _ := d.stored()
		_ = s.discard(g.Number)
	}
}
