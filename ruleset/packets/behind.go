package packets

import (
	"net/netip"
	"slices"
)

// maxMapped is how many networks a NETMAP is followed from.
const maxMapped = 64

// mapped says that a translation puts a destination's network in the place of
// another one, of which the host bits stay (netmap_tg4 of xt_NETMAP.c).
func (r *reader) mapped(t *translation, to string) {
	p, err := netip.ParsePrefix(to)
	if err != nil {
		return // two masks or a host's name
	}
	size := ones(fieldDst.width(r.v6) - p.Bits())
	t.maps, t.network, t.hosts = true, ofAddress(p.Masked().Addr()), size
	t.from = normal(append(slices.Clone(t.from), r.asksFor...))
	n := 0
	for _, s := range t.from {
		for at := s.low.and(size.not()); n <= maxMapped && !s.high.less(at); n++ {
			next := at.or(size).next()
			if !at.less(next) {
				break // the last network of all
			}
			at = next
		}
	}
	t.wide = t.wide || len(r.asksFor) == 0 || n > maxMapped
}

// origins are the destinations that a NETMAP brings into a set.
func (t *translation) origins(set spans) spans {
	image := span{t.network, t.network.or(t.hosts)}
	var out spans
	for _, s := range t.from {
		for at := s.low.and(t.hosts.not()); ; at = at.or(t.hosts).next() {
			for _, r := range set {
				if r.high.less(image.low) || image.high.less(r.low) {
					continue
				}
				low, high := at, at.or(t.hosts)
				if image.low.less(r.low) {
					low = at.or(r.low.and(t.hosts))
				}
				if r.high.less(image.high) {
					high = at.or(r.high.and(t.hosts))
				}
				out = append(out, span{low, high})
			}
			if !at.or(t.hosts).less(s.high) {
				break
			}
		}
	}
	return normal(out)
}

// told is what a test of a destination asks of a packet that was translated, as
// something about the packet before.
type told struct {
	// op is always, never, inSet of the destinations in set, atomic, or masked
	// where the test is asked of the packet as it is now.
	op   operation
	set  spans
	atom Atom
}

// sourceTest tells a test of a packet that met translation k of its source.
func (u *universe) sourceTest(c *condition, k int) told {
	if k == 0 || c.field != fieldSrc && c.field != fieldSport {
		return told{op: masked}
	}
	t := &u.sources[k]
	known, to := t.known(), t.to
	if c.field == fieldSport {
		known, to = t.knownPort(), t.port
	}
	if known {
		return told{op: masked}
	}
	switch inside, outside := within(to, c); {
	case inside:
		return told{op: always}
	case outside:
		return told{op: never}
	}
	return told{op: atomic, atom: u.testAtom(c, t.text)}
}

// behindTest tells a test of a packet that met translation k.
func (u *universe) behindTest(c *condition, k int) told {
	if k == 0 || c.field != fieldDst && c.field != fieldDport {
		return told{op: masked}
	}
	t := &u.translations[k]
	known, to := t.known(), t.to
	if c.field == fieldDport {
		known, to = t.knownPort(), t.port
	}
	if known || c.field == fieldDst && t.redirect {
		return told{op: masked}
	}
	switch inside, outside := within(to, c); {
	case inside:
		return told{op: always}
	case outside:
		return told{op: never}
	case c.field == fieldDst && c.op == inSet && t.maps && !t.wide:
		return told{op: inSet, set: t.origins(c.set)}
	}
	return told{op: atomic, atom: u.destinationAtom(c, k)}
}

// within says whether a test holds for all of a range, or for none of it.
func within(to spans, c *condition) (inside, outside bool) {
	if len(to) != 1 || c.op != inSet {
		return false, false
	}
	outside = true
	for _, r := range c.set {
		if !to[0].low.less(r.low) && !r.high.less(to[0].high) {
			return true, false
		}
		if !r.high.less(to[0].low) && !to[0].high.less(r.low) {
			outside = false
		}
	}
	return false, outside
}

func (u *universe) destinationAtom(c *condition, k int) Atom {
	return u.testAtom(c, u.translations[k].text)
}

// testAtom is the unknown that a test is of a packet that was translated.
func (u *universe) testAtom(c *condition, translation string) Atom {
	what := spansText(c.field, c.set, u.v6)
	if c.op == masked {
		what = c.want.address(u.v6).String() + "/" + c.mask.address(u.v6).String()
	}
	return Atom{Text: fieldWords[c.field] + " in " + what + ", after " + translation}
}
